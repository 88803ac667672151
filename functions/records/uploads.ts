/** Opening, looking at and giving up uploads. */

import type { z } from 'zod';
import { concatBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { randomId } from '../../lib/crypto/random.ts';
import {
  checkHolder,
  readCapability,
  type RegisterCapability,
} from '../../lib/records/capability.ts';
import { digestOfSealed } from '../../lib/records/sealed.ts';
import { compositeDigest, planUpload, type UploadPart } from '../../lib/records/upload-plan.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import { conflict, findRecord, type RecordState, requireUpload } from './record-state.ts';
import { requireNotRotated } from './rotation-state.ts';
import { requireNotErased } from './tombstones.ts';
import type { uploadSchema } from './routes.ts';

type UploadBody = z.infer<typeof uploadSchema>;

const PRESIGN_SECONDS = 900;
const DIGEST_BYTES = 32;
/** Stands for entity tags that the store has forgotten: it wants none of a joined upload. */
const JOINED_ETAG = 'joined';

/** POST /v1/uploads. The same again resumes: fresh addresses for the same upload. */
export async function openUpload(
  context: RecordsContext,
  request: HttpRequest,
  body: UploadBody,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const registered = readCapability('register', receipt.result);
  checkHolder(registered.uploaderKid, proof.kid);
  const checksums = checkRegistered(registered, body);
  const { recordId, pseudonym } = registered;
  await requireNotErased(context.store, { recordId, pseudonym });
  await requireNotRotated(context.store, registered.pseudonym);

  const known = await findGoingOn(context, recordId);
  const state = known ?? (await createUpload(context, registered, checksums));
  if (state.status !== 'open') {
    return { status: 200, body: { recordId, status: state.status, parts: [] } };
  }
  await context.store.stage([
    { key: wrapKeys.wrap(recordId), value: body.wrap },
    { key: wrapKeys.metadata(recordId), value: body.sealedMetadata },
  ]);
  const parts = await Promise.all(
    planUpload(state.length).map(async ({ number, length }) => {
      const checksum = partChecksum(state, number);
      const upload = { id: state.uploadId, number, checksum };
      const signed = await context.objects.presignPart(state.objectKey, upload, PRESIGN_SECONDS);
      return { number, length, ...signed };
    }),
  );
  return { status: 200, body: { recordId, status: 'open', parts } };
}

/** GET /v1/uploads/{recordId}: what need not be sent again. */
export async function uploadStatus(
  context: RecordsContext,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const caller = await requireCaller(context, request);
  const recordId = request.params['recordId'] ?? '';
  const { state } = await requireUpload(context.store, recordId, caller.kid);
  const { status } = state;
  return { status: 200, body: { recordId, status, parts: await storedParts(context, state) } };
}

/** DELETE /v1/uploads/{recordId}: only while the upload is open. */
export async function abortUpload(
  context: RecordsContext,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const caller = await requireCaller(context, request);
  const recordId = request.params['recordId'] ?? '';
  const { state } = await requireUpload(context.store, recordId, caller.kid);
  if (state.status !== 'open') {
    throw new HttpError('already_complete', 'The bytes are there already.');
  }
  await discardUpload(context, state);
  return { status: 200, body: { recordId, status: 'aborted' } };
}

/** Deletes parts first: what the table forgets, nobody would find again. */
export async function discardUpload(context: RecordsContext, state: RecordState): Promise<void> {
  const { recordId, objectKey, uploadId } = state;
  await context.objects.abort(objectKey, uploadId);
  await context.objects.remove(objectKey);
  await context.store.remove([
    wrapKeys.wrap(recordId),
    wrapKeys.metadata(recordId),
    wrapKeys.record(recordId),
    wrapKeys.opened(state.pseudonym, recordId),
  ]);
}

/** SHA-256 that a part was announced with. */
export function partChecksum({ checksums }: RecordState, number: number): Uint8Array {
  return checksums.slice((number - 1) * DIGEST_BYTES, number * DIGEST_BYTES);
}

/** Wrap and parts must be the registered ones before anything is opened for them. */
function checkRegistered(registered: RegisterCapability, body: UploadBody): Uint8Array[] {
  const wrapDigest = digestOfSealed(body.wrap);
  if (wrapDigest !== registered.wrapDigest) {
    throw new HttpError('wrap_mismatch', 'The wrap is not the one that was registered.');
  }
  const plan = planUpload(registered.ciphertextLength);
  if (plan.length !== body.checksums.length) {
    throw new HttpError('length_mismatch', `The registered length has ${plan.length} parts.`);
  }
  const checksums = body.checksums.map(fromBase64url);
  if (toBase64url(compositeDigest(checksums)) !== registered.digest) {
    throw new HttpError('digest_mismatch', 'The parts have not the registered digest.');
  }
  return checksums;
}

/** The upload or record that there is; one that the store has given up is forgotten. */
async function findGoingOn(context: RecordsContext, recordId: string): Promise<RecordState | null> {
  const found = await findRecord(context.store, recordId);
  if (found?.state.status !== 'open') return found?.state ?? null;
  const { objectKey, uploadId } = found.state;
  const isThere =
    (await context.objects.parts(objectKey, uploadId)) ??
    (await context.objects.describe(objectKey));
  if (isThere) return found.state;
  await discardUpload(context, found.state);
  return null;
}

async function createUpload(
  context: RecordsContext,
  registered: RegisterCapability,
  checksums: readonly Uint8Array[],
): Promise<RecordState> {
  const { recordId, pseudonym, categoryTag, dataMonth, digest, uploaderKid } = registered;
  const objectKey = randomId();
  const state: RecordState = {
    recordId,
    status: 'open',
    pseudonym,
    categoryTag,
    dataMonth,
    digest,
    generation: 0,
    objectDigest: digest,
    layering: null,
    length: registered.ciphertextLength,
    uploaderKid,
    objectKey,
    uploadId: await context.objects.begin(objectKey),
    checksums: concatBytes(...checksums),
    etags: null,
    announced: null,
  };
  // Named first: what nobody finds again could not be erased.
  await context.store.stage([{ key: wrapKeys.opened(pseudonym, recordId), value: {} }]);
  if (await context.store.insert(wrapKeys.record(recordId), state)) return state;
  await context.objects.abort(objectKey, state.uploadId);
  const winner = await findRecord(context.store, recordId);
  if (!winner) throw conflict();
  return winner.state;
}

async function storedParts(context: RecordsContext, state: RecordState) {
  const { etags, length, objectKey, uploadId } = state;
  if (etags !== null) {
    return planUpload(length).map((part) => ({
      number: part.number,
      etag: etags[part.number - 1] ?? '',
      length: part.length,
    }));
  }
  const parts = await context.objects.parts(objectKey, uploadId);
  if (parts !== null) return parts;
  // They were joined, and nobody came to look at the object: none of them is wanted again.
  const isJoined = (await context.objects.describe(objectKey))?.length === length;
  const joined = ({ number, length: bytes }: UploadPart) => {
    return { number, etag: JOINED_ETAG, length: bytes };
  };
  return isJoined ? planUpload(length).map(joined) : [];
}
