// Membership and the custodian lose all that they hold, and have it again: from a backup, and from hospitals.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateHybridIdentity, identityToRecipient } from 'age-encryption';
import { MEMBERSHIP_ID, functionName, RECORDS_ID } from '../../cdk/names.ts';
import type { DynamoTable } from '../../functions/aws/dynamo-table.ts';
import type { Permission } from '../../lib/chaincode/values.ts';
import { backUpMembership, restoreMembership } from '../../operations/membership-backup.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { installGenesis } from '../../sdk/genesis.ts';
import { fetchTransport, problemCodeOf, reasonOf, type Transport } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { nodeFiles } from '../../sdk/platform/node.ts';
import { openSession } from '../../sdk/session.ts';
import { tend } from '../../sdk/tend.ts';
import { accountClient } from '../lib/account-client.ts';
import { outputOf } from '../lib/deploy.ts';
import { LocalError } from '../lib/errors.ts';
import { memberOf } from '../lib/plan.ts';
import { readAndCompare } from '../scenarios/hospital-copies.ts';
import { awaitReceipts } from './at-work.ts';
import { secondsText } from './measure.ts';
import { type Stage, type Undo, until } from './stage.ts';
import { awaitCopies, openWard, type Ward, writeRecord } from './ward.ts';

export const MEMBERSHIP_AND_RECORDS = `${MEMBERSHIP_ID}, ${RECORDS_ID}`;

const COMMITS_MEANWHILE = 10;
const GIVE_BACK_MS = 180_000;
const LOOK_MS = 2_000;
const LATER = 'Tilda Testerton';

/** Who is looked for afterwards. */
interface People extends Ward {
  /** Enrolled before the backup, revoked after it. */
  readonly leaver: Clinician;
  /** Enrolled after it. */
  readonly later: Patient;
  readonly permissions: readonly Permission[];
}

interface Backup {
  readonly path: string;
  readonly identity: string;
}

/** Empties the tables and the bucket of both accounts under load, and brings all of it back. */
export async function restore(stage: Stage): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'carequorum-restore-'));
  // What takes the rest back needs the backup that lies there, and is registered later.
  stage.undoLater(async () => {
    rmSync(work, { recursive: true, force: true });
  });
  const ward = await openWard(stage, work);
  const { leaver, backup, later } = await aroundTheBackup(ward);
  const permissions = await ward.patient.permissions();
  const people = { ...ward, leaver, later, permissions };
  const bringBack = await loseBoth(stage, backup);
  await careGoesOn(people);
  await stage.phase('Membership restored from the backup', bringBack.membership);
  await lookForPeople(people);
  await stage.phase('The custodian gets the genesis document again', bringBack.records);
  await logIn(people);
  await readFromCustodian(people);
  await compareWithBefore(people);
  stage.healed();
}

/** Copies are made; somebody joins before the backup and leaves after it; somebody comes after it. */
async function aroundTheBackup(
  ward: Ward,
): Promise<{ leaver: Clinician; backup: Backup; later: Patient }> {
  const { stage, cast, work } = ward;
  const home = cast.hospitals[2] ?? '';
  await awaitCopies(ward);
  const { doctor: leaver } = await stage.phase(`A nurse joins ${home}`, () =>
    cast.invited('nurse', home, 'Nora Testerton'),
  );
  const identity = await generateHybridIdentity();
  const path = join(work, 'enrolments.age');
  await stage.phase('Membership is backed up, encrypted', async (step) => {
    const recipients = [await identityToRecipient(identity)];
    const { items } = await backUpMembership(enrolmentTable(stage), { path, recipients });
    step.result(`${items} items as they were at one moment`);
  });
  const later = await stage.phase('After it the nurse leaves, and a patient enrols', async () => {
    await (await cast.operator(home)).revoke(leaver.keystore.kid, 'left-hospital');
    return (await cast.patient(LATER)).patient;
  });
  return { leaver, backup: { path, identity }, later };
}

/** What brings each account back, also after a failure or Ctrl-C. */
async function loseBoth(
  stage: Stage,
  { path, identity }: Backup,
): Promise<{ membership: Undo; records: Undo }> {
  const wraps = outputOf(stage.layout, RECORDS_ID, 'WrapTable');
  const bucket = outputOf(stage.layout, RECORDS_ID, 'RecordsBucket');
  const records = accountClient(memberOf(stage.plan, RECORDS_ID));
  const membership = accountClient(memberOf(stage.plan, MEMBERSHIP_ID));
  const table = enrolmentTable(stage);
  // The document that every operator signed is public: whoever has it may give it to the custodian.
  const giveBack = stage.undoLater(async () => {
    await installGenesis(stage.network.signed);
  });
  const fill = stage.undoLater(async () => {
    await restoreMembership(table, { path, identities: [identity] });
  });
  await stage.phase('Both accounts lose all that they hold but their KMS keys', async (step) => {
    stage.load.takeGapMs();
    stage.faultBegins();
    const lost = await membership.emptyTable(table.name);
    await membership.restartFunction(functionName(stage.config, MEMBERSHIP_ID, 'api'));
    const items = await records.emptyTable(wraps);
    const objects = await records.emptyBucket(bucket);
    await records.restartFunction(functionName(stage.config, RECORDS_ID, 'api'));
    step.result(`${lost} items of membership, ${items} items and ${objects} objects of records`);
  });
  return { membership: fill, records: giveBack };
}

