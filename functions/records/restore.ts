/** POST /v1/restores: a hospital gives back bytes that the custodian lost, by its `copy.held`. */

import { z } from 'zod';
import { concatBytes, equalBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { fileDigest } from '../../lib/crypto/file-digest.ts';
import { randomId } from '../../lib/crypto/random.ts';
import {
  checkHolder,
  checkUsable,
  type HeldRecord,
  readCapability,
} from '../../lib/records/capability.ts';
import { limits } from '../../lib/limits.ts';
import { digestOfSealed } from '../../lib/records/sealed.ts';
import { compositeDigest, planUpload } from '../../lib/records/upload-plan.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import type { ItemChange } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { isStored } from './copies.ts';
import type { completeRestoreSchema, restoreSchema } from './copy-routes.ts';
import { discardRecord } from './discard.ts';
import { requireReceipt } from './permit.ts';
import {
  conflict,
  findRecord,
  type RecordState,
  sealedChanges,
  sealedPartsSchema,
  type StoredState,
  unknownRecord,
} from './record-state.ts';
import { requireNotErased } from './tombstones.ts';

const PRESIGN_SECONDS = 900;
/** Bytes that a request reads to look into a report; more is taken back without a look. */
const READ_BYTES_MAX = 256 * 1024 * 1024;

const jobSchema = z.strictObject({
  holderKid: z.string(),
  objectKey: z.string(),
  uploadId: z.string(),
  checksums: z.array(z.string()),
  sealed: sealedPartsSchema,
});
type Job = z.infer<typeof jobSchema>;

/** Opens the way back for exactly the bytes that the ledger names, unless they are there. */
export async function openRestore(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof restoreSchema>,
): Promise<HttpAnswer> {
  const { held, holderKid } = await requireHeld(context, request, body);
  const found = await findRecord(context.store, held.recordId);
  if (found && (await isWhole(context, found.state, held, body.isReported))) {
    return { status: 200, body: { status: 'there', parts: [] } };
  }
  const { wrap, sealedMetadata, checksums } = body;
  if (digestOfSealed(wrap) !== held.wrapDigest) {
    throw new HttpError('wrap_mismatch', 'The wrap is not the one that the ledger names.');
  }
  const plan = planUpload(held.ciphertextLength);
  const composite = toBase64url(compositeDigest(checksums.map(fromBase64url)));
  if (plan.length !== checksums.length || composite !== held.objectDigest) {
    throw new HttpError('digest_mismatch', 'These are not the bytes that the ledger names.');
  }
  const job = await beginJob(context, held.recordId, {
    ...{ holderKid, checksums, sealed: { wrap, sealedMetadata } },
  });
  const parts = await Promise.all(
    plan.map(async ({ number, length }) => {
      const checksum = fromBase64url(checksums[number - 1] as string);
      const upload = { id: job.uploadId, number, checksum };
      const signed = await context.objects.presignPart(job.objectKey, upload, PRESIGN_SECONDS);
      return { number, length, ...signed };
    }),
  );
  return { status: 200, body: { status: 'open', parts } };
}

/** Joins the parts; what readers are given changes only once the right bytes are there. */
export async function completeRestore(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof completeRestoreSchema>,
): Promise<HttpAnswer> {
  const { held, holderKid } = await requireHeld(context, request, body);
  const { store, objects } = context;
  const item = await store.get(wrapKeys.restore(held.recordId));
  const job = item && parseWith(jobSchema, item.value);
  if (job?.holderKid !== holderKid) throw unknownRecord();
  const parts = job.checksums.map((checksum, at) => {
    return { number: at + 1, etag: body.etags[at] ?? '', checksum: fromBase64url(checksum) };
  });
  await objects.complete(job.objectKey, job.uploadId, parts);
  const object = await objects.describe(job.objectKey);
  const wanted = fromBase64url(held.objectDigest);
  const digest = object && (object.compositeDigest ?? (await digestOf(context, job.objectKey)));
  if (object?.length !== held.ciphertextLength || !digest || !equalBytes(digest, wanted)) {
    throw new HttpError('parts_missing', 'The right bytes are not all there: send them again.');
  }
  await takePlace(context, held, job);
  return { status: 200, body: { recordId: held.recordId } };
}

/** The record of a fresh `copy.held` that its holder brings. */
async function requireHeld(
  context: RecordsContext,
  request: HttpRequest,
  { receipt: receiptText, recordId }: { receipt: string; recordId: string },
): Promise<{ held: HeldRecord & { pseudonym: string }; holderKid: string }> {
  const { proof, receipt } = await requireReceipt(context, request, receiptText);
  const { holderKid, pseudonym, records } = readCapability('held', receipt.result);
  checkHolder(holderKid, proof.kid);
  // An old word may be of bytes that were erased or replaced since.
  const usableUntil = receipt.time + limits.receiptUsableMsMax;
  checkUsable({ usableUntil }, { blockTime: receipt.time, nowMs: context.now() });
  const held = records.find((one) => one.recordId === recordId);
  if (!held) throw unknownRecord();
  await requireNotErased(context.store, { recordId, pseudonym });
  return { held: { ...held, pseudonym }, holderKid };
}

/** Whether nothing is lost. A reader's report is believed only after a look at the bytes. */
async function isWhole(
  context: RecordsContext,
  state: RecordState,
  held: HeldRecord,
  isReported: boolean,
): Promise<boolean> {
  // What is uploaded or gets a new layer just now is none of a hospital's business.
  if (state.objectDigest !== held.objectDigest) {
    throw new HttpError('digest_mismatch', 'The custodian holds other bytes by now.');
  }
  if (state.status === 'open') return false;
  const wraps = [wrapKeys.wrap(held.recordId), wrapKeys.metadata(held.recordId)];
  const items = await Promise.all(wraps.map((key) => context.store.get(key)));
  if (items.includes(null) || !(await isStored(context, state))) return false;
  if (!isReported || state.length > READ_BYTES_MAX) return !isReported;
  const digest = await digestOf(context, state.objectKey);
  return equalBytes(digest, fromBase64url(held.objectDigest));
}

async function digestOf({ objects }: RecordsContext, objectKey: string): Promise<Uint8Array> {
  return (await fileDigest(objects.read(objectKey))).digest;
}

/** One at a time: a later offer takes the place of an earlier one that was given up. */
async function beginJob(
  { store, objects }: RecordsContext,
  recordId: string,
  offer: Omit<Job, 'objectKey' | 'uploadId'>,
): Promise<Job> {
  const key = wrapKeys.restore(recordId);
  const item = await store.get(key);
  if (item) {
    const before = parseWith(jobSchema, item.value);
    await objects.abort(before.objectKey, before.uploadId);
    await objects.remove(before.objectKey);
  }
  const objectKey = randomId();
  const job = { ...offer, objectKey, uploadId: await objects.begin(objectKey) };
  const isKept = item ? await store.replace(key, item.version, job) : await store.insert(key, job);
  if (isKept) return job;
  await objects.abort(objectKey, job.uploadId);
  throw conflict();
}

/** In one step; then the bytes of before are deleted. */
async function takePlace(
  context: RecordsContext,
  held: HeldRecord & { pseudonym: string },
  { objectKey, checksums, sealed }: Job,
): Promise<void> {
  const { store, objects } = context;
  const { recordId, pseudonym } = held;
  const found: StoredState | null = await findRecord(store, recordId);
  const state: RecordState = {
    ...(found?.state ?? freshState(held)),
    status: 'stored',
    objectKey,
    checksums: concatBytes(...checksums.map(fromBase64url)),
  };
  const changes: ItemChange[] = [
    { key: wrapKeys.record(recordId), expected: found?.version ?? null, value: state },
    ...(await sealedChanges(store, held, sealed)),
  ];
  if (!(await store.transact(changes))) throw conflict();
  if (found && found.state.objectKey !== objectKey) await objects.remove(found.state.objectKey);
  await store.remove([wrapKeys.restore(recordId)]);
  try {
    await requireNotErased(store, { recordId, pseudonym });
  } catch (error) {
    // An order to erase came meanwhile: it wins.
    await discardRecord(context, state);
    throw error;
  }
}

/** Of a record of which the custodian lost everything. */
function freshState(
  held: HeldRecord & { pseudonym: string },
): Omit<RecordState, 'status' | 'objectKey' | 'checksums'> {
  const { recordId, pseudonym, categoryTag, dataMonth, digest, objectDigest, generation } = held;
  return {
    ...{ recordId, pseudonym, categoryTag, dataMonth, digest, objectDigest, generation },
    layering: null,
    length: held.ciphertextLength,
    uploaderKid: held.uploaderKid,
    uploadId: '',
    etags: null,
    announced: null,
  };
}
