/** Prescriptions as doctors write them and patients have them: opened, given away, taken back. */
import type { z } from 'zod';
import { fromBase64url, toBase64url, utf8 } from '../lib/crypto/bytes.ts';
import { COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import {
  type cancelReasonField,
  fillSchema,
  type Fill,
  type Prescription,
  prescriptionOfSchema,
  prescriptionSchema,
} from '../lib/chaincode/prescription-values.ts';
import {
  contentCommitment,
  encodeContent,
  type OpenedContent,
  openedDigest,
  type PrescriptionContent,
  prescriptionContentSchema,
} from '../lib/connected/prescription-content.ts';
import type { Clinician } from './clinician.ts';
import { findGrantee, findIdentity, type LedgerIdentity, type PersonQuery } from './directory.ts';
import { SdkError } from './errors.ts';
import { sealLetter } from './letters.ts';
import { allEntries } from './pages.ts';
import type { Patient } from './patient.ts';
import { boundedSink, patientReader } from './patient-reader.ts';
import type { DocumentSource, FilePlatform } from './platform/files.ts';
import type { CertifiedResult } from './proofs.ts';
import { readDocument } from './read.ts';
import type { Uploaded } from './upload.ts';

/** Where prescriptions are kept, unless somebody says otherwise. */
export const PRESCRIPTION_CATEGORY = 'medication';
const DAY_MS = 86_400_000;
const DOCUMENT_BYTES_MAX = 16 * 1024;

export type CancelReason = z.infer<typeof cancelReasonField>;

/** What a doctor prescribes. */
export type PrescriptionTerms = Omit<
  PrescriptionContent,
  'format' | 'prescriptionId' | 'prescriber'
> & {
  readonly pseudonym: string;
  readonly category?: string | undefined;
  /** Valid in from ≤ time < until, milliseconds. */
  readonly from?: number | undefined;
  readonly until: number;
};

export interface Prescribed {
  readonly prescriptionId: string;
  readonly uploaded: Uploaded;
  readonly result: CertifiedResult;
}

/** Uploads the content as a record of the patient, and issues it. Throws `refused`, `bad_input`. */
export async function prescribe(doctor: Clinician, terms: PrescriptionTerms): Promise<Prescribed> {
  const { pseudonym, category = PRESCRIPTION_CATEGORY, from = 0, until, ...rest } = terms;
  const prescriptionId = randomId();
  const { enrolment } = doctor.data;
  const parsed = prescriptionContentSchema.safeParse({
    ...rest,
    format: 'carequorum-prescription-1',
    prescriptionId,
    prescriber: doctor.keystore.label || (enrolment?.subject ?? ''),
  });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new SdkError('bad_input', `${issue?.path.join('.')}: ${issue?.message}.`, {
      nextStep: 'Give it again, shorter and without control characters.',
    });
  }
  const opened = { content: parsed.data, salt: randomBytes(COMMITMENT_SALT_BYTES) };
  const source = documentOf(opened);
  const target = { pseudonym, category, mediaType: 'application/json' };
  const uploaded = await doctor.upload(source, target);
  const { quantity, fills, intervalDays } = parsed.data;
  const args = {
    ...{ prescriptionId, recordId: uploaded.recordId, commitment: contentCommitment(opened) },
    ...{ quantity, fills, intervalMs: intervalDays * DAY_MS, from, until },
  };
  const { session, signer } = doctor;
  const result = await session.client.submit({ fn: 'prescription.issue', args }, signer);
  return { prescriptionId, uploaded, result };
}

/** A prescription of the patient, as the ledger has it. */
export interface OwnPrescription {
  readonly prescription: Prescription;
  readonly recordId: string;
  /** Subjects who were ever given it. */
  readonly pharmacists: readonly string[];
}

const ownSchema = prescriptionOfSchema.extend({ prescription: prescriptionSchema });

/** All prescriptions of the patient, oldest first, under earlier pseudonyms too. */
export async function ownPrescriptions(patient: Patient): Promise<OwnPrescription[]> {
  const { session, signer } = patient;
  const found: OwnPrescription[] = [];
  for (const pseudonym of await patient.pseudonyms()) {
    const call = { fn: 'prescription.list', args: { pseudonym }, item: ownSchema, signer };
    found.push(...(await allEntries(session.client, call, { fresh: true })));
  }
  return found;
}

/**
 * Reads the record and compares it with what the pharmacy will compare it with. Throws `mismatch`
 * where the doctor put another content into the record than into the commitment.
 */