async function careGoesOn({ stage, work, patient, reader, records }: People): Promise<void> {
  await stage.phase('The ledger goes on, and records are read from copies', async (step) => {
    await awaitReceipts(stage, COMMITS_MEANWHILE, 'while both are empty');
    const gap = secondsText(stage.load.takeGapMs());
    const code = await oneTimeCode(patient);
    if (code !== 'not_initialised') throw unproven(`membership answers ${code}`);
    for (const one of records) await readAndCompare({ work }, reader, one);
    const from = reader.session.sources.standIn;
    if (from === null) throw unproven('the records did not come from a copy');
    step.result(`${records.length} records as uploaded, from ${from}; longest gap ${gap}`);
  });
}

async function lookForPeople({ stage, patient, reader, leaver, later }: People): Promise<void> {
  await stage.phase('Who was enrolled before still is', async (step) => {
    const code = await oneTimeCode(patient);
    if (code !== 'done') throw unproven(`the patient gets no certificates: ${code}`);
    const name = reader.keystore.label;
    const found = await patient.session.membership.directory({ name });
    const { subject } = reader.data.enrolment ?? {};
    if (!found.some((one) => one.subject === subject)) throw unproven(`nobody finds ${name}`);
    step.result(`the patient gets certificates, and ${name} is found by name`);
  });
  await stage.phase('Who was revoked since stays out', async (step) => {
    const reason = await leaver.inbox().then(
      () => 'let in',
      (error: unknown) => reasonOf(error) ?? String(error),
    );
    if (reason !== 'identity_revoked') throw unproven(`the nurse is ${reason}`);
    step.result(reason);
  });
  await stage.phase('Who enrolled since is forgotten, and enrols again', async (step) => {
    const before = await oneTimeCode(later);
    if (before !== 'unknown_enrolment') throw unproven(`membership answers ${before}`);
    await later.enrol({ name: LATER });
    const after = await oneTimeCode(later);
    if (after !== 'done') throw unproven(`enrolled again, and still ${after}`);
    step.result('with the same keys, under the same pseudonym');
  });
}

async function logIn({ stage, patient }: People): Promise<void> {
  await stage.phase('The patient logs in: keys and shares are given anew', async (step) => {
    const { resealed } = await tend(patient);
    if (resealed.length === 0) throw unproven('nothing was sealed anew');
    step.result(`category keys published, ${resealed.length} permissions sealed`);
  });
}

/** By a client that asks no hospital: what it reads is at the custodian. */
async function readFromCustodian(people: People): Promise<void> {
  const { stage, work, patient, reader, records } = people;
  const transport: Transport = (url, init) =>
    new URL(url).pathname.includes('/v1/copies/')
      ? Promise.reject(new TypeError('no hospital is asked here'))
      : fetchTransport(url, init);
  const alone = new Clinician(
    openSession(stage.network, { transport }),
    reader.keystore,
    nodeFiles,
  );
  const title = 'Hospitals gave back what they hold, and the custodian gives it out';
  await stage.phase(title, async (step) => {
    const wait = { withinMs: GIVE_BACK_MS, everyMs: LOOK_MS, what: 'Records are not given back' };
    await until(stage, wait, async () => {
      const { listed } = await alone.list(patient.pseudonym);
      const named = listed.filter(({ metadata }) => metadata !== null).length;
      step.update(`${named} of ${records.length}`);
      return named === records.length ? true : null;
    });
    for (const one of records) await readAndCompare({ work }, alone, one);
    step.result(`${records.length} records as uploaded`);
  });
}

async function compareWithBefore(people: People): Promise<void> {
  const { stage, patient, writer, records, permissions } = people;
  await stage.phase(
    'Permissions and records are as before, and a new one is written',
    async (step) => {
      const now = await patient.permissions();
      if (termsOf(now) !== termsOf(permissions)) throw unproven('permissions differ');
      const found = new Map((await patient.records()).map(({ id, digest }) => [id, digest]));
      const same = records.filter(({ record }) => found.get(record.id) === record.digest);
      if (same.length !== records.length) throw unproven('records differ');
      // The share by which the writer knows the patient is fetched anew.
      await writer.grants({ reload: true });
      await writeRecord(people, 'written-afterwards.txt');
      step.result(`${now.length} permissions, ${same.length} records, one more written`);
    },
  );
}

/** What was granted, without what sealing anew changes. */
function termsOf(permissions: readonly Permission[]): string {
  const terms = permissions.map((one) => {
    const { id, grantee, rights, categories, from, until: end, purposes, revoked } = one;
    return { id, grantee, rights, categories, from, end, purposes, revoked };
  });
  return JSON.stringify(terms);
}

/** `done`, or the code with which the membership service refuses certificates. */
async function oneTimeCode({ session, data, keystore }: Patient): Promise<string> {
  const wanted = { weeks: [0], isUrgent: false };
  try {
    const { enrolmentId = '' } = data.enrolment ?? {};
    await session.membership.oneTimeCertificates(enrolmentId, keystore.signingKey, wanted);
    return 'done';
  } catch (error) {
    if (!(error instanceof SdkError)) throw error;
    return problemCodeOf(error) ?? error.code;
  }
}

function enrolmentTable(stage: Stage): DynamoTable {
  const name = outputOf(stage.layout, MEMBERSHIP_ID, 'MembershipTable');
  return accountClient(memberOf(stage.plan, MEMBERSHIP_ID)).table(name);
}

function unproven(what: string): LocalError {
  return new LocalError('not_proven', `It is not as before: ${what}.`);
}
