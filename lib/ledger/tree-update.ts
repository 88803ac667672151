/** Applies sorted writes to loaded paths of the tree; pure, canonical, with sharing of the rest. */
import { compareBytes, equalBytes } from '../crypto/bytes.ts';
import { LedgerError } from './errors.ts';
import { nibbleAt, stateLeafHash, stateValueHash } from './state-hash.ts';
import { type InnerNode, rootOfSubtrees, type Slot, type StoredNode } from './tree-node.ts';
import { type Slots, subtreeHashes } from './tree-node.ts';

/** One write; null deletes. */
export interface HashedWrite {
  keyHash: Uint8Array;
  value: Uint8Array | null;
}

/** Where a node is that has no page yet. */
export const UNPLACED = { source: '', page: -1, entry: -1 } as const;

/** Whether a slot's node is new in this update. */
export function isFresh(slot: Slot): boolean {
  return slot.at.source === UNPLACED.source;
}

/** A slot for a node that has no page yet. */
export function freshSlot(hash: Uint8Array, node: StoredNode): Slot {
  return { kind: node.kind, hash, at: UNPLACED, node };
}

/**
 * The subtree at `slot` (nibble `depth`) after the writes, sorted by key hash and distinct. The
 * very same slot comes back where nothing changed.
 */
export function applyWrites(
  slot: Slot | null,
  depth: number,
  writes: readonly HashedWrite[],
): Slot | null {
  if (writes.length === 0) return slot;
  if (!slot) return buildSubtree(depth, writes.flatMap(leafOf));
  const node = slot.node;
  if (!node) throw new LedgerError('invalid_argument', 'the path of a write is not loaded');
  if (node.kind === 'leaf') return applyToLeaf(slot, node, depth, writes);
  const parts = partition(writes, depth);
  const slots = node.slots.map((child, nibble) =>
    applyWrites(child, depth + 1, parts[nibble] ?? NOTHING),
  );
  return slots.every((child, nibble) => child === node.slots[nibble])
    ? slot
    : collapse(slots, node);
}

interface Leaf {
  keyHash: Uint8Array;
  slot: Slot;
}

function applyToLeaf(
  slot: Slot,
  node: { keyHash: Uint8Array; value: Uint8Array },
  depth: number,
  writes: readonly HashedWrite[],
): Slot | null {
  const here = { keyHash: node.keyHash, slot };
  const own = writes.find((write) => equalBytes(write.keyHash, node.keyHash));
  const isSame = own?.value ? equalBytes(own.value, node.value) : false;
  const others = writes.filter((write) => write !== own).flatMap(leafOf);
  const kept = isSame || !own ? [here] : leafOf(own);
  const leaves = [...others, ...kept].sort((a, b) => compareBytes(a.keyHash, b.keyHash));
  return buildSubtree(depth, leaves);
}

function buildSubtree(depth: number, leaves: readonly Leaf[]): Slot | null {
  const first = leaves[0];
  if (leaves.length <= 1) return first?.slot ?? null;
  return collapse(partition(leaves, depth).map((part) => buildSubtree(depth + 1, part)));
}

/** The node over these slots: none, the only leaf, or a new node, mostly like an old one. */
function collapse(slots: Slots, like?: InnerNode): Slot | null {
  const filled = slots.filter((slot) => slot !== null);
  const only = filled.length === 1 ? filled[0] : undefined;
  if (filled.length === 0) return null;
  if (only?.kind === 'leaf') return only;
  const subtrees = subtreeHashes(slots, like);
  return freshSlot(rootOfSubtrees(subtrees), { kind: 'node', slots, subtrees });
}

function leafOf({ keyHash, value }: HashedWrite): Leaf[] {
  if (!value) return [];
  const hash = stateLeafHash(keyHash, stateValueHash(value));
  return [{ keyHash, slot: freshSlot(hash, { kind: 'leaf', keyHash, value }) }];
}

/** Sorted items by their nibble at `depth`: 16 parts. */
function partition<T extends { keyHash: Uint8Array }>(
  items: readonly T[],
  depth: number,
): (readonly T[])[] {
  let from = 0;
  return Array.from({ length: 16 }, (_, nibble) => {
    let to = from;
    while (to < items.length && nibbleAt((items[to] as T).keyHash, depth) === nibble) to += 1;
    const part = from === to ? NOTHING : items.slice(from, to);
    from = to;
    return part;
  });
}

const NOTHING: readonly never[] = [];