export async function openPrescription(
  patient: Patient,
  { prescription, recordId }: OwnPrescription,
  files: FilePlatform,
): Promise<OpenedContent> {
  const records = await patient.records();
  const record = records.find((one) => one.id === recordId);
  if (!record) {
    throw new SdkError('not_found', 'The record of this prescription is not there any more.', {
      nextStep: 'Ask the prescriber for a new one.',
    });
  }
  const sink = boundedSink(DOCUMENT_BYTES_MAX);
  await readDocument(patientReader(patient, files), record, () => Promise.resolve(sink));
  const opened = parseDocument(sink.bytes);
  const isSame =
    opened !== null &&
    opened.content.prescriptionId === prescription.id &&
    contentCommitment(opened) === prescription.commitment &&
    opened.content.quantity === prescription.quantity &&
    opened.content.fills === prescription.fills &&
    opened.content.intervalDays * DAY_MS === prescription.intervalMs;
  if (isSame) return opened;
  throw new SdkError('mismatch', 'The record says something else than what was prescribed.', {
    nextStep: 'Give it to nobody. Dispute the record and ask the prescriber.',
    details: { prescriptionId: prescription.id, recordId },
  });
}

export interface Released {
  readonly pharmacist: LedgerIdentity;
  readonly result: CertifiedResult;
}

/** Gives an opened prescription to a pharmacist, and says which insurer may be billed. */
export async function releasePrescription(
  patient: Patient,
  opened: OpenedContent,
  { to, insurer }: { to: PersonQuery; insurer?: PersonQuery | undefined },
): Promise<Released> {
  const { session, signer, networkName: network } = patient;
  const { identity: pharmacist, encryptionKey } = await findGrantee(session, signer, to);
  const billed = insurer && (await findGrantee(session, signer, insurer)).identity.subject;
  const { prescriptionId } = opened.content;
  const { sealed, digest } = await sealLetter(encodeContent(opened), {
    ...{ network, purpose: 'prescription', about: prescriptionId },
    ...{ recipient: pharmacist.subject, publicKey: encryptionKey },
  });
  const args = {
    ...{ prescriptionId, pharmacist: pharmacist.subject },
    ...{ letterId: randomId(), letterDigest: digest },
    ...(billed === undefined ? {} : { insurer: billed }),
  };
  const result = await session.client.submit({ fn: 'prescription.release', args }, signer);
  await session.custodian.putLetter(sealed, { key: patient.ownerKey, receipt: result.receipt });
  return { pharmacist, result };
}

/** Takes a prescription back from a pharmacist; the custodian forgets the letter. */
export async function recallPrescription(
  patient: Patient,
  { prescriptionId, pharmacist }: { prescriptionId: string; pharmacist: string },
): Promise<CertifiedResult> {
  const { session, signer, ownerKey: key } = patient;
  const call = { fn: 'prescription.recall', args: { prescriptionId, pharmacist } };
  const result = await session.client.submit(call, signer);
  await session.custodian.withdrawLetters({ key, receipt: result.receipt });
  return result;
}

/** Ends a prescription everywhere: by the patient, or by its prescriber. */
export async function cancelPrescription(
  { session, signer }: Pick<Patient | Clinician, 'session' | 'signer'>,
  prescriptionId: string,
  reason: CancelReason,
): Promise<CertifiedResult> {
  const call = { fn: 'prescription.cancel', args: { prescriptionId, reason } };
  return session.client.submit(call, signer);
}

export interface CheckedFill {
  readonly fill: Fill;
  readonly pharmacist: LedgerIdentity;
  /** False where the pharmacy handed out on something else than the content. */
  readonly isOfContent: boolean;
}

/** What was handed out, each compared with the content that the patient has. */
export async function checkedFills(
  patient: Patient,
  opened: OpenedContent,
): Promise<CheckedFill[]> {
  const { session, signer } = patient;
  const { prescriptionId } = opened.content;
  const call = { fn: 'prescription.fills', args: { prescriptionId }, item: fillSchema, signer };
  const fills = await allEntries(session.client, call, { fresh: true });
  return Promise.all(
    fills.map(async (fill) => {
      const { subject } = fill.pharmacist;
      const pharmacist = await findIdentity(session, signer, { subject });
      const expected = openedDigest(opened, { fillId: fill.id, pharmacist: subject });
      return { fill, pharmacist, isOfContent: expected === fill.opened };
    }),
  );
}

function documentOf({ content, salt }: OpenedContent): DocumentSource {
  const bytes = utf8(`${JSON.stringify({ ...content, salt: toBase64url(salt) }, null, 2)}\n`);
  return {
    path: `prescription-${content.prescriptionId.slice(0, 8)}.json`,
    length: bytes.length,
    async *stream({ start, end } = { start: 0, end: bytes.length }) {
      yield await Promise.resolve(bytes.slice(start, end));
    },
  };
}

function parseDocument(bytes: Uint8Array): OpenedContent | null {
  try {
    const { salt, ...content } = JSON.parse(new TextDecoder().decode(bytes)) as {
      salt: string;
    };
    return { salt: fromBase64url(salt), content: prescriptionContentSchema.parse(content) };
  } catch {
    return null;
  }
}
