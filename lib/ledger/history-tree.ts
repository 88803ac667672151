/**
 * The tree of RFC 9162 over all header hashes, kept as its perfect subtrees: each is stored once,
 * when its last block commits, and any proof reads O(log n) of them.
 */
import { LedgerError } from './errors.ts';
import { frontierRoot, merkleLeafHash, merkleNodeHash } from './merkle.ts';

/** The root of entries `index · 2^level` up to the next such one. */
export interface HistoryNode {
  level: number;
  index: number;
}

export interface StoredHistoryNode extends HistoryNode {
  hash: Uint8Array;
}

/** Reads stored nodes, in the order asked for; what is not there is undefined. */
export type HistoryReader = (
  nodes: readonly HistoryNode[],
) => Promise<readonly (Uint8Array | undefined)[]>;

/** Entries `start` up to `end`, which a proof names by one hash. */
interface Range {
  start: number;
  end: number;
}

/** The proofs that tie an earlier height to a later one. */
export interface HistoryProof {
  /** RFC 9162, 2.1.4: the earlier header's history is a prefix of the later one's. */
  consistency: Uint8Array[];
  /** RFC 9162, 2.1.3: the earlier header itself is in the later one's history. */
  inclusion: Uint8Array[];
}

/** Subtrees beside those that the block of a height completes; the block before it is known. */
export function siblingsOf(height: number): HistoryNode[] {
  const nodes: HistoryNode[] = [];
  for (let [level, rest] = [0, height]; rest % 2 === 1; [level, rest] = [level + 1, half(rest)]) {
    if (level > 0) nodes.push({ level, index: rest - 1 });
  }
  return nodes;
}

/**
 * The subtrees that a block completes, from its own leaf up; `siblings` are those of `siblingsOf`.
 * Where one is missing (history from before a snapshot), what is above it is left out.
 */
export function completedNodes(
  block: { height: number; headerHash: Uint8Array; previousHash: Uint8Array },
  siblings: readonly (Uint8Array | undefined)[],
): StoredHistoryNode[] {
  const { height, headerHash, previousHash } = block;
  const before = merkleLeafHash(previousHash);
  // Height 0 is given and never committed: the first block stores its leaf.
  const nodes = height === 1 ? [{ level: 0, index: 0, hash: before }] : [];
  let hash = merkleLeafHash(headerHash);
  nodes.push({ level: 0, index: height, hash });
  for (let [level, rest] = [0, height]; rest % 2 === 1; level += 1) {
    const left = level === 0 ? before : siblings[level - 1];
    if (!left) break;
    rest = half(rest);
    hash = merkleNodeHash(left, hash);
    nodes.push({ level: level + 1, index: rest, hash });
  }
  return nodes;
}

/** Which subtrees a frontier of `size` entries holds, in its order: what a snapshot brings. */
export function frontierNodes(size: number): HistoryNode[] {
  return perfectNodes({ start: 0, end: size });
}

/** Proofs from the header of height `from` to that of `to`. Throws `invalid_argument`, `missing_history`. */
export async function proveHistory(
  from: number,
  to: number,
  read: HistoryReader,
): Promise<HistoryProof> {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from >= to) {
    throw new LedgerError('invalid_argument', `no history from ${from} to ${to}`);
  }
  const consistency = consistencyRanges(from, to);
  const inclusion = inclusionRanges(from, to);
  const wanted = new Map(
    [...consistency, ...inclusion].flatMap(perfectNodes).map((node) => [nameOf(node), node]),
  );
  const found = await read([...wanted.values()]);
  const hashes = new Map([...wanted.keys()].map((name, at) => [name, found[at]]));
  const rootOf = (range: Range): Uint8Array =>
    frontierRoot(
      perfectNodes(range).map((node) => {
        const hash = hashes.get(nameOf(node));
        if (hash) return hash;
        throw new LedgerError('missing_history', `history node ${nameOf(node)} is not kept here`);
      }),
    );
  return { consistency: consistency.map(rootOf), inclusion: inclusion.map(rootOf) };
}

/** The ranges of a consistency proof (RFC 9162, 2.1.4.1); none from an empty list. */
function consistencyRanges(size1: number, size2: number): Range[] {
  if (size1 === 0 || size1 === size2) return [];
  const path: Range[] = [];
  let [start, end, isWhole] = [0, size2, true];
  while (size1 !== end) {
    const middle = start + splitOf(end - start);
    if (size1 <= middle) {
      path.unshift({ start: middle, end });
      end = middle;
    } else {
      path.unshift({ start, end: middle });
      [start, isWhole] = [middle, false];
    }
  }
  return isWhole ? path : [{ start, end }, ...path];
}

/** The ranges of an inclusion proof (RFC 9162, 2.1.3.1). */
function inclusionRanges(index: number, size: number): Range[] {
  const path: Range[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      path.unshift({ start: middle, end });
      end = middle;
    } else {
      path.unshift({ start, end: middle });
      start = middle;
    }
  }
  return path;
}

/** The perfect subtrees of a range of the tree, the largest (oldest) first. */
function perfectNodes({ start, end }: Range): HistoryNode[] {
  const nodes: HistoryNode[] = [];
  for (let at = start; at < end;) {
    let [level, size] = [0, 1];
    while (at % (size * 2) === 0 && at + size * 2 <= end) [level, size] = [level + 1, size * 2];
    nodes.push({ level, index: at / size });
    at += size;
  }
  return nodes;
}

function nameOf({ level, index }: HistoryNode): string {
  return `${level}/${index}`;
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

function half(n: number): number {
  return Math.floor(n / 2);
}
