// The journey of records through a running network: consent, upload, reading, refusals, history.
import { createHash, randomBytes } from 'node:crypto';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  type PathLike,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quorumSize } from '../lib/wire/validators.ts';
import { fromBase64url } from '../lib/crypto/bytes.ts';
import type { HistoryEntry, MedicalRecord } from '../lib/chaincode/values.ts';
import { categoryName, categoryOfContent, DEFAULT_CATEGORY } from '../sdk/categories.ts';
import { Clinician } from '../sdk/clinician.ts';
import { SdkError } from '../sdk/errors.ts';
import { readNetworkFile } from '../sdk/genesis.ts';
import { grant, type GrantTerms, revoke } from '../sdk/grants.ts';
import { reasonOf } from '../sdk/http.ts';
import { createKeystore, type Keystore, openKeystore } from '../sdk/keystore.ts';
import { mediaTypeOf } from '../sdk/media-type.ts';
import { Operator } from '../sdk/operator.ts';
import { Patient, preparePatient, requireAll } from '../sdk/patient.ts';
import { fileSink, fileSource, nodeFiles, readFileStart, walkFiles } from '../sdk/platform/node.ts';
import type { CertifiedResult } from '../sdk/proofs.ts';
import { openSession, type Session } from '../sdk/session.ts';
import type { Network } from '../sdk/network-file.ts';
import { CLINICIANS } from './lib/registry-answers.ts';
import { writeSampleDocuments } from './sample-documents.ts';
import { verifyInOwnProcess } from './verify-offline.ts';

export interface ShortJourneyOptions {
  readonly networkFile: string;
  readonly report: (line: string) => void;
  /** Folder of the operators' keystores and passphrases. @default `operators` beside the network file */
  readonly operatorsFolder?: string | undefined;
}

export interface JourneyOptions extends ShortJourneyOptions {
  /** Folder of documents to share. @default documents that this project makes itself */
  readonly documents?: string | undefined;
  /** Category of files that lie in no sub-folder. @default by content */
  readonly category?: string | undefined;
  /** Kills an account for real; without it, one round is made and nothing is killed. */
  readonly kill?: ((account: string) => Promise<void>) | undefined;
}

/** One line of the summary. */
export interface JourneyStep {
  readonly round: number;
  readonly title: string;
  readonly isGood: boolean;
  readonly seconds: number;
  /** What proves it: blocks, receipts, digests; or why it is not as it must be. */
  readonly proof: string;
}

export interface JourneySummary {
  readonly isGood: boolean;
  readonly steps: readonly JourneyStep[];
}

const HOUR_MS = 3_600_000;
/** How long the grant lasts whose end is waited for. */
const SHORT_GRANT_MS = 10_000;
const IN_FLIGHT = 3;
/** Categories of one patient: 24 months of keys each fit one publication. */
const CATEGORIES_MAX = 40;
const CATEGORIES_PER_GRANT = 32;
const START_BYTES = 8_192;
const WORK_FACTOR = 10;

/** One round with the project's own documents and nothing killed; throws where a step fails. */
export async function runShortJourney(options: ShortJourneyOptions): Promise<JourneySummary> {
  const summary = await runJourney(options);
  if (!summary.isGood) throw new Error('The journey is not as it must be.');
  return summary;
}

