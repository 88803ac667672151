/**
 * Nodes of the state tree in memory. A stored node covers four binary levels: 16 slots, and the
 * 15 binary subtrees over them.
 */
import { emptyRoot, HASH_BYTES, stateNodeHash } from './state-hash.ts';

/** What is at one place of the tree; an empty place is null. */
export interface Slot {
  kind: 'leaf' | 'node';
  hash: Uint8Array;
  /** `pageSource` of the block that stored it; empty until the pages of a new node are packed. */
  source: string;
  /** Numbers of the page among that block's, and of the entry in the page. */
  page: number;
  entry: number;
  /** What is stored there, once it was loaded and checked. */
  node?: StoredNode;
}

export interface LeafNode {
  kind: 'leaf';
  keyHash: Uint8Array;
  value: Uint8Array;
}

export interface InnerNode {
  kind: 'node';
  /** 16 places, by the next nibble of the key hash. */
  slots: Slots;
  /** Hashes of its binary subtrees, as `subtreeHashes` gives them. */
  subtrees: Uint8Array;
}

/** The slots of one stored node. */
export type Slots = readonly (Slot | null)[];

export type StoredNode = LeafNode | InnerNode;

const WIDTH = 16;
const ROOM_NODES = 32;

let room = new Uint8Array(0);

/**
 * Hashes of the binary subtrees of a stored node as a heap: 1 is the node, 2i and 2i + 1 are the
 * halves of i, 16 to 31 would be the slots. A subtree with a single leaf is that leaf. With a
 * node that differs in few slots, what both share is taken from it.
 */
export function subtreeHashes(slots: Slots, like?: InnerNode): Uint8Array {
  const hashes = subtreeRoom();
  if (like) hashes.set(like.subtrees);
  const node = { slots, subtrees: hashes };
  // Bits by heap index: not empty, more than one leaf, same as in `like`.
  let [filled, joined, same] = [0, 0, 0];
  for (let nibble = 0; nibble < WIDTH; nibble += 1) {
    const slot = slots[nibble] ?? null;
    const bit = 1 << (WIDTH + nibble);
    if (slot) filled |= bit;
    if (slot?.kind === 'node') joined |= bit;
    if (like && like.slots[nibble] === slot) same |= bit;
  }
  for (let at = WIDTH - 1; at > 0; at -= 1) {
    const [left, right, bit] = [1 << (2 * at), 2 << (2 * at), 1 << at];
    const both = left | right;
    if (filled & both) filled |= bit;
    const isJoined = (joined & both) !== 0 || (filled & both) === both;
    if (isJoined) joined |= bit;
    if ((same & both) === both) {
      same |= bit;
      continue;
    }
    const hash = isJoined
      ? stateNodeHash(hashIn(node, 2 * at), hashIn(node, 2 * at + 1))
      : hashIn(node, filled & left ? 2 * at : 2 * at + 1);
    hashes.set(hash, at * HASH_BYTES);
  }
  return hashes;
}

/**
 * Room for one node's hashes, cut from a larger buffer: the engine takes far longer to allocate
 * many small buffers than to fill them. Each cut is given out once.
 */
function subtreeRoom(): Uint8Array {
  const length = WIDTH * HASH_BYTES;
  if (room.length < length) room = new Uint8Array(ROOM_NODES * length);
  const cut = room.subarray(0, length);
  room = room.subarray(length);
  return cut;
}

/** The hash of the stored node itself. */
export function rootOfSubtrees(subtrees: Uint8Array): Uint8Array {
  return subtrees.subarray(HASH_BYTES, 2 * HASH_BYTES);
}

/** The hash of one binary subtree or slot, by its heap index. */
export function hashIn(node: Pick<InnerNode, 'slots' | 'subtrees'>, at: number): Uint8Array {
  if (at >= WIDTH) return node.slots[at - WIDTH]?.hash ?? emptyRoot;
  return node.subtrees.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
}

/**
 * The end of a nibble's way through a stored node: the heap index of the deepest subtree that it
 * enters, and what is there. A lone leaf beside the nibble's own slot ends the way too.
 */
export function wayThrough(slots: Slots, nibble: number): { at: number; slot: Slot | null } {
  for (let width = WIDTH / 2; width > 0; width /= 2) {
    const from = nibble - (nibble % width);
    const at = (WIDTH + from) / width;
    let [filled, last] = [0, null as Slot | null];
    for (let i = from; i < from + width; i += 1) {
      const slot = slots[i] ?? null;
      if (!slot) continue;
      filled += 1;
      last = slot;
    }
    if (filled === 0 || width === 1) return { at, slot: last };
    if (filled === 1 && last?.kind === 'leaf') return { at, slot: last };
  }
  return { at: 1, slot: null };
}
