/** POST /v1/shares and /v1/shares/fetch: what patients seal to their grantees. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { readCapability } from '../../lib/records/capability.ts';
import { digestOfSealed, sealedSchema, type SealedText } from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import type { ItemStore } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { emptyPartition } from './empty-partition.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import { conflict } from './record-state.ts';
import { requireNotRotated } from './rotation-state.ts';
import type { fetchSharesSchema, shareSchema, withdrawSchema } from './routes.ts';
import { requireNotErased } from './tombstones.ts';
import { requireMember } from './team-state.ts';

const PAGE_CHARS_MAX = 4_500_000;
const PAGE_ITEMS = 100;

const ATTEMPTS_MAX = 4;

/** The newest version that was brought; of a revoked permission none is kept, whatever is brought. */
const stateSchema = z.strictObject({ version: z.int().min(0), holder: z.string().nullable() });
const REVOKED = { version: Number.MAX_SAFE_INTEGER, holder: null };
const grantedSchema = z.strictObject({ permissionId: z.string() });

/**
 * Keeps a share under the key of its grantee, or under the grantee's team, in the place of earlier
 * versions. Whoever brings it, it can only be the one whose digest the patient signed, so the same
 * again is harmless; an older one is refused.
 */
export async function putShare(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof shareSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('grant', receipt.result);
  const { permissionId, granteeKid, team, shareDigest, version, pseudonym } = permit;
  await requireNotRotated(context.store, pseudonym);
  await requireNotErased(context.store, { pseudonym });
  if (digestOfSealed(body.share) !== shareDigest) {
    throw new HttpError('share_mismatch', 'This is not the share that the ledger names.');
  }
  const holder = granteeKid ?? team ?? '';
  const { store } = context;
  // Named first: what nobody finds again could not be deleted.
  const granted = wrapKeys.granted(pseudonym, permissionId);
  await store.stage([{ key: granted, value: { permissionId } }]);
  const stateKey = wrapKeys.shareState(permissionId);
  const shareKey = wrapKeys.share(holder, permissionId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const [item, share] = await Promise.all([store.get(stateKey), store.get(shareKey)]);
    const before = item && parseWith(stateSchema, item.value);
    if (before && before.version > version) {
      throw new HttpError('share_superseded', 'A newer version of this permission is known.');
    }
    const done = await store.transact([
      { key: stateKey, expected: item?.version ?? null, value: { version, holder } },
      { key: shareKey, expected: share?.version ?? null, value: body.share },
    ]);
    if (!done) continue;
    if (before?.holder && before.holder !== holder) {
      await store.remove([wrapKeys.share(before.holder, permissionId)]);
    }
    return { status: 200, body: { permissionId } };
  }
  throw conflict();
}

/** Forgets what was sealed for a permission that was revoked, for good. */
export async function withdrawShare(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof withdrawSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const { permissionId } = readCapability('revoke', receipt.result);
  await forgetShare(context, permissionId);
  return { status: 200, body: { permissionId } };
}

/** Deletes all that was handed over under a pseudonym. */
export async function forgetShares(context: RecordsContext, pseudonym: string): Promise<void> {
  const { pk } = wrapKeys.granted(pseudonym, '');
  await emptyPartition(context.store, pk, ({ value }) =>
    forgetShare(context, parseWith(grantedSchema, value).permissionId),
  );
}

/** The present share of a permission and its holder: a key, perhaps an earlier one, or a team. */
export async function keptShare(
  store: Pick<ItemStore, 'get'>,
  permissionId: string,
): Promise<{ holder: string; share: SealedText } | null> {
  const item = await store.get(wrapKeys.shareState(permissionId));
  const holder = item && parseWith(stateSchema, item.value).holder;
  const kept = holder ? await store.get(wrapKeys.share(holder, permissionId)) : null;
  if (!holder || !kept) return null;
  return { holder, share: parseWith(sealedSchema(recordsBounds.shareBytesMax), kept.value) };
}

async function forgetShare(context: RecordsContext, permissionId: string): Promise<void> {
  const { store } = context;
  const key = wrapKeys.shareState(permissionId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const item = await store.get(key);
    const before = item && parseWith(stateSchema, item.value);
    const isDone = await (item
      ? store.replace(key, item.version, REVOKED)
      : store.insert(key, REVOKED));
    if (!isDone) continue;
    if (before?.holder) await store.remove([wrapKeys.share(before.holder, permissionId)]);
    return;
  }
  throw conflict();
}

/** What is sealed to the caller's key, or to a team of the caller; `next` where there is more. */
export async function fetchShares(
  context: RecordsContext,
  request: HttpRequest,
  { after: start, teamId }: z.infer<typeof fetchSharesSchema>,
): Promise<HttpAnswer> {
  const caller = await requireCaller(context, request);
  if (teamId !== undefined) await requireMember(context.store, teamId, caller.kid);
  return { status: 200, body: await sharesPage(context.store, teamId ?? caller.kid, start) };
}

/** A page of what is sealed to one holder; hospitals' copies are laid out the same. */
export async function sharesPage(
  store: Pick<ItemStore, 'list'>,
  holder: string,
  start: string | undefined,
): Promise<{ shares: unknown[]; next?: string }> {
  const shares: unknown[] = [];
  let characters = 0;
  let after = start;
  const { pk } = wrapKeys.share(holder, '');
  for (;;) {
    const page = await store.list(pk, {
      limit: PAGE_ITEMS,
      ...(after === undefined ? {} : { after }),
    });
    for (const { sk, value } of page) {
      const share = parseWith(sealedSchema(recordsBounds.shareBytesMax), value);
      characters += share.ciphertext.length + share.enc.length;
      if (shares.length > 0 && characters > PAGE_CHARS_MAX) {
        return { shares, ...(after === undefined ? {} : { next: after }) };
      }
      shares.push({ permissionId: sk, ...share });
      after = sk;
    }
    if (page.length < PAGE_ITEMS) return { shares };
  }
}
