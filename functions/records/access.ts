/** POST /v1/access and POST /v1/metadata: what a receipt opens, and for whom. */

import { z } from 'zod';
import { coversRecord, type ListCapability, readCapability } from '../../lib/records/capability.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { requireReader } from '../aws/permit.ts';
import type { ItemStore } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { requireReceipt } from './permit.ts';
import { findRecord, findSealed, requireSealed, unknownRecord } from './record-state.ts';
import { requireNotRotated } from './rotation-state.ts';
import { requireNotErased } from './tombstones.ts';
import type { accessSchema, metadataSchema } from './routes.ts';

const PRESIGN_SECONDS = 60;
/** A Lambda's answer is 6 MB at most; the last record of a page may be the largest. */
const PAGE_CHARS_MAX = 4_500_000;
const PAGE_ITEMS = 100;

const listedSchema = z.strictObject({
  recordId: z.string(),
  categoryTag: z.string(),
  dataMonth: z.string(),
});

/** No receipt, no bytes: an address for a minute, for the reader that the receipt names. */
export async function openAccess(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof accessSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('access', receipt.result);
  requireReader(context, { proof, receipt }, permit);
  await requireNotErased(context.store, { recordId: permit.recordId });
  const found = await findRecord(context.store, permit.recordId);
  if (!found || found.state.status === 'open') throw unknownRecord();
  const { state } = found;
  await requireNotErased(context.store, { pseudonym: state.pseudonym });
  await requireNotRotated(context.store, state.pseudonym);
  if (state.objectDigest !== permit.objectDigest) {
    throw new HttpError('digest_mismatch', 'The custodian holds other bytes by now.');
  }
  const sealed = await requireSealed(context.store, permit.recordId);
  const url = await context.objects.presignGet(state.objectKey, PRESIGN_SECONDS);
  const { length, objectDigest: digest } = state;
  return { status: 200, body: { url, ...sealed, length, digest } };
}

/** Sealed metadata of the covered records, by category and id; `next` where there is more. */
export async function listMetadata(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof metadataSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('list', receipt.result);
  requireReader(context, { proof, receipt }, permit);
  await requireNotRotated(context.store, permit.pseudonym);
  await requireNotErased(context.store, permit);
  return { status: 200, body: await metadataPage(context.store, permit, body.after) };
}

/** A page of what a store has under a list's permit; hospitals' copies are laid out the same. */
export async function metadataPage(
  store: Pick<ItemStore, 'get' | 'list'>,
  permit: ListCapability,
  start: string | undefined,
): Promise<{ records: unknown[]; next?: string }> {
  const records: unknown[] = [];
  let characters = 0;
  let after = start;
  /** Sort key of the last record given: one that is not covered must not be named by `next`. */
  let given = start;
  const { pk } = wrapKeys.listed(permit.pseudonym, '', '');
  for (;;) {
    const page = await store.list(pk, {
      limit: PAGE_ITEMS,
      ...(after === undefined ? {} : { after }),
    });
    for (const { sk, value } of page) {
      after = sk;
      const listed = parseWith(listedSchema, value);
      if (!coversRecord(permit, listed)) continue;
      const sealed = await findSealed(store, listed.recordId);
      // One that was given up while it was completed does not hide the others.
      if (!sealed) continue;
      characters += JSON.stringify(sealed).length;
      if (records.length > 0 && characters > PAGE_CHARS_MAX) {
        return { records, ...(given === undefined ? {} : { next: given }) };
      }
      records.push({ recordId: listed.recordId, ...sealed });
      given = sk;
    }
    if (page.length < PAGE_ITEMS) return { records };
  }
}