/** One round; with `kill` the leader's account dies, and a second round goes over the rest. */
export async function runJourney(options: JourneyOptions): Promise<JourneySummary> {
  const work = mkdtempSync(join(tmpdir(), 'carequorum-journey-'));
  const steps = new Steps(options.report);
  try {
    const network = await readNetworkFile(options.networkFile);
    const folder = options.documents ?? join(work, 'documents');
    if (options.documents === undefined) await writeSampleDocuments(folder);
    const documents = await readDocuments(folder, options);
    const trip = { options, network, documents, work, steps };
    await round(trip, 1);
    if (options.kill && steps.isGood) {
      await killLeader(trip, options.kill);
      if (steps.isGood) await round(trip, 2);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { isGood: steps.isGood, steps: steps.all };
}

/** The steps as a table, for the end of a demonstration. */
export function summaryTable({ isGood, steps }: JourneySummary): string[] {
  const title = Math.max(...steps.map((one) => one.title.length));
  const lines = steps.map(
    (one) =>
      `${one.isGood ? '✓' : '✗'} ${one.round}  ${one.title.padEnd(title)}  ` +
      `${one.seconds.toFixed(1).padStart(6)} s  ${one.proof}`,
  );
  const good = steps.filter((one) => one.isGood).length;
  const end = isGood ? 'all as it must be' : 'NOT as it must be';
  return [...lines, '', `${good} of ${steps.length} steps: ${end}`];
}

interface Trip {
  readonly options: JourneyOptions;
  readonly network: Network;
  readonly documents: readonly Document[];
  readonly work: string;
  readonly steps: Steps;
}

/** A file of the folder, as it is to arrive at the reader. */
interface Document {
  readonly file: PathLike;
  /** Path below the folder. */
  readonly name: string;
  readonly category: string;
  readonly mediaType: string;
  readonly length: number;
  readonly sha256: string;
}

/** Runs steps, prints each with its time and proof, and remembers whether all were good. */
class Steps {
  readonly all: JourneyStep[] = [];
  readonly #report: (line: string) => void;
  round = 1;

  constructor(report: (line: string) => void) {
    this.#report = report;
  }

  get isGood(): boolean {
    return this.all.every((step) => step.isGood);
  }

  line(text: string): void {
    this.#report(printable(text));
  }

  async run<T>(title: string, work: () => Promise<{ value: T; proof: string }>): Promise<T> {
    const started = performance.now();
    const seconds = (): number => (performance.now() - started) / 1000;
    try {
      const { value, proof } = await work();
      this.#add({ title, isGood: true, seconds: seconds(), proof });
      return value;
    } catch (error) {
      const proof = error instanceof Error ? error.message : String(error);
      this.#add({ title, isGood: false, seconds: seconds(), proof });
      if (error instanceof SdkError) this.#report(`    next: ${error.nextStep}`);
      else if (!(error instanceof UnexpectedError)) this.#report(String((error as Error).stack));
      throw new StepFailedError(title, { cause: error });
    }
  }

  #add(found: Omit<JourneyStep, 'round'>): void {
    const step = { ...found, title: printable(found.title), proof: printable(found.proof) };
    this.all.push({ round: this.round, ...step });
    const mark = step.isGood ? '✓' : '✗';
    this.line(`${mark} ${step.title}  (${step.seconds.toFixed(1)} s)  ${step.proof}`);
  }
}

/** A step failed, and was reported; the round ends. */
class StepFailedError extends Error {
  override readonly name = 'StepFailedError';
}

/** Something is not as it must be. */
class UnexpectedError extends Error {
  override readonly name = 'UnexpectedError';
}

async function round(trip: Trip, number: number): Promise<void> {
  trip.steps.round = number;
  trip.steps.line(`Round ${number}: ${describe(trip.documents)}`);
  try {
    await new Round(trip, number).run();
  } catch (error) {
    if (!(error instanceof StepFailedError)) throw error;
  }
}

async function killLeader(trip: Trip, kill: (account: string) => Promise<void>): Promise<void> {
  const { steps, network } = trip;
  try {
    await steps.run("The leader's account is killed", async () => {
      const leader = await leaderNow(network);
      await kill(leader);
      return { value: leader, proof: `${leader} is gone: process, state and keys` };
    });
  } catch (error) {
    if (!(error instanceof StepFailedError)) throw error;
  }
}

/** Whom most validators take for the leader. */
export async function leaderNow(network: Network): Promise<string> {
  const said = await openSession(network).client.health();
  const votes = new Map<string, number>();
  for (const { health } of said) {
    const leader = health?.['leader'];
    if (typeof leader === 'string') votes.set(leader, (votes.get(leader) ?? 0) + 1);
  }
  const [best] = [...votes].sort(([, a], [, b]) => b - a);
  if (!best) throw new UnexpectedError('no validator says who leads');
  return best[0];
}

/** One patient and two doctors, from enrolment to the printed history. */
class Round {
  readonly #trip: Trip;
  readonly #number: number;
  readonly #receipts: Uint8Array[] = [];
  /** Reasons of the certified refusals, in their order. */
  readonly #denials: string[] = [];
  readonly #byRecord = new Map<string, Document>();

  constructor(trip: Trip, number: number) {
    this.#trip = trip;
    this.#number = number;
  }

  async run(): Promise<void> {
    await this.#checkNetwork();
    const patient = await this.#enrolPatient();
    const [first, second] = await this.#enrolDoctors();
    await this.#grantWriting(patient, first);
    const records = await this.#upload(patient, first);
    await this.#countersign(patient, records);
    await this.#refuseBefore(second, records);
    await this.#readAll(patient, second, records);
    await this.#expire(patient, second, records);
    await this.#printHistory(patient, [first, second], records);
    await this.#verifyOffline();
  }

  #step<T>(title: string, work: () => Promise<{ value: T; proof: string }>): Promise<T> {
    return this.#trip.steps.run(title, work);
  }

  #keep(...results: readonly Pick<CertifiedResult, 'receipt'>[]): void {
    for (const { receipt } of results) this.#receipts.push(receipt);
  }

  async #checkNetwork(): Promise<void> {
    await this.#step('The network answers', async () => {
      const said = await this.#session().client.health();
      const alive = said.filter((one) => one.health !== null && one.status === 200);
      const wanted = quorumSize(said.length);
      if (alive.length < wanted) {
        throw new UnexpectedError(`${alive.length} of ${said.length} validators, ${wanted} needed`);
      }
      const height = Math.max(...alive.map((one) => one.health?.height ?? 0));
      const proof = `${alive.length} of ${said.length} validators, block ${height}`;
      return { value: null, proof };
    });
  }

  async #enrolPatient(): Promise<Patient> {
    return this.#step('A patient enrols and registers a pseudonym', async () => {
      const keystore = await makeKeystore(this.#trip, 'patient', `patient-${id()}`);
      const name = 'Miriam Testerton';
      await preparePatient(keystore, { name, birthDate: '1961-04-23' });
      const patient = await Patient.open(this.#session(), keystore);
      await patient.enrol({ name });
      const categories = [...new Set(this.#trip.documents.map((one) => one.category))];
      const registered = await patient.register([DEFAULT_CATEGORY, ...categories]);
      if (!registered) throw new UnexpectedError('a fresh patient is registered already');
      this.#keep(registered);
      const proof = `block ${registered.height}, pseudonym ${patient.pseudonym.slice(0, 12)}…`;
      return { value: patient, proof };
    });
  }

  async #enrolDoctors(): Promise<[Clinician, Clinician]> {
    return this.#step('Two doctors enrol at two hospitals and are approved', async () => {
      const { validators } = this.#trip.network.genesis.document;
      const places = validators.slice(0, 2).map((one) => one.id);
      const made: Clinician[] = [];
      const proofs: string[] = [];
      for (const [index, hospital] of places.entries()) {
        const { doctor, proof } = await this.#doctor(hospital, 2 * (this.#number - 1) + index);
        made.push(doctor);
        proofs.push(proof);
      }
      const [first, second] = made;
      if (!first || !second) throw new UnexpectedError('there are no two hospitals');
      return { value: [first, second] as [Clinician, Clinician], proof: proofs.join('; ') };
    });
  }

  /** A doctor of the register; one of an earlier run on this network is used again. */
  async #doctor(hospital: string, index: number): Promise<{ doctor: Clinician; proof: string }> {
    const doctors = CLINICIANS.filter((one) => one.active && /^[MD]\.[DO]\.$/.test(one.credential));
    const person = doctors[index % doctors.length];
    if (!person) throw new UnexpectedError('the register has no doctors');
    const session = this.#session();
    const keystore = await makeKeystore(this.#trip, 'clinician', `doctor-${person.npi}`);
    const doctor = new Clinician(session, keystore, nodeFiles);
    const name = `${person.firstName} ${person.lastName}`;
    const enrolment = await doctor.enrol('doctor', {
      name,
      npi: person.npi,
      state: person.state,
      licence: person.license,
      hospital,
    });
    if (enrolment?.status !== 'active' || !enrolment.certificate) {
      throw new UnexpectedError(`${name} is still pending: does the registry answer?`);
    }
    const operator = await openOperator(this.#trip, session, hospital);
    try {
      const approved = await operator.approve(fromBase64url(enrolment.certificate));
      this.#keep(approved);
      return { doctor, proof: `${name} at ${hospital} in block ${approved.height}` };
    } catch (error) {
      if (reasonOf(error) !== 'already_registered') throw error;
      return { doctor, proof: `${name} at ${hospital}, approved before` };
    }
  }

  async #grantWriting(patient: Patient, doctor: Clinician): Promise<void> {
    await this.#step('The patient lets the first doctor write', async () => {
      const categories = [...new Set(this.#trip.documents.map((one) => one.category))];
      const blocks: number[] = [];
      for (let at = 0; at < categories.length; at += CATEGORIES_PER_GRANT) {
        const part = categories.slice(at, at + CATEGORIES_PER_GRANT);
        const until = Date.now() + 6 * HOUR_MS;
        const terms = { rights: ['write'], categories: part, until } as const;
        blocks.push((await this.#grant(patient, doctor, terms)).height);
      }
      return { value: null, proof: `${categories.length} categories, block ${blocks.join(', ')}` };
    });
  }

  async #upload(patient: Patient, doctor: Clinician): Promise<MedicalRecord[]> {
    const { documents } = this.#trip;
    await this.#step(`The first doctor uploads ${describe(documents)}`, async () => {
      const { pseudonym } = patient;
      const heights: number[] = [];
      await inParallel(documents, async (one) => {
        const source = await fileSource(one.file, one.name);
        const { category, mediaType } = one;
        const done = await doctor.upload(source, { pseudonym, category, mediaType });
        this.#keep(done.registered, done.stored);
        this.#byRecord.set(done.recordId, one);
        heights.push(done.stored.height);
      });
      const proof = `${2 * documents.length} receipts, blocks to ${Math.max(0, ...heights)}`;
      return { value: null, proof };
    });
    return this.#step('The patient sees every record, stored and awaiting', async () => {
      const records = await patient.records();
      const known = records.filter((one) => this.#byRecord.has(one.id));
      const isSame = known.length === documents.length && records.length === documents.length;
      if (!isSame) throw new UnexpectedError(`${records.length} records, not ${documents.length}`);
      const odd = records.find((one) => one.stored === null || one.review !== 'awaiting');
      if (odd) throw new UnexpectedError(`record ${odd.id} is not stored and awaiting`);
      return { value: records, proof: `${records.length} proven entries` };
    });
  }

  async #countersign(patient: Patient, records: readonly MedicalRecord[]): Promise<void> {
    await this.#step('The patient countersigns them', async () => {
      const results = requireAll(await patient.countersign(records));
      this.#keep(...results);
      return { value: null, proof: `${results.length} receipts, ${blocksOf(results)}` };
    });
  }

  async #refuseBefore(doctor: Clinician, records: readonly MedicalRecord[]): Promise<void> {
    await this.#step('The second doctor is refused without a grant', async () => {
      const record = records[0] as MedicalRecord;
      return { value: null, proof: await this.#refused(doctor, record, 'no_permission') };
    });
  }

  /** A grant for one category after the other, each taken back once its files were read. */
  async #readAll(
    patient: Patient,
    doctor: Clinician,
    records: readonly MedicalRecord[],
  ): Promise<void> {
    const categories = [...new Set(this.#trip.documents.map((one) => one.category))];
    for (const [index, category] of categories.entries()) {
      const own = records.filter((one) => this.#byRecord.get(one.id)?.category === category);
      const other = records.find((one) => this.#byRecord.get(one.id)?.category !== category);
      const permissionId = await this.#grantReading(patient, doctor, category);
      await this.#readCategory(patient, doctor, category, own);
      if (index === 0) await this.#refuseOutside(doctor, own[0] as MedicalRecord, other);
      await this.#takeBack(patient, doctor, permissionId, own[0] as MedicalRecord);
    }
  }

  async #grantReading(patient: Patient, doctor: Clinician, category: string): Promise<string> {
    return this.#step(
      `The patient lets the second doctor read «${category}» for an hour`,
      async () => {
        const until = Date.now() + HOUR_MS;
        const terms = { rights: ['read'], categories: [category], until } as const;
        const { height, permissionId } = await this.#grant(patient, doctor, terms);
        return { value: permissionId, proof: `block ${height}, until ${clockText(until)}` };
      },
    );
  }

  async #readCategory(
    patient: Patient,
    doctor: Clinician,
    category: string,
    own: readonly MedicalRecord[],
  ): Promise<void> {
    await this.#step(`The second doctor finds and reads «${category}»`, async () => {
      const { listed, access } = await doctor.list(patient.pseudonym);
      this.#keep(access);
      if (listed.length !== own.length) {
        throw new UnexpectedError(`${listed.length} records are listed, not ${own.length}`);
      }
      let bytes = 0;
      await inParallel(listed, async ({ record, metadata }) => {
        const wanted = this.#byRecord.get(record.id);
        if (metadata?.path !== wanted?.name) throw new UnexpectedError(`${record.id}: other name`);
        const target = join(this.#trip.work, `read-${id()}`);
        const done = await doctor.read(record, () => fileSink(target));
        this.#keep(done.access);
        const digest = await sha256Of(done.path);
        rmSync(done.path);
        if (digest !== wanted?.sha256) throw new UnexpectedError(`${record.id}: other bytes`);
        bytes += wanted.length;
      });
      const proof = `${listed.length} files, ${sizeText(bytes)}, byte for byte the same`;
      return { value: null, proof };
    });
  }

  async #refuseOutside(
    doctor: Clinician,
    own: MedicalRecord,
    other: MedicalRecord | undefined,
  ): Promise<void> {
    await this.#step('The second doctor is refused outside the grant', async () => {
      const proofs = [await this.#refused(doctor, own, 'purpose_not_granted', 'HPAYMT')];
      if (other) proofs.push(await this.#refused(doctor, other, 'category_not_granted'));
      return { value: null, proof: proofs.join('; ') };
    });
  }

  async #takeBack(
    patient: Patient,
    doctor: Clinician,
    permissionId: string,
    record: MedicalRecord,
  ): Promise<void> {
    await this.#step('The patient takes it back, and the second doctor is refused', async () => {
      const { result } = await revoke(patient, permissionId);
      this.#keep(result);
      const refused = await this.#refused(doctor, record, 'permission_revoked');
      return { value: null, proof: `revoked in block ${result.height}; ${refused}` };
    });
  }

  async #expire(
    patient: Patient,
    doctor: Clinician,
    records: readonly MedicalRecord[],
  ): Promise<void> {
    const record = records[0] as MedicalRecord;
    const seconds = SHORT_GRANT_MS / 1000;
    await this.#step(`A grant of ${seconds} seconds opens, and is refused once over`, async () => {
      const until = Date.now() + SHORT_GRANT_MS;
      const { category } = this.#byRecord.get(record.id) as Document;
      await this.#grant(patient, doctor, { rights: ['read'], categories: [category], until });
      const opened = await doctor.requestAccess(record.id);
      this.#keep(opened);
      await sleep(Math.max(0, until - Date.now()) + 250);
      const refused = await this.#refused(doctor, record, 'permission_expired');
      return { value: null, proof: `permitted in block ${opened.height}; ${refused}` };
    });
  }

  async #printHistory(
    patient: Patient,
    doctors: readonly Clinician[],
    records: readonly MedicalRecord[],
  ): Promise<void> {
    const history = await this.#step('The patient prints the whole history', async () => {
      const entries = await patient.history();
      const denials = entries.flatMap((one) => (one.decision === 'deny' ? [one.reason ?? ''] : []));
      if (denials.join() !== this.#denials.join()) {
        throw new UnexpectedError(`refusals in the history: ${denials.join(', ')}`);
      }
      for (const fn of ['record.register', 'record.stored', 'record.countersign']) {
        const count = entries.filter((one) => one.fn === fn).length;
        if (count !== records.length) throw new UnexpectedError(`${count} entries of ${fn}`);
      }
      const read = new Set(
        entries.flatMap((one) =>
          one.fn === 'access.request' && one.decision === 'permit' ? [one.recordId] : [],
        ),
      );
      if (read.size !== records.length) throw new UnexpectedError(`${read.size} records were read`);
      const proof = `${entries.length} entries without a gap, ${denials.length} refusals`;
      return { value: entries, proof };
    });
    const names = new Map<string, string>();
    for (const doctor of doctors) {
      const { subject } = doctor.data.enrolment ?? {};
      if (subject !== undefined) names.set(subject, doctor.keystore.label);
    }
    for (const entry of history) {
      const document = entry.recordId === null ? undefined : this.#byRecord.get(entry.recordId);
      this.#trip.steps.line(historyLine(entry, names, document?.name));
    }
  }

  async #verifyOffline(): Promise<void> {
    const count = this.#receipts.length;
    await this.#step(`${count} receipts are verified offline, by genesis alone`, async () => {
      const text = await genesisText(this.#trip.options.networkFile);
      const verdict = await verifyInOwnProcess(text, this.#receipts);
      const { failures, verified, heights } = verdict;
      if (failures.length > 0 || verified !== count) {
        throw new UnexpectedError(`${failures.length} fail; first: ${failures[0]?.reason ?? ''}`);
      }
      return { value: null, proof: `blocks ${heights?.from ?? 0} to ${heights?.to ?? 0}` };
    });
  }

  async #grant(
    patient: Patient,
    doctor: Clinician,
    terms: Omit<GrantTerms, 'to'>,
  ): Promise<{ permissionId: string; height: number }> {
    const to = { name: doctor.keystore.label, subject: doctor.data.enrolment?.subject };
    const granted = await grant(patient, { ...terms, to });
    this.#keep(granted.result);
    return { permissionId: granted.permissionId, height: granted.result.height };
  }

  /** Asks for access and expects a certified refusal for exactly this reason. */
  async #refused(
    doctor: Clinician,
    record: MedicalRecord,
    reason: string,
    purpose: 'TREAT' | 'HPAYMT' = 'TREAT',
  ): Promise<string> {
    try {
      await doctor.requestAccess(record.id, purpose);
    } catch (error) {
      if (!(error instanceof SdkError) || error.code !== 'refused') throw error;
      const { reason: found, receipt, height } = error.details;
      if (found !== reason)
        throw new UnexpectedError(`refused for ${String(found)}`, { cause: error });
      this.#receipts.push(fromBase64url(String(receipt)));
      this.#denials.push(reason);
      return `${reason} in block ${String(height)}`;
    }
    throw new UnexpectedError(`access was given where it must be refused (${reason})`);
  }

  #session(): Session {
    return openSession(this.#trip.network);
  }
}

