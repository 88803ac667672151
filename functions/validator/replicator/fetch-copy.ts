/** Copies the bytes of one record, part by part: a run that ends or dies goes on where it was. */

import { concatBytes, fromBase64url, toBase64url } from '../../../lib/crypto/bytes.ts';
import { sha256 } from '../../../lib/crypto/hash.ts';
import { randomId } from '../../../lib/crypto/random.ts';
import { compositeDigest, planUpload } from '../../../lib/records/upload-plan.ts';
import type { MedicalRecord } from '../../../lib/chaincode/values.ts';
import { beginCopy, type Copy, findCopy, saveCopy, type StoredCopy } from '../copies/copy-store.ts';
import { OutOfTime, type ReplicatorContext } from './context.ts';
import { addressAtCustodian, getRange, type ListedAtCustodian, putPart } from './custodian.ts';

const DIGEST_BYTES = 32;
const PRESIGN_SECONDS = 60;
/** Presigned addresses are good for a minute; a fresh one is asked for well before. */
const ADDRESS_PARTS = 4;

/** What was copied is not what the ledger names: it is deleted, and asked for again later. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

/**
 * Brings one record's bytes here and compares them with the ledger's digest. Throws WrongBytes,
 * CustodianAway, OutOfTime.
 */
export async function fetchCopy(
  context: ReplicatorContext,
  record: MedicalRecord,
  {
    listed,
    receipt,
    deadline,
  }: {
    listed: ListedAtCustodian;
    receipt: Uint8Array;
    deadline: number;
  },
): Promise<StoredCopy> {
  const { store, objects } = context;
  const plan = planUpload(record.ciphertextLength);
  let current = await goOn(context, record, listed);
  if (current.copy.status !== 'open') return current;
  let address = '';
  for (let at = current.copy.etags.length; at < plan.length; at += 1) {
    if (context.now() >= deadline) throw new OutOfTime('bytes of a record');
    if (address === '' || at % ADDRESS_PARTS === 0) {
      address = await addressAtCustodian(context, receipt, record.id);
    }
    const part = plan[at] as (typeof plan)[number];
    const bytes = await getRange(context, address, part);
    const checksum = sha256(bytes);
    const { objectKey, uploadId: id } = current.copy;
    const upload = { id, number: part.number, checksum };
    const target = await objects.presignPart(objectKey, upload, PRESIGN_SECONDS);
    const etag = await putPart(context, target, bytes);
    current = await saveCopy(store, current, {
      ...current.copy,
      checksums: concatBytes(current.copy.checksums, checksum),
      etags: [...current.copy.etags, etag],
    });
  }
  return join(context, current);
}

export function checksumsOf({ checksums }: Pick<Copy, 'checksums'>): Uint8Array[] {
  return Array.from({ length: checksums.length / DIGEST_BYTES }, (_, at) =>
    checksums.slice(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES),
  );
}

/** The copy that was begun, or a fresh one; a store that forgot its parts starts it anew. */
async function goOn(
  context: ReplicatorContext,
  record: MedicalRecord,
  { wrap, sealedMetadata }: ListedAtCustodian,
): Promise<StoredCopy> {
  const { store, objects } = context;
  const found = await findCopy(store, record.id);
  if (found) {
    const { status, objectKey, uploadId } = found.copy;
    if (status !== 'open') return found;
    if ((await objects.parts(objectKey, uploadId)) !== null) return found;
    // Joined just before a crash: then the bytes are there.
    if ((await objects.describe(objectKey)) !== null) return found;
  }
  const objectKey = randomId();
  const copy: Copy = {
    recordId: record.id,
    status: 'open',
    pseudonym: record.pseudonym,
    categoryTag: record.categoryTag,
    dataMonth: record.dataMonth,
    objectDigest: record.objectDigest,
    length: record.ciphertextLength,
    objectKey,
    uploadId: await objects.begin(objectKey),
    checksums: new Uint8Array(),
    etags: [],
  };
  return beginCopy(store, copy, { wrap, sealedMetadata });
}

async function join(context: ReplicatorContext, current: StoredCopy): Promise<StoredCopy> {
  const { store, objects } = context;
  const { copy } = current;
  const { objectKey, uploadId, etags } = copy;
  const checksums = checksumsOf(copy);
  const isRight = toBase64url(compositeDigest(checksums)) === copy.objectDigest;
  if (!isRight) throw new WrongBytes(`other bytes than the ledger names for ${copy.recordId}`);
  const parts = checksums.map((checksum, at) => {
    return { number: at + 1, etag: etags[at] ?? '', checksum };
  });
  await objects.complete(objectKey, uploadId, parts);
  const object = await objects.describe(objectKey);
  const wanted = toBase64url(object?.compositeDigest ?? fromBase64url(copy.objectDigest));
  if (object?.length !== copy.length || wanted !== copy.objectDigest) {
    throw new WrongBytes(`the own store does not hold ${copy.recordId} as it was put`);
  }
  return saveCopy(store, current, { ...copy, status: 'verified' });
}
