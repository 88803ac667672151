/**
 * A study from its registration to the researcher's download, and what those on the way cannot
 * do.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { hpkeSeal } from '../../lib/crypto/hpke.ts';
import { toSealedText } from '../../lib/records/sealed.ts';
import { findingCodes, patientBundle, syntheticPeople } from '../../local/synthetic/people.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { collect, publish } from '../../sdk/coordination.ts';
import { grant } from '../../sdk/grants.ts';
import { eraseEverything } from '../../sdk/erasure.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSource, nodeFiles } from '../../sdk/platform/node.ts';
import { fetchPublication } from '../../sdk/publications.ts';
import { releasable, releaseRecord, studyInfo, studyPeople } from '../../sdk/releases.ts';
import { letterOfInvitation } from '../../sdk/reenrolment.ts';
import {
  approveStudy,
  joinStudy,
  leaveStudy,
  ownReleases,
  registerStudy,
  type StudyTerms,
} from '../../sdk/studies.ts';
import { makeWorld, type World } from './world.ts';

const DAY = 86_400_000;
const STUDY = 'oncology-2026';
const COUNT = 6;
let world: World;
let doctors: Clinician[];
let researcher: Clinician;
let coordinator: Clinician;
let patients: Patient[];

/** Staff of no register: their operator vouches for the key. */
async function staff(role: 'researcher' | 'coordinator', name: string, hospital: number) {
  const keystore = await world.keystore('clinician', name);
  const person = new Clinician(world.session(), keystore, nodeFiles);
  const id = world.net.validators[hospital]?.id ?? '';
  const operator = world.operator(hospital);
  const letter = await letterOfInvitation(operator, { kid: keystore.kid, role });
  const enrolled = await person.enrol(role, { name, hospital: id }, letter);
  await operator.approve(fromBase64url(enrolled?.certificate ?? ''));
  return person;
}

const termsOf = (more: Partial<StudyTerms> = {}): StudyTerms => ({
  title: 'Findings and age',
  protocolDigest: toBase64url(sha256(utf8('protocol'))),
  categories: ['laboratory'],
  coordinator: coordinator.data.enrolment?.subject ?? '',
  k: 3,
  l: 1,
  quasi: ['birth-year', 'sex', 'postcode'],
  sensitive: findingCodes.slice(0, 31),
  until: Date.now() + 300 * DAY,
  ...more,
});

async function opened(studyId: string, terms: StudyTerms): Promise<void> {
  await registerStudy(researcher, studyId, terms);
  for (const at of [0, 1, 2]) {
    await approveStudy(world.operator(at), studyId, toBase64url(sha256(utf8(`ethics ${at}`))));
  }
}

const people = syntheticPeople(COUNT, 7);

async function consents(patient: Patient, doctor: Clinician, study = STUDY): Promise<void> {
  const { subject = '' } = doctor.data.enrolment ?? {};
  const name = doctor.keystore.label;
  await grant(patient, {
    to: { name, subject },
    rights: ['read', 'write', 'share'],
    categories: ['laboratory'],
    purposes: ['TREAT', 'RESCH'],
    until: Date.now() + 30 * DAY,
    ...{ study, anonymise: true },
  });
}

async function upload(doctor: Clinician, patient: Patient, name: string, text: string) {
  const path = join(world.folder, name);
  await writeFile(path, text);
  const target = { pseudonym: patient.pseudonym, category: 'laboratory' };
  const source = await fileSource(path, name);
  return doctor.upload(source, { ...target, mediaType: 'application/fhir+json' });
}

beforeAll(async () => {
  world = await makeWorld();
  doctors = [
    await world.doctor('Ada Okonjo', 0, '1000000012'),
    await world.doctor('Bruno Castellan', 1, '1000000020'),
  ];
  researcher = await staff('researcher', 'Rita Rossi', 3);
  coordinator = await staff('coordinator', 'Carla Conte', 2);
  await opened(STUDY, termsOf());
  patients = [];
  for (let at = 0; at < COUNT; at += 1) {
    const patient = await world.patient(people[at]!.name, ['laboratory']);
    patients.push(patient);
    const doctor = doctors[at % 2]!;
    await consents(patient, doctor);
    await doctor.grants({ reload: true });
    const bundle = JSON.stringify(patientBundle(people[at]!, 100 + at));
    await upload(doctor, patient, `bundle-${at}.json`, bundle);
  }
});
afterAll(() => world.close());

async function releaseAll(doctor: Clinician, studyId = STUDY) {
  const of = await studyPeople(doctor, studyId);
  const done = [];
  for (const record of await releasable(doctor, of.study)) {
    done.push(await releaseRecord(doctor, of, record));
  }
  return done;
}

