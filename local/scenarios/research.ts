// Research: three hospitals, two hundred patients, one study, and nobody who can be told apart.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import type { Role } from '../../lib/membership/roles.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { collect, publish } from '../../sdk/coordination.ts';
import { SdkError } from '../../sdk/errors.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSource, nodeFiles } from '../../sdk/platform/node.ts';
import { fetchPublication, type FetchedPublication } from '../../sdk/publications.ts';
import { letterOfInvitation } from '../../sdk/reenrolment.ts';
import { releasable, type Released, releaseRecord, studyPeople } from '../../sdk/releases.ts';
import { approveStudy, leaveStudy, ownReleases, registerStudy } from '../../sdk/studies.ts';
import { linkageAttack } from '../linkage/attack.ts';
import {
  findingCodes,
  type JsonObject,
  patientBundle,
  type SyntheticPerson,
  syntheticPeople,
} from '../synthetic/people.ts';
import type { Scenario, Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';
import { blocksOf, shortId } from './text.ts';

/** Over three hospitals; fewer where somebody wants to see it quickly. */
const PATIENTS = Number(process.env['CAREQUORUM_RESEARCH_PATIENTS'] ?? 204);
const SEED = 2017;
/** People who act at the same time: what they sign shares blocks. */
const AT_ONCE = 8;
const K = 5;
const CATEGORY = 'laboratory';
const YEAR_MS = 365 * 86_400_000;

interface Enrolled {
  readonly person: SyntheticPerson;
  readonly patient: Patient;
  /** Number of the hospital. */
  readonly at: number;
}

interface Opening {
  readonly studyId: string;
  readonly hospitals: readonly string[];
  readonly doctors: readonly Clinician[];
  readonly researcher: Clinician;
  readonly coordinator: Clinician;
}

export const research: Scenario = {
  name: 'research',
  title:
    'a study over three hospitals: cleaned, counted together, with proof of source; left at will',
  async run(stage) {
    const { steps } = stage;
    const opening = await open(stage);
    await approved(stage, opening);
    const people = await joined(stage, opening);
    await uploaded(stage, opening, people);
    await released(stage, opening);
    await published(stage, opening);
    const fetched = await downloaded(stage, opening, people);
    await left(stage, opening, { people, fetched });
    await steps.run('The linkage attack of the source, on naive releases and on ours', async () => {
      const { naive, ours } = linkageAttack();
      if (naive.disclosed === 0) throw new UnexpectedError('the attack learns nothing anywhere');
      if (ours.disclosed + ours.singledOut > 0) throw new UnexpectedError('it learns from ours');
      const proof = `of ${naive.targets} people: ${naive.disclosed} from naive ones, 0 from ours`;
      return { value: null, proof };
    });
  },
};

/** By hospital; others of these stories work elsewhere. */
const DOCTORS = [0, 1, 21] as const;

async function open(stage: Stage): Promise<Opening> {
  const { cast, steps } = stage;
  const hospitals = cast.hospitals.slice(0, 3);
  return steps.run('Three doctors, a researcher and a coordinator enrol', async () => {
    const doctors: Clinician[] = [];
    for (const [at, hospital] of hospitals.entries()) {
      doctors.push((await cast.doctor(hospital, DOCTORS[at])).doctor);
    }
    const last = cast.hospitals.at(-1) ?? '';
    const researcher = await staff(stage, 'researcher', 'Rita Rossi', last);
    const coordinator = await staff(stage, 'coordinator', 'Carla Conte', hospitals[0] ?? '');
    const studyId = `findings-${shortId()}`;
    const value = { studyId, hospitals, doctors, researcher, coordinator };
    return { value, proof: `${hospitals.join(', ')}; counted by staff of ${hospitals[0]}` };
  });
}

/** Staff of no register: the operator of the own hospital vouches for the key. */
async function staff(stage: Stage, role: Role, name: string, hospital: string): Promise<Clinician> {
  const { cast } = stage;
  const called = `${name} ${shortId()}`;
  const keystore = await cast.keystore('clinician', `${role}-${shortId()}`, called);
  const person = new Clinician(cast.session(), keystore, nodeFiles);
  const operator = await cast.operator(hospital);
  const letter = await letterOfInvitation(operator, { role, kid: keystore.kid });
  const enrolment = await person.enrol(role, { name: called, hospital }, letter);
  await operator.approve(fromBase64url(enrolment?.certificate ?? ''));
  return person;
}

async function approved(stage: Stage, opening: Opening): Promise<void> {
  const { studyId, researcher, coordinator } = opening;
  await stage.steps.run('The study is registered, and opens with the third hospital', async () => {
    const protocolDigest = digestOf('protocol of the demonstration');
    const registered = await registerStudy(researcher, studyId, {
      title: 'Findings and age',
      ...{ protocolDigest, categories: [CATEGORY] },
      coordinator: coordinator.data.enrolment?.subject ?? '',
      ...{ k: K, l: 2, quasi: ['birth-year', 'sex', 'postcode'] },
      ...{ sensitive: [...findingCodes], until: Date.now() + YEAR_MS },
    });
    const results = [registered];
    for (const hospital of stage.cast.hospitals.slice(0, 3)) {
      const operator = await stage.cast.operator(hospital);
      results.push(await approveStudy(operator, studyId, digestOf(`ethics of ${hospital}`)));
    }
    const { open: isOpen } = results.at(-1)?.value as { open: boolean };
    if (!isOpen) throw new UnexpectedError('three of four hospitals do not open a study');
    return { value: null, proof: `k = ${K}, l = 2, ${blocksOf(results)}` };
  });
}

async function joined(stage: Stage, { studyId, doctors }: Opening): Promise<Enrolled[]> {
  const people = syntheticPeople(PATIENTS, SEED);
  const title = `${PATIENTS} patients join, and let their doctor share for the study`;
  return stage.steps.run(title, async () => {
    const heights: number[] = [];
    const value = await inParallel(people, async (person, index) => {
      const at = index % doctors.length;
      const { patient } = await stage.cast.patient(person.name, [CATEGORY]);
      const doctor = doctors[at] as Clinician;
      const { result } = await grant(patient, {
        to: { name: doctor.keystore.label, subject: doctor.data.enrolment?.subject },
        rights: ['read', 'write', 'share'],
        ...{ categories: [CATEGORY], purposes: ['TREAT', 'RESCH'] },
        ...{ until: Date.now() + YEAR_MS, study: studyId, anonymise: true },
      });
      heights.push(result.height);
      return { person, patient, at };
    });
    return { value, proof: `blocks ${Math.min(...heights)} to ${Math.max(...heights)}` };
  });
}

async function uploaded(
  stage: Stage,
  { doctors }: Opening,
  people: readonly Enrolled[],
): Promise<void> {
  const templates = await templatesOf(stage);
  const source = templates.length === 0 ? 'our own template' : `${templates.length} real bundles`;
  await stage.steps.run(`Each doctor uploads a whole record of each patient`, async () => {
    for (const doctor of doctors) await doctor.grants({ reload: true });
    let bytes = 0;
    await inParallel(people, async ({ person, patient, at }, index) => {
      const template = templates[index % Math.max(1, templates.length)] ?? null;
      const text = JSON.stringify(patientBundle(person, SEED + index, template));
      bytes += text.length;
      await upload(stage, doctors[at] as Clinician, patient, `bundle-${index}.json`, text);
    });
    const first = people[0] as Enrolled;
    await upload(stage, doctors[first.at] as Clinician, first.patient, 'scan.pdf', '%PDF-1.7 scan');
    const size = `${(bytes / 1_000_000).toFixed(1)} MB`;
    return { value: null, proof: `${people.length} bundles varied from ${source}, ${size}` };
  });
}

async function upload(
  stage: Stage,
  doctor: Clinician,
  { pseudonym }: Patient,
  name: string,
  text: string,
): Promise<string> {
  const path = join(stage.work, `research-${name}`);
  await writeFile(path, text);
  const mediaType = name.endsWith('.pdf') ? 'application/pdf' : 'application/fhir+json';
  const target = { pseudonym, category: CATEGORY, mediaType };
  return (await doctor.upload(await fileSource(path, name), target)).recordId;
}

/** Whole patients among the documents, if there are any: their lives are varied, not copied. */
async function templatesOf(stage: Stage): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  for (const { file, name } of stage.documents) {
    if (!name.endsWith('.json')) continue;
    const parsed = JSON.parse(await readFile(file, 'utf8')) as JsonObject;
    const text = Array.isArray(parsed['entry']) ? JSON.stringify(parsed).slice(0, 20_000) : '';
    if (parsed['resourceType'] === 'Bundle' && text.includes('"Patient"')) found.push(parsed);
  }
  return found;
}

