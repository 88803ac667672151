// The journey of records: consent, upload, reading, refusals, history; then the leader is killed.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HistoryEntry, MedicalRecord } from '../../lib/chaincode/values.ts';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { quorumSize } from '../../lib/wire/validators.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { grant, type GrantTerms, revoke } from '../../sdk/grants.ts';
import { type Patient, requireAll } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { genesisText, leaderNow } from '../lib/network-facts.ts';
import { verifyInOwnProcess } from '../verify-offline.ts';
import { describeDocuments, type Document, sha256Of } from './documents.ts';
import {
  play,
  type PlayOptions,
  type Scenario,
  type Stage,
  type StageAccounts,
} from './scenario.ts';
import { type Summary, UnexpectedError } from './steps.ts';
import { blocksOf, clockText, shortId, sizeText } from './text.ts';

const HOUR_MS = 3_600_000;
/** How long the grant lasts whose end is waited for. */
const SHORT_GRANT_MS = 10_000;
const IN_FLIGHT = 3;
const CATEGORIES_PER_GRANT = 32;

export const journey: Scenario = {
  name: 'journey',
  title: 'consent, upload, reading, refusals and history; and again without the leader',
  isLast: true,
  async run(stage) {
    await round(stage, 1);
    if (!stage.accounts) return;
    await killLeader(stage, stage.accounts);
    await round(stage, 2);
  },
};

/** One round in which nothing is killed; throws where a step fails. */
export async function runShortJourney(options: PlayOptions): Promise<Summary> {
  const summary = await play([journey], { ...options, accounts: null });
  if (!summary.isGood) throw new Error('The journey is not as it must be.');
  return summary;
}

async function round(stage: Stage, number: number): Promise<void> {
  stage.steps.part = `journey ${number}`;
  stage.steps.line(`Round ${number}: ${describeDocuments(stage.documents)}`);
  await new Round(stage, number).run();
}

async function killLeader({ steps, network }: Stage, accounts: StageAccounts): Promise<void> {
  await steps.run("The leader's account is killed", async () => {
    const leader = await leaderNow(network);
    await accounts.kill(leader);
    return { value: leader, proof: `${leader} is gone: process, state and keys` };
  });
}

/** One patient and two doctors, from enrolment to the printed history. */
class Round {
  readonly #stage: Stage;
  /** From 1: another round has other doctors. */
  readonly #number: number;
  readonly #receipts: Uint8Array[] = [];
  /** Reasons of the certified refusals, in their order. */
  readonly #denials: string[] = [];
  readonly #byRecord = new Map<string, Document>();

  constructor(stage: Stage, number: number) {
    this.#stage = stage;
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
    return this.#stage.steps.run(title, work);
  }

  #keep(...results: readonly Pick<CertifiedResult, 'receipt'>[]): void {
    for (const { receipt } of results) this.#receipts.push(receipt);
  }

  async #checkNetwork(): Promise<void> {
    await this.#step('The network answers', async () => {
      const said = await this.#stage.cast.session().client.health();
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
      const categories = this.#stage.documents.map((one) => one.category);
      const { patient, registered } = await this.#stage.cast.patient(undefined, categories);
      this.#keep(registered);
      const proof = `block ${registered.height}, pseudonym ${patient.pseudonym.slice(0, 12)}…`;
      return { value: patient, proof };
    });
  }

  async #enrolDoctors(): Promise<[Clinician, Clinician]> {
    return this.#step('Two doctors enrol at two hospitals and are approved', async () => {
      const { cast } = this.#stage;
      const made: Clinician[] = [];
      const proofs: string[] = [];
      for (const [index, hospital] of cast.hospitals.slice(0, 2).entries()) {
        const { doctor, approved } = await cast.doctor(hospital, 2 * (this.#number - 1) + index);
        made.push(doctor);
        if (approved) this.#keep(approved);
        const where = approved ? `in block ${approved.height}` : '(approved before)';
        proofs.push(`${doctor.keystore.label} at ${hospital} ${where}`);
      }
      const [first, second] = made;
      if (!first || !second) throw new UnexpectedError('there are no two hospitals');
      return { value: [first, second] as [Clinician, Clinician], proof: proofs.join('; ') };
    });
  }

  async #grantWriting(patient: Patient, doctor: Clinician): Promise<void> {
    await this.#step('The patient lets the first doctor write', async () => {
      const categories = [...new Set(this.#stage.documents.map((one) => one.category))];
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
    const { documents } = this.#stage;
    await this.#step(`The first doctor uploads ${describeDocuments(documents)}`, async () => {
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
    const categories = [...new Set(this.#stage.documents.map((one) => one.category))];
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
        const target = join(this.#stage.work, `read-${shortId()}`);
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
      // A hospital's replicator may ask for a copy just after a permission ended, and is refused too.
      const denials = entries.flatMap((one) =>
        one.fn === 'access.request' && one.decision === 'deny' ? [one.reason ?? ''] : [],
      );
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
      this.#stage.steps.line(historyLine(entry, names, document?.name));
    }
  }

  async #verifyOffline(): Promise<void> {
    const count = this.#receipts.length;
    await this.#step(`${count} receipts are verified offline, by genesis alone`, async () => {
      const text = await genesisText(this.#stage.networkFile);
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
