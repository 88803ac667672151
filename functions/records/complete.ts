/** POST /v1/uploads/{recordId}/complete: nothing is acknowledged before the ledger has it. */

import type { z } from 'zod';
import { equalBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { fileDigest } from '../../lib/crypto/file-digest.ts';
import { planUpload } from '../../lib/records/upload-plan.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import { announceStored } from './announce.ts';
import type { RecordsContext } from './context.ts';
import { requireCaller } from './permit.ts';
import {
  conflict,
  type RecordState,
  requireUpload,
  saveState,
  type StoredState,
} from './record-state.ts';
import type { completeSchema } from './routes.ts';
import { discardUpload, partChecksum } from './uploads.ts';

type CompleteBody = z.infer<typeof completeSchema>;

/**
 * Joins and checks the parts, then has `record.stored` certified. Idempotent: sent again it goes
 * on where it ended. Throws HttpError `not_certified_yet` while the ledger takes its time.
 */
export async function completeUpload(
  context: RecordsContext,
  request: HttpRequest,
  { parts }: CompleteBody,
): Promise<HttpAnswer> {
  const caller = await requireCaller(context, request);
  const recordId = request.params['recordId'] ?? '';
  let found = await requireUpload(context.store, recordId, caller.kid);
  if (found.state.status === 'open') found = await verifyBytes(context, found, parts);
  if (found.state.status === 'verified') found = await certify(context, found);
  const { announced, digest } = found.state;
  const transactionId = announced?.transactionId ?? '';
  return { status: 200, body: { recordId, transactionId, objectDigest: digest } };
}

/** `open` → `verified`: length and digest are those of the ledger. */
async function verifyBytes(
  context: RecordsContext,
  found: StoredState,
  parts: CompleteBody['parts'],
): Promise<StoredState> {
  const { state } = found;
  const etags = checkParts(found, parts);
  const announced = parts.map(({ number, etag }) => ({
    number,
    etag,
    checksum: partChecksum(state, number),
  }));
  const isJoined = await context.objects.complete(state.objectKey, state.uploadId, announced);
  const object = await context.objects.describe(state.objectKey);
  if (!object) {
    // Parts are missing or differ: the upload goes on, unless the store has forgotten it.
    const isOpen = (await context.objects.parts(state.objectKey, state.uploadId)) !== null;
    if (!isOpen && !isJoined) await discardUpload(context, state);
    throw new HttpError('parts_missing', 'Not all parts are there: look, and send them.');
  }
  const wanted = fromBase64url(state.digest);
  const digest =
    object.compositeDigest ?? (await fileDigest(context.objects.read(state.objectKey))).digest;
  if (object.length !== state.length || !equalBytes(digest, wanted)) {
    await discardUpload(context, state);
    throw new HttpError(
      object.length === state.length ? 'digest_mismatch' : 'length_mismatch',
      'Other bytes came than were registered; they are deleted. Upload again.',
    );
  }
  return keepVerified(context, found, { ...state, status: 'verified', etags });
}

/** Numbers in order, checksums as announced. */
function checkParts({ state }: StoredState, parts: CompleteBody['parts']): string[] {
  const plan = planUpload(state.length);
  const fits = plan.every(({ number }, index) => {
    const part = parts[index];
    if (part?.number !== number) return false;
    return part.checksum === toBase64url(partChecksum(state, number));
  });
  if (!fits || plan.length !== parts.length) {
    throw new HttpError('parts_mismatch', 'These are not the parts that were announced.');
  }
  return parts.map(({ etag }) => etag);
}

/** `verified` → `stored`: certified on the ledger. */
async function certify(context: RecordsContext, found: StoredState): Promise<StoredState> {
  const certified = await announceStored(context, found);
  return saveState(context.store, certified, { ...certified.state, status: 'stored' });
}

/**
 * Lists the record together with its state: once the ledger says that it is stored, readers find
 * it here whatever became of this run.
 */
async function keepVerified(
  context: RecordsContext,
  { version }: StoredState,
  state: RecordState,
): Promise<StoredState> {
  const { recordId, pseudonym, categoryTag, dataMonth } = state;
  const isDone = await context.store.transact([
    { key: wrapKeys.record(recordId), expected: version, value: state },
    {
      key: wrapKeys.listed(pseudonym, categoryTag, recordId),
      expected: null,
      value: { recordId, categoryTag, dataMonth },
    },
  ]);
  if (!isDone) throw conflict();
  await context.store.remove([wrapKeys.opened(pseudonym, recordId)]);
  return { state, version: version + 1 };
}
