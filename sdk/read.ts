/** Reading: access is asked of the ledger, bytes of the custodian, and every one is checked. */
import type { MedicalRecord } from '../lib/chaincode/values.ts';
import type { Purpose } from '../lib/chaincode/fields.ts';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import type { ListedMetadata, RecordAccess } from './custodian-client.ts';
import { type ByteProgress, decryptDocument } from './document.ts';
import { SdkError } from './errors.ts';
import type { DocumentSink, FilePlatform, Spool } from './platform/files.ts';
import type { CertifiedResult } from './proofs.ts';
import type { RecordSource } from './record-sources.ts';
import {
  type CategoryEpoch,
  fileAad,
  openFileKey,
  openMetadata,
  type RecordKeys,
  type RecordMetadata,
} from './seal.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';
import { download } from './transfer.ts';

/** Who reads: the ledger's name of the key, and the seeds that it was given. */
export interface Reader {
  readonly session: Session;
  /** Proves possession; the receipt names it. */
  readonly key: SigningKey;
  readonly signer: RequestSigner;
  readonly files: FilePlatform;
  readonly purpose: Purpose;
  /** The seed of a category key, or null where it was never handed over. */
  seedOf(epoch: CategoryEpoch): Uint8Array | null;
}

/** A record of the ledger with its metadata; null where no seed opens it as it was registered. */
export interface ListedRecord {
  readonly record: MedicalRecord;
  readonly metadata: RecordMetadata | null;
}

export interface ReadDocument {
  readonly recordId: string;
  readonly metadata: RecordMetadata;
  /** Where it was written. */
  readonly path: string;
  /** The certified decision: the capability that opened it. */
  readonly access: CertifiedResult;
}

/**
 * Asks the ledger for access. The decision is certified and in the patient's history either way.
 * Throws `refused` on a denial, with the receipt that proves it.
 */
export async function requestAccess(reader: Reader, recordId: string): Promise<CertifiedResult> {
  const args = { recordId, purpose: reader.purpose };
  const call = { fn: 'access.request', args };
  return permitted(await reader.session.client.submit(call, reader.signer), 'this record');
}

/**
 * Lists records with their names: the ledger decides which categories' metadata may be fetched,
 * and the patient sees that they were.
 */
export async function openListed(
  reader: Reader,
  pseudonym: string,
  records: readonly MedicalRecord[],
): Promise<{ listed: ListedRecord[]; access: CertifiedResult }> {
  const { session, signer, key, purpose } = reader;
  const call = { fn: 'access.list', args: { pseudonym, purpose } };
  const access = permitted(await session.client.submit(call, signer), 'these categories');
  const permit = { key, receipt: access.receipt };
  const ids = records
    .filter((one) => one.erased === null && one.stored !== null)
    .map(({ id }) => id);
  const entries = new Map(records.map((record) => [record.id, record]));
  const isRight = async (one: ListedMetadata): Promise<boolean> => {
    const record = entries.get(one.recordId);
    const seed = record && reader.seedOf(epochOf(record));
    if (!record || !seed) return false;
    return (await metadataOf(reader, record, seed, one)) !== null;
  };
  const sealed = await session.sources.metadata(permit, ids, isRight);
  const byId = new Map(sealed.map((one) => [one.recordId, one]));
  const listed: ListedRecord[] = [];
  for (const record of records) {
    const found = byId.get(record.id);
    const seed = reader.seedOf(epochOf(record));
    if (!found || !seed) {
      listed.push({ record, metadata: null });
      continue;
    }
    listed.push({ record, metadata: await metadataOf(reader, record, seed, found) });
  }
  return { listed, access };
}

/** One record's metadata; nonsense in it must not hide the other records. */
async function metadataOf(
  reader: Reader,
  record: MedicalRecord,
  seed: Uint8Array,
  { sealedMetadata }: Pick<ListedMetadata, 'sealedMetadata'>,
): Promise<RecordMetadata | null> {
  const by = { ...identified(reader, record, seed), commitment: record.metadataCommitment };
  try {
    return await openMetadata(sealedMetadata, by);
  } catch {
    return null;
  }
}

/** Where a document is to appear, once its metadata is known. */
export type SinkFactory = (metadata: RecordMetadata) => Promise<DocumentSink>;