async function released(stage: Stage, { studyId, doctors }: Opening): Promise<void> {
  const title =
    'The doctors release what they may: cleaned here, refused where that is not possible';
  await stage.steps.run(title, async () => {
    const done: Released[] = [];
    for (const doctor of doctors) {
      const people = await studyPeople(doctor, studyId);
      const records = await releasable(doctor, people.study);
      done.push(...(await inParallel(records, (one) => releaseRecord(doctor, people, one))));
    }
    const good = done.filter((one) => one.kind === 'released');
    const refused = done.filter((one) => one.kind === 'refused');
    if (good.length !== PATIENTS) throw new UnexpectedError(`${good.length} were released`);
    if (refused.length !== 1) throw new UnexpectedError('the scan was not refused');
    const blocks = blocksOf(good.map(({ result }) => result));
    const proof = `${good.length} in ${blocks}; refused: ${refused[0]?.why}`;
    return { value: null, proof };
  });
}

async function published(stage: Stage, { studyId, coordinator }: Opening): Promise<void> {
  await stage.steps.run('The coordinator counts over all hospitals, and publishes', async () => {
    const collected = await collect(coordinator, studyId);
    const { classes, held } = collected.plan;
    const sizes = classes.map(({ members }) => members.length);
    if (Math.min(...sizes) < K) throw new UnexpectedError('a class is too small');
    if (collected.refused.length > 0) throw new UnexpectedError('some rows are not as committed');
    const result = await publish(coordinator, collected);
    const range = `${Math.min(...sizes)} to ${Math.max(...sizes)}`;
    const made = `${classes.length} classes of ${range}, ${held.length} wait`;
    const proof = `${made}, block ${result.height}`;
    return { value: null, proof };
  });
}

