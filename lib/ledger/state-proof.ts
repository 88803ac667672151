/** Proofs that a key has a value, or none, under a state root. */
import { z } from 'zod';
import { equalBytes } from '../crypto/bytes.ts';
import { limits } from '../limits.ts';
import { hashField } from '../wire/fields.ts';
import { ledgerBounds } from './bounds.ts';
import { bitAt, emptyRoot, HASH_BYTES, isStateKey, stateKeyHash } from './state-hash.ts';
import { stateLeafHash, stateNodeHash, stateValueHash } from './state-hash.ts';

export const stateProofSchema = z.strictObject({
  /** Hashes beside the path, from the root down; as many as the leaf or empty slot is deep. */
  siblings: z.array(hashField).max(ledgerBounds.stateProofMax),
  /** Absence only: the leaf of another key at the end of the path; null for an empty slot. */
  other: z.strictObject({ keyHash: hashField, valueHash: hashField }).nullable(),
});
export type StateProof = z.infer<typeof stateProofSchema>;

/**
 * Whether, under `root`, `key` has exactly `value`, or no value where it is null. The path of a
 * key is fixed by its hash, and a leaf, a node and an empty slot never hash alike; so the end of
 * the path is unique, and a present key has no proof of absence.
 */
export function verifyStateProof(
  root: Uint8Array,
  key: string,
  value: Uint8Array | null,
  proof: StateProof,
): boolean {
  const { siblings, other } = proof;
  if (![root, ...siblings].every(isHash) || !isStateKey(key)) return false;
  if (other && ![other.keyHash, other.valueHash].every(isHash)) return false;
  if (siblings.length > ledgerBounds.stateProofMax) return false;
  if (value !== null && value.length > limits.stateValueBytesMax) return false;
  const keyHash = stateKeyHash(key);
  const end = endOfPath(keyHash, value, siblings.length, other);
  if (end === null) return false;
  let hash = end;
  for (let depth = siblings.length - 1; depth >= 0; depth -= 1) {
    const sibling = siblings[depth] as Uint8Array;
    hash = bitAt(keyHash, depth) ? stateNodeHash(sibling, hash) : stateNodeHash(hash, sibling);
  }
  return equalBytes(hash, root);
}

/** The hash in which the path must end, or null where the statement contradicts itself. */
function endOfPath(
  keyHash: Uint8Array,
  value: Uint8Array | null,
  depth: number,
  other: StateProof['other'],
): Uint8Array | null {
  if (value !== null) return other ? null : stateLeafHash(keyHash, stateValueHash(value));
  if (!other) return emptyRoot;
  if (equalBytes(other.keyHash, keyHash)) return null;
  for (let bit = 0; bit < depth; bit += 1) {
    if (bitAt(other.keyHash, bit) !== bitAt(keyHash, bit)) return null;
  }
  return stateLeafHash(other.keyHash, other.valueHash);
}

function isHash(bytes: Uint8Array): boolean {
  return bytes instanceof Uint8Array && bytes.length === HASH_BYTES;
}
