/**
 * Hashes of the state tree: a compressed sparse binary Merkle tree over tagged key hashes, as in
 * Diem's Jellyfish Merkle tree. A subtree without keys is `emptyRoot`, one with exactly one key is
 * its leaf, any other is a node; so a set of keys and values has one root.
 */
import { concatBytes, u32be, u64be, utf8 } from '../crypto/bytes.ts';
import { sha256, taggedHash } from '../crypto/hash.ts';
import { limits } from '../limits.ts';
import { LedgerError } from './errors.ts';

/** Bytes of every hash here. */
export const HASH_BYTES = 32;

/** The root of a tree without keys. */
export const emptyRoot: Uint8Array = taggedHash('state-empty');

const hashOfKey = singleHasher('state-key');
const hashOfValue = singleHasher('state-value');
const pairOfNode = pairHasher('state-node');
const pairOfLeaf = pairHasher('state-leaf');

/** Whether text can be a key: well-formed, not empty, at most `limits.stateKeyBytesMax` bytes. */
export function isStateKey(key: string): boolean {
  if (key.length === 0 || key.length > limits.stateKeyBytesMax || !key.isWellFormed()) return false;
  return utf8(key).length <= limits.stateKeyBytesMax;
}

/** Where a key sits in the tree. Throws `bad_key`. */
export function stateKeyHash(key: string): Uint8Array {
  if (!isStateKey(key)) {
    throw new LedgerError('bad_key', `not 1 to ${limits.stateKeyBytesMax} bytes of text`);
  }
  return hashOfKey(utf8(key));
}

export function stateValueHash(value: Uint8Array): Uint8Array {
  return hashOfValue(value);
}

/** taggedHash('state-leaf', keyHash, valueHash). */
export function stateLeafHash(keyHash: Uint8Array, valueHash: Uint8Array): Uint8Array {
  return pairOfLeaf(keyHash, valueHash);
}

/** taggedHash('state-node', left, right). */
export function stateNodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return pairOfNode(left, right);
}

/** Bit `depth` of a key hash, the most significant first. */
export function bitAt(keyHash: Uint8Array, depth: number): 0 | 1 {
  return (((keyHash[depth >> 3] ?? 0) >> (7 - (depth & 7))) & 1) as 0 | 1;
}

/** Nibble `depth` of a key hash, the most significant first. */
export function nibbleAt(keyHash: Uint8Array, depth: number): number {
  const byte = keyHash[depth >> 1] ?? 0;
  return depth & 1 ? byte & 0x0f : byte >> 4;
}

/** taggedHash(tag, part), with the tag written once. */
function singleHasher(tag: string): (part: Uint8Array) => Uint8Array {
  const label = labelOf(tag);
  return (part) => sha256(concatBytes(label, u64be(part.length), part));
}

/**
 * taggedHash(tag, a, b) of two hashes, several times faster: the tag and the lengths are written
 * once, and each call is one SHA-256 over a buffer of fixed length.
 */
function pairHasher(tag: string): (a: Uint8Array, b: Uint8Array) => Uint8Array {
  const length = u64be(HASH_BYTES);
  const room = new Uint8Array(HASH_BYTES);
  const buffer = concatBytes(labelOf(tag), length, room, length, room);
  const [first, second] = [
    buffer.length - 2 * HASH_BYTES - length.length,
    buffer.length - HASH_BYTES,
  ];
  return (a, b) => {
    if (a.length !== HASH_BYTES || b.length !== HASH_BYTES) {
      throw new LedgerError('invalid_argument', 'a hash has 32 bytes');
    }
    buffer.set(a, first);
    buffer.set(b, second);
    return sha256(buffer);
  };
}

/** What `taggedHash` puts before the parts; a test compares the two. */
function labelOf(tag: string): Uint8Array {
  const label = utf8(`carequorum/v1/${tag}`);
  return concatBytes(u32be(label.length), label);
}