/** Reads one record into a sink. Throws `refused`, `mismatch` or `not_readable`; nothing is left. */
export async function readDocument(
  reader: Reader,
  record: MedicalRecord,
  makeSink: SinkFactory,
  onProgress?: ByteProgress,
): Promise<ReadDocument> {
  const { session, key } = reader;
  const access = await requestAccess(reader, record.id);
  const permit = { key, receipt: access.receipt };
  const progress: ByteProgress = (done, total) => onProgress?.(done / 2, total);
  const { spool, fileKey, metadata } = await session.sources.read((source) =>
    fetchFrom(reader, record, { source, permit, progress }),
  );
  try {
    const { size, commitment, salt } = metadata;
    const aad = fileAad(session.client.name, record.id);
    const length = record.ciphertextLength;
    const expected = { key: fileKey, aad, ciphertextLength: length, size, commitment, salt };
    const sink = await makeSink(metadata);
    const path = await decryptDocument(spool, sink, expected, (done, total) =>
      onProgress?.((total + done) / 2, total),
    );
    return { recordId: record.id, metadata, path, access };
  } finally {
    await spool.discard();
  }
}

/** Keys and ciphertext from one source, all compared with the ledger; nothing is left where not. */
async function fetchFrom(
  reader: Reader,
  record: MedicalRecord,
  from: {
    source: RecordSource;
    permit: { key: SigningKey; receipt: Uint8Array };
    progress: ByteProgress;
  },
): Promise<{ spool: Spool; fileKey: Uint8Array; metadata: RecordMetadata }> {
  const { source, permit, progress: onProgress } = from;
  const { transport, clock } = reader.session;
  let granted: RecordAccess | null = await source.access(permit);
  const { layers, ...opened } = await openKeys(reader, record, granted);
  const address = async (): Promise<string> => {
    const { url } = granted ?? (await source.access(permit));
    granted = null;
    return url;
  };
  const spool = await reader.files.spool();
  try {
    const expected = {
      length: record.ciphertextLength,
      digest: fromBase64url(record.objectDigest),
      layers,
      original: fromBase64url(record.digest),
    };
    await download(address, spool, expected, { transport, clock, onProgress });
    return { spool, ...opened };
  } catch (error) {
    await spool.discard();
    throw error;
  }
}

/** File key and metadata, both compared with what the uploader registered. */
async function openKeys(
  reader: Reader,
  record: MedicalRecord,
  { wrap, sealedMetadata }: RecordAccess,
): Promise<RecordKeys & { metadata: RecordMetadata }> {
  const seed = reader.seedOf(epochOf(record));
  if (!seed) {
    throw new SdkError(
      'not_readable',
      'The key of this category and month was never handed over.',
      {
        nextStep: 'Ask the patient to grant again: keys were renewed since.',
        details: { recordId: record.id },
      },
    );
  }
  const by = identified(reader, record, seed);
  const { wrapDigest: digest, generation } = record;
  return {
    ...(await openFileKey(wrap, { ...by, digest, generation })),
    metadata: await openMetadata(sealedMetadata, { ...by, commitment: record.metadataCommitment }),
  };
}

export function epochOf(record: MedicalRecord): CategoryEpoch {
  const { pseudonym, categoryTag, epoch } = record;
  return { pseudonym, categoryTag, ...epoch };
}

function identified(reader: Reader, record: MedicalRecord, seed: Uint8Array) {
  const network = reader.session.client.name;
  return { seed, network, recordId: record.id, epoch: epochOf(record) };
}

/** Throws `refused` unless the certified decision is to permit. */
function permitted(result: CertifiedResult, what: string): CertifiedResult {
  const { decision, reason } = result.value as { decision?: unknown; reason?: unknown };
  if (decision === 'permit') return result;
  const why = typeof reason === 'string' ? reason : 'denied';
  throw new SdkError('refused', `Access to ${what} is denied: ${why}.`, {
    nextStep: accessSteps[why] ?? 'Ask the patient for a permission that covers it.',
    details: {
      reason: why,
      id: result.id,
      height: result.height,
      receipt: toBase64url(result.receipt),
    },
  });
}

const accessSteps: Readonly<Record<string, string>> = {
  permission_expired: 'Ask the patient to grant again: the permission is over.',
  permission_revoked: 'The patient took this permission back.',
  record_not_stored: 'Wait until the custodian holds the record.',
};
