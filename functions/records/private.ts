/** POST /v1/private and /v1/private/fetch: what a patient seals to nobody else. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { checkHolder, readCapability } from '../../lib/records/capability.ts';
import { digestOfSealed, sealedSchema } from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { emptyPartition } from './empty-partition.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import { conflict } from './record-state.ts';
import { findSuccessor, requireNotRotated } from './rotation-state.ts';
import type { fetchPrivateSchema, privateSchema } from './routes.ts';
import { requireNotErased } from './tombstones.ts';

const PAGE_ITEMS = 30;

const keptSchema = z.strictObject({
  ownerKid: z.string(),
  version: z.int().min(1),
  sealed: sealedSchema(recordsBounds.privateBytesMax),
});

/** Keeps the newest version; an older one is not taken. */
export async function putPrivate(
  context: RecordsContext,
  request: HttpRequest,
  { receipt: text, sealed }: z.infer<typeof privateSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, text);
  const permit = readCapability('private', receipt.result);
  const { ownerKid, pseudonym, privateId, version } = permit;
  checkHolder(ownerKid, proof.kid);
  await requireNotRotated(context.store, pseudonym);
  await requireNotErased(context.store, { pseudonym });
  if (digestOfSealed(sealed) !== permit.sealedDigest) {
    throw new HttpError('share_mismatch', 'This is not what the ledger names.');
  }
  const key = wrapKeys.privateData(pseudonym, privateId);
  const item = await context.store.get(key);
  const before = item && parseWith(keptSchema, item.value);
  if (before && before.version >= version) return { status: 200, body: { privateId } };
  const change = { key, expected: item?.version ?? null, value: { ownerKid, version, sealed } };
  if (!(await context.store.transact([change]))) throw conflict();
  return { status: 200, body: { privateId } };
}

/** For the owner, and after a rotation for the owner of the new pseudonym, who seals it anew. */
export async function fetchPrivate(
  context: RecordsContext,
  request: HttpRequest,
  { pseudonym, after }: z.infer<typeof fetchPrivateSchema>,
): Promise<HttpAnswer> {
  const { kid } = await requireCaller(context, request);
  const successor = await findSuccessor(context.store, pseudonym);
  const { pk } = wrapKeys.privateData(pseudonym, '');
  const page = await context.store.list(pk, {
    limit: PAGE_ITEMS,
    ...(after === undefined ? {} : { after }),
  });
  const items = page.flatMap(({ sk, value }) => {
    const { ownerKid, version, sealed } = parseWith(keptSchema, value);
    // The old owner key is dead from the rotation on.
    const isOwn = successor === null ? ownerKid === kid : successor.ownerKid === kid;
    return isOwn ? [{ privateId: sk, version, sealed }] : [];
  });
  const next = page.length < PAGE_ITEMS ? {} : { next: page.at(-1)?.sk };
  return { status: 200, body: { items, ...next } };
}

/** Deletes all private data of a pseudonym. */
export async function forgetPrivate(context: RecordsContext, pseudonym: string): Promise<void> {
  const { pk } = wrapKeys.privateData(pseudonym, '');
  await emptyPartition(context.store, pk);
}