async function downloaded(
  stage: Stage,
  { studyId, researcher }: Opening,
  people: readonly Enrolled[],
): Promise<FetchedPublication> {
  const title = 'The researcher fetches it: each datum with its source, nobody’s identity in it';
  return stage.steps.run(title, async () => {
    const value = await fetchPublication(researcher, studyId, 1);
    const text = value.patients
      .flatMap(({ row: { pseudonym, box }, data }) => [
        JSON.stringify({ pseudonym, box }),
        ...data.map(({ payload }) => payload.content),
      ])
      .join('\n');
    for (const { person, patient } of people) {
      const [first = '', last = ''] = person.name.split(' ');
      const secrets = [person.name, person.birthDate, patient.pseudonym, `"${first}"`, `"${last}"`];
      const found = secrets.find((secret) => text.includes(secret));
      if (found !== undefined) throw new UnexpectedError('something that identifies came through');
    }
    const sources = new Set(
      value.patients.flatMap(({ data }) => data.map(({ source }) => source.hospital ?? '')),
    );
    const from = [...sources].sort().join(', ');
    const proof = `${value.patients.length} people of ${from}, block ${value.access.height}`;
    return { value, proof };
  });
}

async function left(
  stage: Stage,
  { studyId, researcher, doctors }: Opening,
  { people, fetched }: { people: readonly Enrolled[]; fetched: FetchedPublication },
): Promise<void> {
  const title = 'A patient sees the release, leaves the study, and is in no download any more';
  await stage.steps.run(title, async () => {
    const one = await someOf(people);
    const { patient, at } = one;
    const height = (await leaveStudy(patient, studyId)).height;
    const { patients } = await fetchPublication(researcher, studyId, 1);
    const gone = fetched.patients.length - patients.length;
    if (gone < 1) throw new UnexpectedError('whoever left is still given out');
    const doctor = doctors[at] as Clinician;
    const refusal = await tryRelease(stage, doctor, { patient, studyId });
    const proof = `block ${height}; ${gone} fewer are given out; the doctor is refused: ${refusal}`;
    return { value: null, proof };
  });
}

/** One whose record was published. */
async function someOf(people: readonly Enrolled[]): Promise<Enrolled> {
  for (const one of people) {
    const releases = await ownReleases(one.patient);
    if (releases.some(({ published }) => published)) return one;
  }
  throw new UnexpectedError('nobody’s release was published');
}

async function tryRelease(
  stage: Stage,
  doctor: Clinician,
  { patient, studyId }: { patient: Patient; studyId: string },
): Promise<string> {
  const later = patientBundle(syntheticPeople(1, SEED)[0] as SyntheticPerson, SEED);
  const recordId = await upload(stage, doctor, patient, 'later.json', JSON.stringify(later));
  const people = await studyPeople(doctor, studyId);
  const records = await releasable(doctor, people.study);
  const record = records.find(({ id }) => id === recordId);
  if (!record) throw new UnexpectedError('the new record is not there');
  try {
    await releaseRecord(doctor, people, record);
  } catch (error) {
    if (error instanceof SdkError && reasonOf(error) === 'participant_withdrawn') {
      return 'participant_withdrawn';
    }
    throw error;
  }
  throw new UnexpectedError('a release of somebody who left was taken');
}

/** A few at a time, the results in order. */
async function inParallel<T, R>(
  all: readonly T[],
  work: (one: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next; index < all.length; index = next) {
      next += 1;
      results[index] = await work(all[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
