/** Merkle tree hashes, inclusion and consistency proofs of RFC 9162, section 2.1. */
import { concatBytes, equalBytes } from '../crypto/bytes.ts';
import { sha256 } from '../crypto/hash.ts';
import { LedgerError } from './errors.ts';

/** Compact range of a list: roots of its perfect subtrees, the largest (oldest) first. */
export type Frontier = Uint8Array[];

const HASH_BYTES = 32;
const LEAF_PREFIX = Uint8Array.of(0x00);
const NODE_PREFIX = Uint8Array.of(0x01);

/** MTH of the list (RFC 9162, 2.1.1); of the empty list it is SHA-256 of nothing. */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  return rootOfHashes(leaves.map(merkleLeafHash));
}

/** The hash of one entry: SHA-256(0x00 ‖ entry). */
export function merkleLeafHash(leaf: Uint8Array): Uint8Array {
  return sha256(concatBytes(LEAF_PREFIX, leaf));
}

/** Siblings from the leaf up (RFC 9162, 2.1.3.1). Throws `invalid_argument` outside the list. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leaves.length) {
    throw new LedgerError('invalid_argument', `no entry ${index} in a list of ${leaves.length}`);
  }
  const path: Uint8Array[] = [];
  let hashes = leaves.map(merkleLeafHash);
  let at = index;
  while (hashes.length > 1) {
    const split = splitOf(hashes.length);
    const [left, right] = [hashes.slice(0, split), hashes.slice(split)];
    path.unshift(rootOfHashes(at < split ? right : left));
    hashes = at < split ? left : right;
    if (at >= split) at -= split;
  }
  return path;
}

/**
 * Whether `leaf` is in a list with this root. `index` and `size` say only which way the path
 * turns: different pairs can give the same turns, so they prove nothing by themselves.
 */
export function verifyInclusion(claim: {
  root: Uint8Array;
  leaf: Uint8Array;
  index: number;
  size: number;
  proof: readonly Uint8Array[];
}): boolean {
  const { root, leaf, index, size, proof } = claim;
  const computed = rootFromInclusion(merkleLeafHash(leaf), index, size, proof);
  return computed !== null && equalBytes(computed, root);
}

/** The root that a proof leads to (RFC 9162, 2.1.3.2), or null where it has not the right form. */
export function rootFromInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
): Uint8Array | null {
  if (!isSize(index) || !isSize(size) || index >= size) return null;
  if (leafHash.length !== HASH_BYTES || !proof.every(isHash)) return null;
  let [fn, sn, hash] = [index, size - 1, leafHash];
  for (const sibling of proof) {
    if (sn === 0) return null;
    if (isOdd(fn) || fn === sn) {
      hash = merkleNodeHash(sibling, hash);
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      hash = merkleNodeHash(hash, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 ? hash : null;
}

/**
 * Proof that the first `size` entries are a prefix of the list (RFC 9162, 2.1.4.1); empty where
 * `size` is 0 or all. Throws `invalid_argument`.
 */
export function consistencyProof(leaves: readonly Uint8Array[], size: number): Uint8Array[] {
  if (!isSize(size) || size > leaves.length) {
    throw new LedgerError('invalid_argument', `no ${size} entries in a list of ${leaves.length}`);
  }
  if (size === 0) return [];
  const path: Uint8Array[] = [];
  let hashes = leaves.map(merkleLeafHash);
  let [wanted, isWhole] = [size, true];
  while (wanted !== hashes.length) {
    const split = splitOf(hashes.length);
    const [left, right] = [hashes.slice(0, split), hashes.slice(split)];
    const goesLeft = wanted <= split;
    path.unshift(rootOfHashes(goesLeft ? right : left));
    hashes = goesLeft ? left : right;
    if (!goesLeft) [wanted, isWhole] = [wanted - split, false];
  }
  return isWhole ? path : [rootOfHashes(hashes), ...path];
}

/** Whether the list of `root2` starts with the list of `root1` (RFC 9162, 2.1.4.2). */
export function verifyConsistency(claim: {
  size1: number;
  size2: number;
  root1: Uint8Array;
  root2: Uint8Array;
  proof: readonly Uint8Array[];
}): boolean {
  const { size1, size2, root1, root2, proof } = claim;
  if (!isSize(size1) || !isSize(size2) || size1 > size2 || size1 === 0) return false;
  if (![root1, root2, ...proof].every(isHash)) return false;
  if (size1 === size2) return proof.length === 0 && equalBytes(root1, root2);
  const path = isPowerOfTwo(size1) ? [root1, ...proof] : [...proof];
  const first = path.shift();
  if (proof.length === 0 || !first) return false;
  let [fn, sn, fr, sr] = [size1 - 1, size2 - 1, first, first];
  while (isOdd(fn)) [fn, sn] = [half(fn), half(sn)];
  for (const sibling of path) {
    if (sn === 0) return false;
    if (isOdd(fn) || fn === sn) {
      fr = merkleNodeHash(sibling, fr);
      sr = merkleNodeHash(sibling, sr);
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      sr = merkleNodeHash(sr, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && equalBytes(fr, root1) && equalBytes(sr, root2);
}

/**
 * The frontier after one more entry; `size` is the count before it. Throws `invalid_argument`
 * where `size` cannot have this frontier.
 */
export function appendToFrontier(frontier: Frontier, size: number, leaf: Uint8Array): Frontier {
  if (!isSize(size) || countOnes(size) !== frontier.length || !frontier.every(isHash)) {
    throw new LedgerError('invalid_argument', `not the frontier of a list of ${size}`);
  }
  const next = [...frontier];
  let hash = merkleLeafHash(leaf);
  for (let rest = size; isOdd(rest); rest = half(rest)) {
    const left = next.pop();
    if (left) hash = merkleNodeHash(left, hash);
  }
  next.push(hash);
  return next;
}

/** MTH of the list whose frontier this is. */
export function frontierRoot(frontier: Frontier): Uint8Array {
  return frontier.length === 0
    ? sha256(new Uint8Array(0))
    : frontier.reduceRight((right, left) => merkleNodeHash(left, right));
}

/** Level by level: pairs are hashed and an odd last one rises, which gives RFC 9162's tree. */
function rootOfHashes(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes;
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] as Uint8Array;
      const right = level[i + 1];
      next.push(right ? merkleNodeHash(left, right) : left);
    }
    level = next;
  }
  return level[0] ?? sha256(new Uint8Array(0));
}

/** The hash of an inner node: SHA-256(0x01 ‖ left ‖ right). */
export function merkleNodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concatBytes(NODE_PREFIX, left, right));
}

/** The largest power of two below `size` (RFC 9162's k). */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

function isHash(bytes: Uint8Array): boolean {
  return bytes.length === HASH_BYTES;
}

function isSize(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}

/** Sizes may be over 32 bits, so no bit operators here. */
function isOdd(n: number): boolean {
  return n % 2 === 1;
}

function half(n: number): number {
  return Math.floor(n / 2);
}

function isPowerOfTwo(n: number): boolean {
  return countOnes(n) === 1;
}

function countOnes(n: number): number {
  let ones = 0;
  for (let rest = n; rest > 0; rest = half(rest)) ones += rest % 2;
  return ones;
}