/** Opens a keystore of an earlier run, or makes one; passphrases beside keystores are local only. */
async function makeKeystore(
  { options }: Trip,
  kind: 'patient' | 'clinician',
  name: string,
): Promise<Keystore> {
  const folder = join(dirname(options.networkFile), 'people');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `${name}.keystore`);
  const passphraseFile = join(folder, `${name}.passphrase`);
  if (existsSync(path)) return openKeystore(path, readFileSync(passphraseFile, 'utf8').trim());
  const passphrase = randomBytes(24).toString('base64url');
  writeFileSync(passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  const person = CLINICIANS.find((one) => name.endsWith(one.npi));
  const label = person ? `${person.firstName} ${person.lastName}` : 'Miriam Testerton';
  return createKeystore({ path, passphrase, kind, label, workFactor: WORK_FACTOR });
}

async function openOperator(
  { options }: Trip,
  session: Session,
  hospital: string,
): Promise<Operator> {
  const folder = options.operatorsFolder ?? join(dirname(options.networkFile), 'operators');
  const passphrase = readFileSync(join(folder, `${hospital}.passphrase`), 'utf8').trim();
  return new Operator(
    session,
    await openKeystore(join(folder, `${hospital}.keystore`), passphrase),
  );
}

/** The genesis document's exact text. */
export async function genesisText(networkFile: string): Promise<string> {
  const file = JSON.parse(readFileSync(networkFile, 'utf8')) as { genesis: { document: string } };
  return file.genesis.document;
}

