/**
 * The authenticated state: reading, updating and proving keys of a versioned, canonical Merkle
 * tree that is stored in immutable pages (docs/decisions/0003-state-tree-format.md).
 */
import { compareBytes, equalBytes, toHex } from '../crypto/bytes.ts';
import { limits } from '../limits.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError } from './errors.ts';
import type { PageCache } from './page-cache.ts';
import { emptyRoot, stateKeyHash, stateValueHash } from './state-hash.ts';
import type { StateProof } from './state-proof.ts';
import { packPages } from './tree-pack.ts';
import { pageSource } from './tree-page.ts';
import { applyWrites, freshSlot, type HashedWrite, isFresh } from './tree-update.ts';
import { followPath, type PageReader, siblingsOf, type TreeBase, TreeWalk } from './tree-walk.ts';

export type { PageReader, TreeBase } from './tree-walk.ts';
export { type StateProof, verifyStateProof } from './state-proof.ts';
export { emptyRoot } from './state-hash.ts';
export { pageId } from './tree-page.ts';

export interface TreeOptions {
  /** Decoded pages of earlier calls. @default no cache */
  cache?: PageCache | undefined;
  /** Target length of a page, bytes. @default limits.treePageBytesMax */
  pageBytes?: number | undefined;
}

/** A write of state; null deletes the key. */
export interface StateWrite {
  key: string;
  value: Uint8Array | null;
}

export interface ProvenEntry extends StateWrite {
  proof: StateProof;
}

export interface TreeUpdate {
  root: Uint8Array;
  /** Pages to store before a head refers to the root; none where the tree is empty. */
  pages: { id: string; bytes: Uint8Array }[];
}

/** The values of keys in one version, null where absent; copies, in the order of `keys`. */
export async function readKeys(
  base: TreeBase,
  keys: readonly string[],
  reader: PageReader,
  options: TreeOptions = {},
): Promise<(Uint8Array | null)[]> {
  const hashes = keys.map(stateKeyHash);
  const walk = new TreeWalk(reader, options.cache);
  const root = await walk.open(base, hashes, { neighbours: false });
  return hashes.map((keyHash) => {
    const { leaf } = followPath(root, keyHash);
    return leaf && equalBytes(leaf.keyHash, keyHash) ? leaf.value.slice() : null;
  });
}

/**
 * The version of block `height` after its writes; of two writes of a key, the later counts. Base
 * null is the empty tree. Throws `bad_key`, `value_too_large`, `invalid_argument`, `missing_page`
 * or `corrupt_page`.
 */
export async function updateTree(
  base: TreeBase | null,
  height: number,
  writes: readonly StateWrite[],
  reader: PageReader,
  options: TreeOptions = {},
): Promise<TreeUpdate> {
  if (base && height <= base.height) {
    throw new LedgerError('invalid_argument', `height ${height} does not follow ${base.height}`);
  }
  const sorted = hashedWrites(writes);
  const walk = new TreeWalk(reader, options.cache);
  const before = await walk.open(base, sorted.map(keyHashOf), { neighbours: false });
  let after = applyWrites(before, 0, sorted);
  if (!after) return { root: emptyRoot, pages: [] };
  if (!isFresh(after)) {
    // A version is found by its root, so an older node that becomes the root is stored again.
    await walk.load([after]);
    if (after.node) after = freshSlot(after.hash, after.node);
  }
  const packed = packPages(after, pageSource(height, after.hash), options.pageBytes);
  for (const { id, page } of packed) options.cache?.put(id, page);
  return { root: after.hash, pages: packed.map(({ id, bytes }) => ({ id, bytes })) };
}

/** Each key's value, or null, with a proof of it for `verifyStateProof`. */
export async function proveKeys(
  base: TreeBase,
  keys: readonly string[],
  reader: PageReader,
  options: TreeOptions = {},
): Promise<ProvenEntry[]> {
  const hashes = keys.map(stateKeyHash);
  const walk = new TreeWalk(reader, options.cache);
  const root = await walk.open(base, hashes, { neighbours: true });
  return keys.map((key, i) => {
    const keyHash = hashes[i] as Uint8Array;
    const { leaf, inner } = followPath(root, keyHash);
    const siblings = siblingsOf(inner, keyHash);
    if (!leaf) return { key, value: null, proof: { siblings, other: null } };
    if (equalBytes(leaf.keyHash, keyHash)) {
      return { key, value: leaf.value.slice(), proof: { siblings, other: null } };
    }
    const other = { keyHash: leaf.keyHash.slice(), valueHash: stateValueHash(leaf.value) };
    return { key, value: null, proof: { siblings, other } };
  });
}

function hashedWrites(writes: readonly StateWrite[]): HashedWrite[] {
  if (writes.length > ledgerBounds.writesMax) throw new LedgerError('too_large', 'too many writes');
  const last = new Map<string, HashedWrite>();
  for (const { key, value } of writes) {
    if (value && value.length > limits.stateValueBytesMax) {
      throw new LedgerError('value_too_large', `${value.length} bytes for one key`);
    }
    const keyHash = stateKeyHash(key);
    last.set(toHex(keyHash), { keyHash, value });
  }
  return [...last.values()].sort((a, b) => compareBytes(a.keyHash, b.keyHash));
}

function keyHashOf(write: HashedWrite): Uint8Array {
  return write.keyHash;
}
