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

/** Whether a slot's node is new in this update. */
export function isFresh(slot: Slot): boolean {
  return slot.source === '';
}

/** A slot for a node that has no page yet. */
export function freshSlot(hash: Uint8Array, node: StoredNode): Slot {
  return { kind: node.kind, hash, source: '', page: 0, entry: 0, node };
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
  const slots = [...node.slots];
  let isChanged = false;
  forEachNibble(writes, depth, (nibble, part) => {
    const before = slots[nibble] ?? null;
    const after = applyWrites(before, depth + 1, part);
    slots[nibble] = after;
    if (after !== before) isChanged = true;
  });
  return isChanged ? collapse(slots, node) : slot;
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
  const slots = new Array<Slot | null>(16).fill(null);
  forEachNibble(leaves, depth, (nibble, part) => {
    slots[nibble] = buildSubtree(depth + 1, part);
  });
  return collapse(slots);
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

/** Visits sorted items in parts of one nibble at `depth`, none of them empty. */
function forEachNibble<T extends { keyHash: Uint8Array }>(
  items: readonly T[],
  depth: number,
  visit: (nibble: number, part: readonly T[]) => void,
): void {
  for (let from = 0; from < items.length;) {
    const nibble = nibbleAt((items[from] as T).keyHash, depth);
    let to = from + 1;
    while (to < items.length && nibbleAt((items[to] as T).keyHash, depth) === nibble) to += 1;
    visit(nibble, items.slice(from, to));
    from = to;
  }
}