/** Every regular file of a folder, with its category and digest. */
async function readDocuments(
  folder: string,
  { category, report }: JourneyOptions,
): Promise<Document[]> {
  const documents: Document[] = [];
  for (const { path, relative } of await walkFiles(folder)) {
    const start = await readFileStart(path, START_BYTES);
    const { length } = await fileSource(path);
    documents.push({
      file: path,
      name: relative,
      category: categoryOf(relative, start, category),
      mediaType: mediaTypeOf(relative, start),
      length,
      sha256: await sha256Of(path),
    });
  }
  if (documents.length === 0) {
    throw new SdkError('bad_input', `${folder} holds no files.`, {
      nextStep: 'Give a folder with documents, or leave --documents out.',
    });
  }
  const known = new Set<string>();
  return documents.map((one) => {
    if (known.size < CATEGORIES_MAX) known.add(one.category);
    if (known.has(one.category)) return one;
    report(
      `  ${printable(one.name)}: more than ${CATEGORIES_MAX} categories, so ${DEFAULT_CATEGORY}`,
    );
    return { ...one, category: DEFAULT_CATEGORY };
  });
}

/** The sub-folder's name, else what was given, else what the content says, else the general one. */
function categoryOf(relative: string, start: Uint8Array, given: string | undefined): string {
  const [top = '', ...rest] = relative.split('/');
  if (rest.length > 0) {
    try {
      return categoryName(cutText(top, 48));
    } catch {
      return DEFAULT_CATEGORY;
    }
  }
  if (given !== undefined) return categoryName(given);
  return categoryOfContent(relative, start) ?? DEFAULT_CATEGORY;
}

