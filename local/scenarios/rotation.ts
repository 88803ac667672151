// Rotation after a theft: new keys for everything, stopped in the middle; the thief tries throughout.
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import { openKeystore } from '../../sdk/keystore.ts';
import { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import { rotate, type Rotated } from '../../sdk/rotation.ts';
import { describeDocuments, type Document, sha256Of } from './documents.ts';
import type { Scenario, Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';
import { shortId } from './text.ts';

const HOUR_MS = 3_600_000;
const CATEGORIES_PER_GRANT = 32;

interface People {
  readonly patient: Patient;
  readonly writer: Clinician;
  readonly reader: Clinician;
}

export const rotation: Scenario = {
  name: 'rotation',
  title:
    'a keystore is stolen; the patient gets new keys for everything, and the thief gets nothing',
  async run(stage) {
    const people = await prepare(stage);
    const byRecord = await upload(stage, people);
    const thief = await steal(stage, people.patient);
    await thiefReads(stage, thief, byRecord);
    await stopInTheMiddle(stage, people.patient);
    await thiefIsRefused(stage, thief, byRecord, 'While it is half done');
    const done = await goOn(stage, people.patient);
    await thiefIsRefused(stage, thief, byRecord, 'Afterwards');
    await readOn(stage, people.reader, done.patient, byRecord);
    await lookBack(stage, done);
  },
};

async function prepare({ steps, cast, documents }: Stage): Promise<People> {
  return steps.run('A patient lets one doctor write and another read', async () => {
    const categories = [...new Set(documents.map((one) => one.category))];
    const { patient } = await cast.patient('Rosa Rotanda', categories);
    const [first = '', second = ''] = cast.hospitals;
    const { doctor: writer } = await cast.doctor(first, 0);
    const { doctor: reader } = await cast.doctor(second, 1);
    const until = Date.now() + 6 * HOUR_MS;
    for (let at = 0; at < categories.length; at += CATEGORIES_PER_GRANT) {
      const part = categories.slice(at, at + CATEGORIES_PER_GRANT);
      const to = (one: Clinician) => ({ name: one.keystore.label });
      await grant(patient, { to: to(writer), rights: ['write'], categories: part, until });
      await grant(patient, { to: to(reader), rights: ['read'], categories: part, until });
    }
    const proof = `pseudonym ${patient.pseudonym.slice(0, 12)}…, ${categories.length} categories`;
    return { value: { patient, writer, reader }, proof };
  });
}

async function upload(
  { steps, documents }: Stage,
  { patient, writer }: People,
): Promise<Map<string, Document>> {
  return steps.run(`The doctor uploads ${describeDocuments(documents)}`, async () => {
    const byRecord = new Map<string, Document>();
    let height = 0;
    for (const one of documents) {
      const { category, mediaType } = one;
      const target = { pseudonym: patient.pseudonym, category, mediaType };
      const done = await writer.upload(await fileSource(one.file, one.name), target);
      byRecord.set(done.recordId, one);
      height = done.stored.height;
    }
    return { value: byRecord, proof: `${byRecord.size} records, to block ${height}` };
  });
}

async function steal({ steps, work, cast }: Stage, patient: Patient): Promise<Patient> {
  return steps.run('A thief copies the keystore, and knows the passphrase', async () => {
    const { path } = patient.keystore;
    const stolen = join(work, 'stolen.keystore');
    copyFileSync(path, stolen);
    const passphrase = readFileSync(path.replace(/\.keystore$/, '.passphrase'), 'utf8').trim();
    const thief = await Patient.open(cast.session(), await openKeystore(stolen, passphrase));
    return { value: thief, proof: 'the same root, the same owner key' };
  });
}

/** The control: what is refused later is allowed now. */
async function thiefReads(
  { steps }: Stage,
  thief: Patient,
  byRecord: ReadonlyMap<string, Document>,
): Promise<void> {
  await steps.run('With it the thief is the patient: the ledger permits an access', async () => {
    const { receipt, height } = await thiefAsks(thief, byRecord);
    const { url } = await thief.session.custodian.access({ key: thief.ownerKey, receipt });
    return { value: null, proof: `block ${height}; the custodian gives ${new URL(url).host}` };
  });
}

async function thiefAsks(thief: Patient, byRecord: ReadonlyMap<string, Document>) {
  const [recordId = ''] = byRecord.keys();
  const call = { fn: 'access.request', args: { recordId, purpose: 'PATRQT' } };
  return thief.session.client.submit(call, thief.signer);
}

async function stopInTheMiddle({ steps }: Stage, patient: Patient): Promise<void> {
  await steps.run('The patient rotates, and is interrupted in the middle', async () => {
    const stop = new AbortController();
    let progress = 'before the first record';
    const running = rotate(patient, {
      signal: stop.signal,
      onProgress: ({ step, done, of }) => {
        if (step !== 'records') return;
        progress = `after ${done} of ${of} records`;
        if (done * 2 >= of) stop.abort();
      },
    });
    // Few records may be over before the stop is seen: then there is nothing to go on with.
    const isStopped = await running.then(
      () => false,
      (error: unknown) => {
        if (error instanceof SdkError && error.code === 'aborted') return true;
        throw error;
      },
    );
    return { value: null, proof: isStopped ? `stopped ${progress}` : 'it was over already' };
  });
}

async function thiefIsRefused(
  { steps }: Stage,
  thief: Patient,
  byRecord: ReadonlyMap<string, Document>,
  when: string,
): Promise<void> {
  await steps.run(`${when} the thief can neither read, nor look, nor rotate`, async () => {
    const attempts: [string, () => Promise<unknown>][] = [
      ['read', () => thiefAsks(thief, byRecord)],
      ['look at the history', () => thief.history()],
      ['rotate', () => rotate(thief)],
    ];
    for (const [what, attempt] of attempts) {
      const reason = await attempt().then(() => 'it worked', reasonOf);
      if (reason !== 'owner_key_retired') throw new UnexpectedError(`${what}: ${reason}`);
    }
    return { value: null, proof: `${attempts.length} × owner_key_retired` };
  });
}

async function goOn({ steps, cast }: Stage, patient: Patient): Promise<Rotated> {
  return steps.run('A new program goes on, from the keystore alone', async () => {
    const { path } = patient.keystore;
    const passphrase = readFileSync(path.replace(/\.keystore$/, '.passphrase'), 'utf8').trim();
    const again = await Patient.open(cast.session(), await openKeystore(path, passphrase));
    if (again.data.rotation === undefined) {
      const proof = 'nothing was left to do';
      const done = await alreadyDone(again);
      return { value: done, proof };
    }
    const done = await rotate(again);
    const { finished, records, permissions } = done;
    if (!finished) throw new UnexpectedError(`${records.stuck.length} records are stuck`);
    const given = `${permissions.shared.length} permissions given again`;
    const proof = `${records.moved.length} records came over, ${given}, block ${finished.height}`;
    return { value: done, proof };
  });
}

/** With one or two documents all may be over before the interruption comes. */
async function alreadyDone(patient: Patient): Promise<Rotated> {
  const history = await patient.history();
  const { client } = patient.session;
  const find = async (fn: string) => {
    const entry = history.findLast((one) => one.fn === fn);
    if (!entry) throw new UnexpectedError(`${fn} is not in the history`);
    return client.certified(entry.transaction);
  };
  const [rotated] = await patient.rotations();
  return {
    patient,
    from: rotated?.from ?? '',
    begun: await find('patient.rotate-begin'),
    finished: await find('patient.rotate-finish'),
    permissions: { shared: [], failed: [], leftOut: [] },
    broken: [],
    records: { moved: (await patient.records()).map(({ id }) => id), left: [], stuck: [] },
  };
}

async function readOn(
  { steps, work }: Stage,
  reader: Clinician,
  patient: Patient,
  byRecord: ReadonlyMap<string, Document>,
): Promise<void> {
  await steps.run('The reading doctor opens every record, under the new pseudonym', async () => {
    const { listed } = await reader.list(patient.pseudonym);
    if (listed.length !== byRecord.size) throw new UnexpectedError(`${listed.length} are listed`);
    for (const { record } of listed) {
      const out = join(work, `rotated-${shortId()}`);
      await reader.read(record, () => fileSink(out));
      const isSame = (await sha256Of(out)) === byRecord.get(record.id)?.sha256;
      if (!isSame) throw new UnexpectedError(`record ${record.id} is another document`);
      if (record.generation !== 1) throw new UnexpectedError(`${record.id} has no new layer`);
    }
    return { value: null, proof: `${listed.length} documents, the same SHA-256 as before` };
  });
}

async function lookBack({ steps }: Stage, { patient, from }: Rotated): Promise<void> {
  await steps.run('The patient sees the whole history, across the link', async () => {
    const history = await patient.history();
    const first = history[0]?.fn;
    if (first !== 'patient.register') throw new UnexpectedError(`it begins with ${first}`);
    const link = `${from.slice(0, 8)}… → ${patient.pseudonym.slice(0, 8)}…`;
    return { value: null, proof: `${history.length} entries, ${link}` };
  });
}
