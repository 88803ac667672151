/** POST /v1/category-keys and /v1/category-keys/fetch: public keys under the root that the ledger holds. */

import { z } from 'zod';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { checkHolder, readCapability } from '../../lib/records/capability.ts';
import { categoryKeyLeaves, proveCategoryKey } from '../../lib/records/category-keys.ts';
import { RecordsError } from '../../lib/records/errors.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import { hashField } from '../../lib/wire/fields.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import type { fetchKeySchema, publishSchema } from './routes.ts';
import { conflict } from './record-state.ts';
import { requireNotErased } from './tombstones.ts';
import { requireNotRotated } from './rotation-state.ts';

const ATTEMPTS_MAX = 4;
const currentSchema = z.strictObject({ version: z.int(), root: z.string(), size: z.int() });
type Current = z.infer<typeof currentSchema>;
const leavesSchema = z.strictObject({
  /** Before their leaf hash, in order. */
  leaves: z.array(hashField),
  /** Tag, month and revision of each. */
  names: z.array(z.tuple([z.string(), z.string(), z.int()])),
});
const keySchema = z.strictObject({ publicKey: z.instanceof(Uint8Array) });

/** Keeps the keys, then names them current: readers never see a part of a publication. */
export async function publishKeys(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof publishSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('publish', receipt.result);
  checkHolder(permit.ownerKid, proof.kid);
  await requireNotRotated(context.store, permit.pseudonym);
  await requireNotErased(context.store, permit);
  const published = body.keys.map((key) => ({ ...key, publicKey: fromBase64url(key.publicKey) }));
  const leaves = categoryKeyLeaves(published);
  const { pseudonym, categoryKeysRoot: root, categoryKeysVersion: version } = permit;
  if (toBase64url(merkleRoot(leaves)) !== root) {
    throw new RecordsError('keys_malformed', 'the keys are not those of the root on the ledger');
  }
  const names = published.map((key) => [key.categoryTag, key.month, key.revision]);
  await context.store.stage([
    ...published.map(({ publicKey }, index) => ({
      key: wrapKeys.key(pseudonym, root, index),
      value: { publicKey },
    })),
    { key: wrapKeys.keyLeaves(pseudonym, root), value: { leaves, names } },
  ]);
  const outdated = await makeCurrent(context, pseudonym, { version, root, size: leaves.length });
  if (outdated) await forgetKeys(context, pseudonym, outdated);
  return { status: 200, body: { pseudonym, version, keys: leaves.length } };
}

/** The newest revision for a category and month, with its proof. */
export async function findKey(
  context: RecordsContext,
  request: HttpRequest,
  { pseudonym, categoryTag, month }: z.infer<typeof fetchKeySchema>,
): Promise<HttpAnswer> {
  await requireCaller(context, request);
  const unknown = new HttpError('unknown_key', 'No key is published for this.');
  const item = await context.store.get(wrapKeys.currentKeys(pseudonym));
  if (!item) throw unknown;
  const { root, version } = parseWith(currentSchema, item.value);
  const tree = await context.store.get(wrapKeys.keyLeaves(pseudonym, root));
  // A newer publication may have taken its place since: the caller asks again.
  if (!tree) throw conflict();
  const { leaves, names } = parseWith(leavesSchema, tree.value);
  const index = names.findLastIndex(([one, other]) => one === categoryTag && other === month);
  const name = names[index];
  if (!name) throw unknown;
  const key = await context.store.get(wrapKeys.key(pseudonym, root, index));
  if (!key) throw conflict();
  const { size, proof } = proveCategoryKey(leaves, index);
  return {
    status: 200,
    body: {
      publicKey: toBase64url(parseWith(keySchema, key.value).publicKey),
      revision: name[2],
      version,
      root,
      proof: { index, size, proof: proof.map(toBase64url) },
    },
  };
}

/** Names a publication current unless a newer one is; gives the one that is not wanted now. */
async function makeCurrent(
  context: RecordsContext,
  pseudonym: string,
  next: Current,
): Promise<Current | null> {
  const key = wrapKeys.currentKeys(pseudonym);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const item = await context.store.get(key);
    if (!item) {
      if (await context.store.insert(key, next)) return null;
      continue;
    }
    const current = parseWith(currentSchema, item.value);
    if (current.version >= next.version) return current.root === next.root ? null : next;
    if (await context.store.replace(key, item.version, next)) {
      return current.root === next.root ? null : current;
    }
  }
  throw conflict();
}

/** Deletes what a pseudonym has published. */
export async function forgetPublished(context: RecordsContext, pseudonym: string): Promise<void> {
  const key = wrapKeys.currentKeys(pseudonym);
  const item = await context.store.get(key);
  if (!item) return;
  await forgetKeys(context, pseudonym, parseWith(currentSchema, item.value));
  await context.store.remove([key]);
}

async function forgetKeys(
  context: RecordsContext,
  pseudonym: string,
  { root, size }: Current,
): Promise<void> {
  const keys = Array.from({ length: size }, (_, index) => wrapKeys.key(pseudonym, root, index));
  await context.store.remove([wrapKeys.keyLeaves(pseudonym, root), ...keys]);
}
