/** Published category keys: the Merkle tree whose root the ledger holds (design §7). */
import { utf8, u32be } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { X_WING_PUBLIC_KEY_BYTES } from '../crypto/x-wing.ts';
import { inclusionProof, merkleRoot, verifyInclusion } from '../ledger/merkle.ts';
import { recordsBounds } from './bounds.ts';
import { RecordsError } from './errors.ts';

/** The public key of a category in an epoch. */
export interface CategoryKey {
  categoryTag: string;
  /** `2026-11`. */
  month: string;
  revision: number;
  /** X-Wing, 1,216 bytes. */
  publicKey: Uint8Array;
}

/** Where an entry is in its tree. */
export interface CategoryKeyProof {
  index: number;
  size: number;
  proof: Uint8Array[];
}

/** The leaf of one key: the entry of RFC 9162, before its leaf hash. */
export function categoryKeyLeaf(key: CategoryKey): Uint8Array {
  const { categoryTag, month, revision, publicKey } = key;
  if (publicKey.length !== X_WING_PUBLIC_KEY_BYTES) {
    throw new RecordsError('keys_malformed', 'an X-Wing public key is 1,216 bytes');
  }
  return taggedHash('category-key', utf8(categoryTag), utf8(month), u32be(revision), publicKey);
}

/** By tag, month, revision: the order of the leaves. */
export function compareCategoryKeys(
  a: Omit<CategoryKey, 'publicKey'>,
  b: Omit<CategoryKey, 'publicKey'>,
): number {
  if (a.categoryTag !== b.categoryTag) return a.categoryTag < b.categoryTag ? -1 : 1;
  if (a.month !== b.month) return a.month < b.month ? -1 : 1;
  return a.revision - b.revision;
}

/**
 * The leaves of a publication. Throws `keys_malformed` unless the keys are in strict order, so that
 * one set has one root, and at most `recordsBounds.categoryKeysMax`.
 */
export function categoryKeyLeaves(keys: readonly CategoryKey[]): Uint8Array[] {
  if (keys.length === 0 || keys.length > recordsBounds.categoryKeysMax) {
    throw new RecordsError('keys_malformed', `1 to ${recordsBounds.categoryKeysMax} keys`);
  }
  keys.forEach((key, index) => {
    const before = keys[index - 1];
    if (before && compareCategoryKeys(before, key) >= 0) {
      throw new RecordsError('keys_malformed', 'keys are in the order of tag, month, revision');
    }
  });
  return keys.map(categoryKeyLeaf);
}

/** The root that the ledger holds. Throws `keys_malformed`. */
export function categoryKeysRoot(keys: readonly CategoryKey[]): Uint8Array {
  return merkleRoot(categoryKeyLeaves(keys));
}

/** Proves the leaf at `index`. */
export function proveCategoryKey(leaves: readonly Uint8Array[], index: number): CategoryKeyProof {
  return { index, size: leaves.length, proof: inclusionProof(leaves, index) };
}

/** Whether a key is under the root that the ledger holds; a writer checks it before sealing. */
export function verifyCategoryKey(
  root: Uint8Array,
  key: CategoryKey,
  { index, size, proof }: CategoryKeyProof,
): boolean {
  return verifyInclusion({ root, leaf: categoryKeyLeaf(key), index, size, proof });
}
