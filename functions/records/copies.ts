/** POST /v1/copies/…: what a hospital may copy by the receipt of `copy.request`; ciphertext alone. */

import type { z } from 'zod';
import { equalBytes, fromBase64url } from '../../lib/crypto/bytes.ts';
import { type CopyCapability, coversRecord, readCapability } from '../../lib/records/capability.ts';
import { digestOfSealed } from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { requireReader } from '../aws/permit.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { requireReceipt } from './permit.ts';
import { findRecord, findSealed, type RecordState, unknownRecord } from './record-state.ts';
import { requireNotRotated } from './rotation-state.ts';
import type { copiedObjectSchema, copiedRecordsSchema, copiedSharesSchema } from './copy-routes.ts';
import { keptShare } from './shares.ts';
import { requireNotErased } from './tombstones.ts';

/** For one part after the other, until the hospital asks again. */
const PRESIGN_SECONDS = 60;
/** Each is described by the store, and brings its wrap and metadata: a page is a few seconds. */
const PAGE_ITEMS = 40;

/** Covered records with all that a copy is made of but the bytes, by category and id. */
export async function listForCopies(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof copiedRecordsSchema>,
): Promise<HttpAnswer> {
  const permit = await requireCopyPermit(context, request, body.receipt);
  const { pk } = wrapKeys.listed(permit.pseudonym, '', '');
  const records: unknown[] = [];
  let { after } = body;
  for (;;) {
    const page = await context.store.list(pk, {
      limit: PAGE_ITEMS,
      ...(after === undefined ? {} : { after }),
    });
    for (const { sk } of page) {
      after = sk;
      const one = await listedForCopy(context, permit, sk.slice(sk.indexOf('#') + 1));
      if (one) records.push(one);
      // Only one that is covered is ever named by `next`.
      if (one && records.length === PAGE_ITEMS) {
        return { status: 200, body: { records, next: sk } };
      }
    }
    if (page.length < PAGE_ITEMS) return { status: 200, body: { records } };
  }
}

async function listedForCopy(context: RecordsContext, permit: CopyCapability, id: string) {
  const state = (await findRecord(context.store, id))?.state;
  if (!state || state.status === 'open' || !coversRecord(permit, state)) return null;
  const sealed = await findSealed(context.store, id);
  if (!sealed) return null;
  const { recordId, categoryTag, dataMonth, length, objectDigest: digest } = state;
  const isThere = await isStored(context, state);
  return { recordId, categoryTag, dataMonth, length, digest, isThere, ...sealed };
}

/** Where the bytes of one covered record are for a minute. */
export async function openForCopies(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof copiedObjectSchema>,
): Promise<HttpAnswer> {
  const permit = await requireCopyPermit(context, request, body.receipt);
  const found = await findRecord(context.store, body.recordId);
  const state = found?.state;
  if (!state || state.status === 'open') throw unknownRecord();
  const isCovered = state.pseudonym === permit.pseudonym && coversRecord(permit, state);
  if (!isCovered) throw unknownRecord();
  const url = await context.objects.presignGet(state.objectKey, PRESIGN_SECONDS);
  return { status: 200, body: { url } };
}

/** Sealed shares of the permissions that the receipt names; those that are not here are left out. */
export async function sharesForCopies(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof copiedSharesSchema>,
): Promise<HttpAnswer> {
  const permit = await requireCopyPermit(context, request, body.receipt);
  const shares: unknown[] = [];
  for (const permissionId of body.permissionIds) {
    const named = permit.shares.find((one) => one.permissionId === permissionId);
    if (!named) throw new HttpError('share_mismatch', 'The receipt does not name this permission.');
    const kept = await keptShare(context.store, permissionId);
    if (kept && digestOfSealed(kept.share) === named.shareDigest)
      shares.push({ permissionId, ...kept });
  }
  return { status: 200, body: { shares } };
}

/** Whether the store has the bytes, as far as it says without reading them. */
export async function isStored(context: RecordsContext, state: RecordState): Promise<boolean> {
  const object = await context.objects.describe(state.objectKey);
  if (object?.length !== state.length) return false;
  const { compositeDigest } = object;
  return compositeDigest === null || equalBytes(compositeDigest, fromBase64url(state.objectDigest));
}

async function requireCopyPermit(
  context: RecordsContext,
  request: HttpRequest,
  receiptText: string,
): Promise<CopyCapability> {
  const { proof, receipt } = await requireReceipt(context, request, receiptText);
  const permit = readCapability('copy', receipt.result);
  requireReader(context, { proof, receipt }, permit);
  await requireNotRotated(context.store, permit.pseudonym);
  await requireNotErased(context.store, permit);
  return permit;
}