function cutText(text: string, bytesMax: number): string {
  let cut = '';
  for (const letter of text.normalize('NFKC')) {
    if (Buffer.byteLength(cut + letter) > bytesMax) break;
    cut += letter;
  }
  return cut;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next; index < items.length; index = next) {
      next += 1;
      await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

async function sha256Of(path: PathLike): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function historyLine(
  entry: HistoryEntry,
  names: ReadonlyMap<string, string>,
  document: string | undefined,
): string {
  const who = names.get(entry.actor.subject ?? '') ?? entry.actor.role;
  const what = document ?? entry.permissionId ?? '';
  const outcome = entry.decision === 'done' ? '' : `${entry.decision} ${entry.reason ?? ''}`;
  const when = new Date(entry.time).toISOString().slice(11, 19);
  return `    ${when}  block ${entry.height}  ${who.padEnd(16)}  ${entry.fn.padEnd(20)} ${outcome} ${what}`.trimEnd();
}

function describe(documents: readonly Document[]): string {
  const bytes = documents.reduce((sum, one) => sum + one.length, 0);
  return `${documents.length} files (${sizeText(bytes)})`;
}

function blocksOf(results: readonly CertifiedResult[]): string {
  const heights = [...new Set(results.map((one) => one.height))].sort((a, b) => a - b);
  return heights.length === 1 ? `block ${heights[0]}` : `blocks ${heights[0]} to ${heights.at(-1)}`;
}

function sizeText(bytes: number): string {
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Names come from files: control characters must not reach the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\u{fffd}');
}

function clockText(time: number): string {
  return new Date(time).toISOString().slice(11, 19);
}

function id(): string {
  return randomBytes(6).toString('hex');
}
