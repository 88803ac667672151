// What the scenarios about copies share: a patient, two doctors, records, and waiting for copies.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { listCopies } from '../../sdk/copies.ts';
import { grant } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import { type Document, sha256Of } from './documents.ts';
import type { Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';
import { shortId, sizeText } from './text.ts';

const HOUR_MS = 3_600_000;
/** Copies come a few seconds after the permission; after an outage, within a minute or so. */
const WAIT_MS = 150_000;
const LOOK_MS = 1_000;

export interface Opening {
  readonly patient: Patient;
  readonly writer: Clinician;
  readonly reader: Clinician;
  /** Where the reader works. */
  readonly hospital: string;
  /** Records with the documents that they are of. */
  readonly records: readonly { readonly record: MedicalRecord; readonly document: Document }[];
}

/** What the opening needs of a stage. */
export interface OpeningStage extends Pick<Stage, 'cast' | 'documents'> {
  readonly steps: Pick<Stage['steps'], 'run'>;
}

/** A few documents of a patient, written at one hospital, readable at another. */
export async function open(stage: OpeningStage, count: number): Promise<Opening> {
  const { steps, cast } = stage;
  const documents = stage.documents.slice(0, count);
  const categories = [...new Set(documents.map((one) => one.category))];
  const [home = '', other = ''] = cast.hospitals;
  const people = await steps.run('A patient and two doctors at two hospitals', async () => {
    const { patient, registered } = await cast.patient(undefined, categories);
    const [writer, reader] = [await cast.doctor(home, 0), await cast.doctor(other, 1)];
    const value = { patient, writer: writer.doctor, reader: reader.doctor };
    return { value, proof: `block ${registered.height}; doctors at ${home} and ${other}` };
  });
  const { patient, writer, reader } = people;
  await steps.run(`The patient lets ${home} write and ${other} read`, async () => {
    const until = Date.now() + HOUR_MS;
    const to = (doctor: Clinician) => ({
      subject: doctor.data.enrolment?.subject,
      name: doctor.keystore.label,
    });
    const terms = { categories, until };
    await grant(patient, { ...terms, to: to(writer), rights: ['write'] });
    const { result } = await grant(patient, { ...terms, to: to(reader), rights: ['read'] });
    return { value: null, proof: `${categories.length} categories, block ${result.height}` };
  });
  const byRecord = new Map<string, Document>();
  await steps.run(`${count} documents are uploaded at ${home}`, async () => {
    for (const document of documents) {
      const source = await fileSource(document.file, document.name);
      const { category, mediaType } = document;
      const target = { pseudonym: patient.pseudonym, category, mediaType };
      byRecord.set((await writer.upload(source, target)).recordId, document);
    }
    const bytes = documents.reduce((sum, one) => sum + one.length, 0);
    return { value: null, proof: `${documents.length} files, ${sizeText(bytes)}` };
  });
  const all = await patient.records();
  const records = all.flatMap((record) => {
    const document = byRecord.get(record.id);
    return document ? [{ record, document }] : [];
  });
  return { patient, writer, reader, hospital: other, records };
}

/** Until the ledger lists what is wanted at the hospital. */
export async function untilCopied(
  patient: Patient,
  hospital: string,
  recordIds: readonly string[],
  isWanted = true,
): Promise<string> {
  const started = Date.now();
  for (;;) {
    const { records, copiers } = await listCopies(patient);
    const held = records
      .filter(({ copies }) => copies.some((one) => one.hospital === hospital))
      .map(({ recordId }) => recordId);
    const isSo = recordIds.every((id) => held.includes(id) === isWanted);
    const seconds = ((Date.now() - started) / 1_000).toFixed(0);
    if (isSo)
      return `${held.length} copies at ${hospital}, ${copiers.length} copiers, ${seconds} s`;
    if (Date.now() - started > WAIT_MS) {
      throw new UnexpectedError(`${held.length} of ${recordIds.length} copies after ${seconds} s`);
    }
    await sleep(LOOK_MS);
  }
}

/** Reads a record and compares it with the document that was uploaded. */
export async function readAndCompare(
  stage: Pick<Stage, 'work'>,
  reader: Clinician,
  { record, document }: Opening['records'][number],
): Promise<string> {
  const path = join(stage.work, `read-${shortId()}`);
  const { access } = await reader.read(record, () => fileSink(path));
  if ((await sha256Of(path)) !== document.sha256) {
    throw new UnexpectedError(`${document.name} is not what was uploaded`);
  }
  return `block ${access.height}`;
}