describe('a study', () => {
  it('gets nothing until enough patients look alike, over all hospitals', async () => {
    const first = await releaseAll(doctors[0]!);
    expect(first.map(({ kind }) => kind)).toEqual(['released', 'released', 'released']);
    const seen = await ownReleases(patients[0]!);
    expect(seen).toMatchObject([{ studyId: STUDY, published: false }]);
    const early = await collect(coordinator, STUDY);
    expect(early.refused).toEqual([]);
    // One doctor's three patients are one class; the other's two of three are too few.
    expect(early.plan.classes).toHaveLength(1);
    const second = await releaseAll(doctors[1]!);
    expect(second).toHaveLength(3);
    const all = await collect(coordinator, STUDY);
    expect(all.plan.classes.map(({ members }) => members.length)).toEqual([3, 3]);
    await publish(coordinator, all);
    expect(await ownReleases(patients[0]!)).toMatchObject([{ published: true }]);
  });

  it('gives the researcher data with its source, and nobody’s name, number or pseudonym', async () => {
    const { patients: found, access } = await fetchPublication(researcher, STUDY, 1);
    expect(found).toHaveLength(COUNT);
    expect(access.receipt.length).toBeGreaterThan(0);
    const hospitals = found.map(({ data }) => data[0]?.source.hospital).sort();
    expect(hospitals).toEqual([
      'hospital-a',
      'hospital-a',
      'hospital-a',
      'hospital-b',
      'hospital-b',
      'hospital-b',
    ]);
    const text = JSON.stringify(found, (_, value: unknown) =>
      value instanceof Uint8Array ? toBase64url(value) : value,
    );
    for (const [at, { name, birthDate }] of people.entries()) {
      for (const secret of [name, birthDate, patients[at]!.pseudonym]) {
        expect(text).not.toContain(secret);
      }
    }
    for (const doctor of doctors) expect(text).not.toContain(doctor.data.enrolment?.subject);
    expect(new Set(found.map(({ row }) => row.pseudonym)).size).toBe(COUNT);
    const classes = new Map<number, Set<string>>();
    for (const { row } of found) {
      const boxes = classes.get(row.classId) ?? new Set();
      classes.set(row.classId, boxes.add(JSON.stringify(row.box)));
    }
    expect([...classes.values()].every((boxes) => boxes.size === 1)).toBe(true);
  });

  it('keeps a name within the study, and has another one in the next', async () => {
    const next = 'another-study';
    await opened(next, termsOf());
    const before = patients[0]!.data.studies?.[STUDY];
    expect(await joinStudy(patients[0]!, STUDY)).toBeNull();
    await joinStudy(patients[0]!, next);
    const { studies } = patients[0]!.data;
    expect(studies?.[STUDY]).toEqual(before);
    expect(studies?.[next]?.pseudonym).not.toBe(before?.pseudonym);
  });

  it('is not released what cannot be cleaned, and the doctor reads why', async () => {
    const [doctor, patient] = [doctors[0]!, patients[0]!];
    await upload(doctor, patient, 'scan.pdf', '%PDF-1.7 a scan');
    const done = await releaseAll(doctor);
    const refused = done.filter(({ kind }) => kind === 'refused');
    expect(refused).toMatchObject([{ code: 'scanned_document' }]);
  });

  it('holds back what would tell one of a class apart', async () => {
    const [doctor, patient] = [doctors[0]!, patients[0]!];
    const bundle = JSON.stringify(patientBundle(people[0]!, 900));
    await upload(doctor, patient, 'later.json', bundle);
    await releaseAll(doctor);
    const later = await collect(coordinator, STUDY);
    expect(later.plan.classes).toEqual([]);
    expect(later.plan.held).toHaveLength(1);
    await expect(publish(coordinator, later)).rejects.toMatchObject({ code: 'bad_input' });
  });

  it('counts nothing that is not what the ledger and the patient committed to', async () => {
    const { study } = await studyPeople(coordinator, STUDY);
    const key = (await studyPeople(coordinator, STUDY)).coordinator.encryptionKey;
    const info = studyInfo(
      world.network.genesis.document.network,
      'release-row',
      STUDY,
      study.coordinator,
    );
    const forged = toSealedText(
      await hpkeSeal(key, { info, aad: new Uint8Array(), plaintext: utf8('nonsense') }),
    );
    const handler = world.handlers['http://records.test']!;
    world.handlers['http://records.test'] = async (request) => {
      const answer = await handler(request);
      if (request.url.pathname !== '/v1/releases/rows') return answer;
      const { rows: kept } = answer.json as { rows: { sequence: number; row: unknown }[] };
      return {
        ...answer,
        json: { rows: kept.map((one, at) => (at === 0 ? { ...one, row: forged } : one)) },
      };
    };
    const { refused } = await collect(coordinator, STUDY);
    world.handlers['http://records.test'] = handler;
    expect(refused).toMatchObject([{ sequence: 0, why: 'the custodian has another row of it' }]);
  });

  it('gives nothing more of whoever left, whose data the custodian deletes', async () => {
    await leaveStudy(patients[1]!, STUDY);
    const { patients: found } = await fetchPublication(researcher, STUDY, 1);
    // Of the class of three only two are left: they would be fewer than promised.
    expect(found).toHaveLength(3);
    const refused = releaseAll(doctors[1]!);
    await expect(refused).resolves.toEqual([]);
    await eraseEverything(patients[2]!);
    const { patients: left } = await fetchPublication(researcher, STUDY, 1);
    expect(left).toEqual([]);
  });
});
