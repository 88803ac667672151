// Recovery after a loss: guardians and hospitals together, a delay, a veto of a false one, new keys.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { releaseEscrowShare, validatorAt } from '../../sdk/escrow-client.ts';
import { grant } from '../../sdk/grants.ts';
import { approveRecovery, guardianCard, openPackage } from '../../sdk/guardian.ts';
import { guardiansStanding, setGuardians, vetoRecovery } from '../../sdk/guardians.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Keystore } from '../../sdk/keystore.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource, nodeFiles } from '../../sdk/platform/node.ts';
import { readDocument, type Reader } from '../../sdk/read.ts';
import { prepareRecovery, Recovery } from '../../sdk/recovery.ts';
import type { Approval, GuardianPackage } from '../../sdk/recovery-files.ts';
import { letterOfInvitation } from '../../sdk/reenrolment.ts';
import { rotate } from '../../sdk/rotation.ts';
import { describeDocuments, type Document, sha256Of } from './documents.ts';
import type { Scenario, Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';
import { shortId } from './text.ts';

const HOUR_MS = 3_600_000;
const CATEGORIES_PER_GRANT = 32;
const NAME = 'Lotte Lostkey';
/** Blocks are a little behind the clock. */
const SPARE_MS = 1_500;

interface Story {
  readonly patient: Patient;
  readonly guardians: readonly Keystore[];
  readonly byRecord: ReadonlyMap<string, Document>;
}

export const recovery: Scenario = {
  name: 'recovery',
  title:
    'a keystore is lost; guardians and hospitals give the keys back, neither without the other',
  async run(stage) {
    const story = await prepare(stage);
    const packages = await nameGuardians(stage, story);
    await falseRecovery(stage, story, packages);
    const fresh = await nameGuardians(stage, story);
    await lose(stage, story.patient);
    const device = await ask(stage, story, fresh);
    const opened = await openAfterDelay(stage, device, story.patient);
    await renew(stage, opened, story);
  },
};

async function prepare({ steps, cast, documents }: Stage): Promise<Story> {
  const categories = [...new Set(documents.map((one) => one.category))];
  const people = await steps.run('A patient has records, and three people to trust', async () => {
    const { patient } = await cast.patient(NAME, categories);
    const [first = '', second = ''] = cast.hospitals;
    const { doctor: writer } = await cast.doctor(first, 0);
    const { doctor: friend } = await cast.doctor(second, 1);
    const { patient: sister } = await cast.patient('Sita Sister');
    const neighbour = await cast.keystore('guardian', `guardian-${shortId()}`, 'Ned Neighbour');
    await letWrite(patient, writer, categories);
    const guardians = [friend.keystore, sister.keystore, neighbour];
    const proof = 'a doctor, another patient, and a neighbour who is enrolled nowhere';
    return { value: { patient, writer, guardians }, proof };
  });
  const { patient, writer, guardians } = people;
  const byRecord = await steps.run(`A doctor uploads ${describeDocuments(documents)}`, async () => {
    const found = new Map<string, Document>();
    for (const one of documents) {
      const { category, mediaType } = one;
      const target = { pseudonym: patient.pseudonym, category, mediaType };
      const done = await writer.upload(await fileSource(one.file, one.name), target);
      found.set(done.recordId, one);
    }
    return { value: found, proof: `${found.size} records` };
  });
  return { patient, guardians, byRecord };
}

async function letWrite(patient: Patient, writer: Clinician, categories: readonly string[]) {
  const until = Date.now() + 6 * HOUR_MS;
  for (let at = 0; at < categories.length; at += CATEGORIES_PER_GRANT) {
    const part = categories.slice(at, at + CATEGORIES_PER_GRANT);
    const to = { name: writer.keystore.label };
    await grant(patient, { to, rights: ['write'], categories: part, until });
  }
}

async function nameGuardians(
  { steps }: Stage,
  { patient, guardians }: Story,
): Promise<readonly GuardianPackage[]> {
  return steps.run('The patient names three guardians, two of whom are needed', async () => {
    const cards = await Promise.all(guardians.map((one) => guardianCard(one, one.label)));
    let packages: readonly GuardianPackage[] = [];
    const terms = { cards, needed: 2, patient: NAME };
    const { result } = await setGuardians(patient, terms, async (made) => void (packages = made));
    for (const [at, box] of packages.entries()) await openPackage(guardians[at] as Keystore, box);
    const { stale } = await guardiansStanding(patient);
    if (stale !== null) throw new UnexpectedError(`they count as ${stale}`);
    return {
      value: packages,
      proof: `block ${result.height}; each package opens for its guardian`,
    };
  });
}

/** A new device with keys of its own, enrolled as a person. */
async function deviceOf({ cast }: Stage, name: string, isKnown: boolean): Promise<Recovery> {
  const keystore = await cast.keystore('patient', `device-${shortId()}`, 'Patient');
  await prepareRecovery(keystore);
  const device = await Recovery.open(cast.session(), keystore);
  const [, second = ''] = cast.hospitals;
  const letter = { role: 'patient', kid: keystore.kid } as const;
  const invitation = isKnown
    ? await letterOfInvitation(await cast.operator(second), letter)
    : undefined;
  const status = await device.enrol({ name }, invitation);
  if (status !== 'active') throw new UnexpectedError('the enrolment of the device is pending');
  return device;
}

/** Two guardians are fooled, or are false themselves. */
async function falseRecovery(
  stage: Stage,
  story: Story,
  packages: readonly GuardianPackage[],
): Promise<void> {
  const { steps } = stage;
  const { patient } = story;
  const stranger = await steps.run(
    'A stranger fools two of them, and starts a recovery',
    async () => {
      const device = await deviceOf(stage, `Stranger ${shortId()}`, false);
      const result = await device.start(await approvalsOf(story, packages, device));
      const { from } = result.value as { from: number };
      const value = { device, receipt: result.receipt, from };
      return { value, proof: `block ${result.height}; all wait until ${timeOfDay(from)}` };
    },
  );
  await steps.run('What they have is not enough: every hospital refuses its part', async () => {
    const { setup } = await guardiansStanding(patient);
    const { device, receipt } = stranger;
    const { session, keystore } = device;
    const permit = { key: keystore.signingKey, receipt };
    const readerKey = keystore.encryption.publicKey;
    const wanted = { escrowId: setup?.escrowId ?? '', readerKey };
    for (const { id } of session.client.validators) {
      await refused('receipt_wrong_kind', () =>
        releaseEscrowShare(session, validatorAt(session, id), permit, wanted),
      );
    }
    await refused('recovery_waits', () => device.openKeys());
    const count = session.client.validators.length;
    return { value: null, proof: `${count} × receipt_wrong_kind; the ledger: recovery_waits` };
  });
  await steps.run('The patient is told, and objects', async () => {
    const told = (await patient.inbox()).some(({ topic }) => topic === 'recovery.started');
    if (!told) throw new UnexpectedError('the patient was not told');
    const { recovery: open } = await guardiansStanding(patient);
    const { height } = (await vetoRecovery(patient, open?.id ?? '')).result;
    return { value: null, proof: `a notice in the inbox, the veto in block ${height}` };
  });
  await steps.run('After the time of waiting the stranger still gets nothing', async () => {
    await waitUntil(stranger.from);
    await refused('recovery_vetoed', () => stranger.device.openKeys());
    const again = await deviceOf(stage, `Stranger ${shortId()}`, false);
    await refused('recovery_spent', async () =>
      again.start(await approvalsOf(story, packages, again)),
    );
    return {
      value: null,
      proof: 'recovery_vetoed; another try with these guardians: recovery_spent',
    };
  });
}

async function lose({ steps }: Stage, patient: Patient): Promise<void> {
  await steps.run('The patient loses the keystore', async () => {
    rmSync(patient.keystore.path);
    return { value: null, proof: 'the file is gone; nobody else ever had the keys' };
  });
}

async function ask(
  stage: Stage,
  story: Story,
  packages: readonly GuardianPackage[],
): Promise<{ device: Recovery; from: number }> {
  const title = 'A hospital sees the papers, two guardians approve, and the recovery starts';
  return stage.steps.run(title, async () => {
    const device = await deviceOf(stage, NAME, true);
    const result = await device.start(await approvalsOf(story, packages, device));
    const { from } = result.value as { from: number };
    await refused('recovery_waits', () => device.openKeys());
    const proof = `block ${result.height}; before ${timeOfDay(from)}: recovery_waits`;
    return { value: { device, from }, proof };
  });
}

async function openAfterDelay(
  { steps }: Stage,
  { device, from }: { device: Recovery; from: number },
  lost: Patient,
): Promise<Patient> {
  return steps.run(
    'After the delay the hospitals release their parts, and the keys open',
    async () => {
      await waitUntil(from);
      const opened = await device.openKeys();
      if (opened.pseudonym !== lost.pseudonym) throw new UnexpectedError('these are other keys');
      const call = { fn: 'patient.choose-hospitals', args: { hospitals: [] } };
      await refused('rotation_forced', () => opened.session.client.submit(call, opened.signer));
      const proof = `${opened.pseudonym.slice(0, 12)}… is back; with it only a rotation is allowed`;
      return { value: opened, proof };
    },
  );
}

async function renew({ steps, work }: Stage, opened: Patient, { byRecord }: Story): Promise<void> {
  const { patient, records } = await steps.run('Everything gets new keys', async () => {
    const done = await rotate(opened);
    if (!done.finished) throw new UnexpectedError(`${done.records.stuck.length} records are stuck`);
    const proof = `${done.records.moved.length} records came over, block ${done.finished.height}`;
    return { value: done, proof };
  });
  await steps.run('The patient reads every record again, and sees the whole history', async () => {
    if (records.moved.length !== byRecord.size) throw new UnexpectedError('records are missing');
    for (const record of await patient.records()) {
      const out = join(work, `recovered-${shortId()}`);
      await readDocument(ownReader(patient), record, () => fileSink(out));
      const isSame = (await sha256Of(out)) === byRecord.get(record.id)?.sha256;
      if (!isSame) throw new UnexpectedError(`record ${record.id} is another document`);
    }
    const fns = (await patient.history()).map(({ fn }) => fn);
    for (const fn of ['recovery.veto', 'recovery.release', 'recovery.rotate']) {
      if (!fns.includes(fn)) throw new UnexpectedError(`${fn} is not in the history`);
    }
    return { value: null, proof: `${byRecord.size} documents, the same SHA-256 as before` };
  });
}

function ownReader(patient: Patient): Reader {
  const names = patient.categoryNames();
  return {
    ...{ session: patient.session, key: patient.ownerKey, signer: patient.signer },
    ...{ files: nodeFiles, purpose: 'PATRQT' },
    seedOf: ({ categoryTag, ...epoch }) => patient.seed(names.get(categoryTag) ?? '', epoch),
  };
}

function approvalsOf(
  { guardians }: Story,
  packages: readonly GuardianPackage[],
  device: Recovery,
): Promise<Approval[]> {
  const request = device.request();
  return Promise.all(
    packages.slice(0, 2).map((box, at) => {
      const keystore = guardians[at];
      if (!keystore) throw new UnexpectedError('a guardian is missing');
      return approveRecovery(keystore, box, request);
    }),
  );
}

async function refused(wanted: string, attempt: () => Promise<unknown>): Promise<void> {
  const reason = await attempt().then(
    () => 'it worked',
    (error: unknown) => {
      if (!(error instanceof SdkError)) throw error;
      const { problem } = error.details as { problem?: { code: string } };
      return reasonOf(error) ?? problem?.code ?? error.code;
    },
  );
  if (reason !== wanted) throw new UnexpectedError(`${reason} instead of ${wanted}`);
}

async function waitUntil(time: number): Promise<void> {
  await sleep(Math.max(0, time + SPARE_MS - Date.now()));
}

function timeOfDay(time: number): string {
  return new Date(time).toISOString().slice(11, 19);
}
