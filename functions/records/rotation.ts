/** POST /v1/rotations and what follows it for each record: by the owner of the new pseudonym. */

import type { z } from 'zod';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { checkHolder, readCapability } from '../../lib/records/capability.ts';
import { sealingKeyDigest } from '../../lib/records/layer-key.ts';
import { digestOfSealed } from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import type { ItemChange } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';
import { forgetPublished } from './category-keys.ts';
import type { RecordsContext } from './context.ts';
import { discardRecord } from './discard.ts';
import { forgetNext, keepNext } from './next-wraps.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import { forgetPrivate } from './private.ts';
import {
  conflict,
  findRecord,
  findSealed,
  sealedChanges,
  sealedPartsSchema,
  unknownRecord,
} from './record-state.ts';
import { leadsTo, requireRotation } from './rotation-state.ts';
import type { rotateSchema, settleSchema, wrapSchema } from './routes.ts';
import { forgetLetters } from './letters.ts';
import { forgetShares } from './shares.ts';

/**
 * Takes note of a rotation: from now on nothing goes by the old pseudonym. What was published and
 * handed over under it is forgotten. Idempotent.
 */
export async function openRotation(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof rotateSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('rotate', receipt.result);
  checkHolder(permit.ownerKid, proof.kid);
  const { pseudonym, from, ownerKid } = permit;
  const sealingKey = fromBase64url(body.sealingKey);
  if (sealingKeyDigest(sealingKey) !== permit.sealingKeyDigest) {
    throw new HttpError('digest_mismatch', 'This is not the key that the ledger names.');
  }
  await context.store.insert(wrapKeys.rotated(from), { to: pseudonym });
  await context.store.insert(wrapKeys.rotation(pseudonym), { from, ownerKid, sealingKey });
  await forgetPublished(context, from);
  await forgetShares(context, from);
  await forgetLetters(context, from);
  return { status: 200, body: { pseudonym, from } };
}

/** By the receipt of `patient.rotate-finish`: what only the old keys opened is deleted. */
export async function finishRotation(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof settleSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const { pseudonym, from } = readCapability('finish', receipt.result);
  await requireRotation(context.store, pseudonym, proof.kid);
  await forgetPrivate(context, from);
  return { status: 200, body: { pseudonym } };
}

/** Keeps the new wraps of a record until the ledger names them: a crash loses neither. */
export async function putWrap(
  context: RecordsContext,
  request: HttpRequest,
  { pseudonym, wrap, sealedMetadata }: z.infer<typeof wrapSchema>,
): Promise<HttpAnswer> {
  const { kid } = await requireCaller(context, request);
  const { recordId = '' } = request.params;
  await requireRotation(context.store, pseudonym, kid);
  const found = await findRecord(context.store, recordId);
  if (!found || !(await leadsTo(context.store, found.state.pseudonym, pseudonym))) {
    throw unknownRecord();
  }
  await keepNext(context, recordId, digestOfSealed(wrap), { wrap, sealedMetadata });
  return { status: 200, body: { recordId } };
}

/** Makes the new wraps count by the receipt of `record.retag`, or deletes by `record.leave`. */
export async function settleRecord(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof settleSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('settle', receipt.result);
  checkHolder(permit.ownerKid, proof.kid);
  const { recordId, pseudonym } = permit;
  if (request.params['recordId'] !== recordId) throw unknownRecord();
  if (permit.fn === 'record.leave') {
    await leave(context, recordId, pseudonym);
    return { status: 200, body: { recordId, status: 'left' } };
  }
  await move(context, permit);
  return { status: 200, body: { recordId, status: 'moved' } };
}

async function leave(context: RecordsContext, recordId: string, pseudonym: string): Promise<void> {
  const found = await findRecord(context.store, recordId);
  if (!found) return;
  const { state } = found;
  if (!(await leadsTo(context.store, state.pseudonym, pseudonym))) throw unknownRecord();
  await discardRecord(context, state);
}

interface Moved {
  recordId: string;
  pseudonym: string;
  categoryTag: string;
  dataMonth: string;
  wrapDigest: string;
  generation: number;
  objectDigest: string;
}

/** In one step: state, wraps and list. A receipt of another generation moves nothing. */
async function move(context: RecordsContext, moved: Moved): Promise<void> {
  const { recordId, pseudonym, categoryTag, dataMonth } = moved;
  const { store } = context;
  const found = await findRecord(store, recordId);
  if (!found || !(await leadsTo(store, found.state.pseudonym, pseudonym))) throw unknownRecord();
  const { state, version } = found;
  if (state.generation !== moved.generation || state.objectDigest !== moved.objectDigest) {
    throw new HttpError('digest_mismatch', 'This receipt is of other bytes than are stored now.');
  }
  const pending = await store.get(wrapKeys.nextWrap(recordId, moved.wrapDigest));
  if (!pending) {
    const present = await findSealed(store, recordId);
    if (present && digestOfSealed(present.wrap) === moved.wrapDigest) return;
    throw new HttpError('wrap_mismatch', 'The wrap that the ledger names was not sent.');
  }
  const sealed = parseWith(sealedPartsSchema, pending.value);
  const next = { ...state, pseudonym, categoryTag, layering: null };
  const listed = wrapKeys.listed(pseudonym, categoryTag, recordId);
  const changes: ItemChange[] = [
    { key: wrapKeys.record(recordId), expected: version, value: next },
    ...(await sealedChanges(store, { recordId, pseudonym, categoryTag, dataMonth }, sealed)),
  ];
  if (!(await store.transact(changes))) throw conflict();
  const before = wrapKeys.listed(state.pseudonym, state.categoryTag, recordId);
  if (before.pk !== listed.pk) await store.remove([before]);
  await forgetNext(context, recordId);
}
