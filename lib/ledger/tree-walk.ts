/** Loads the paths of many keys level by level, so that a block costs as many reads as levels. */
import { equalBytes } from '../crypto/bytes.ts';
import { LedgerError } from './errors.ts';
import type { PageCache } from './page-cache.ts';
import { bitAt, emptyRoot, nibbleAt } from './state-hash.ts';
import { decodePage, nodeOf, type Page, pageIdOf, pageSource } from './tree-page.ts';
import { type InnerNode, type LeafNode, rangeOf, type Slot, type StoredNode } from './tree-page.ts';

/** Reads stored pages; one answer per id, in order, undefined where there is none. */
export interface PageReader {
  pages(ids: readonly string[]): Promise<(Uint8Array | undefined)[]>;
}

/** One version of the tree: the block that wrote it. */
export interface TreeBase {
  height: number;
  root: Uint8Array;
}

/** The end of a key's path: a leaf (of this or another key) or nothing, and what it passed. */
export interface Path {
  leaf: LeafNode | null;
  inner: InnerNode[];
}

/** The whole of a key hash in nibbles; no path is longer. */
const LEVELS_MAX = 64;

/** Reads nodes for one call; pages stay at hand until it ends, whatever the cache evicts. */
export class TreeWalk {
  readonly #reader: PageReader;
  readonly #cache: PageCache | undefined;
  readonly #pages = new Map<string, Page>();

  constructor(reader: PageReader, cache: PageCache | undefined) {
    this.#reader = reader;
    this.#cache = cache;
  }

  /**
   * The root with every node loaded that the key hashes (sorted) pass, null of an empty tree. With
   * `neighbours`, also the other key's leaf at the end of an absent key's path.
   */
  async open(
    base: TreeBase | null,
    keyHashes: readonly Uint8Array[],
    options: { neighbours: boolean },
  ): Promise<Slot | null> {
    const root = await this.#root(base);
    let level = root ? [{ slot: root, keyHashes }] : [];
    for (let depth = 0; level.length > 0; depth += 1) {
      if (depth > LEVELS_MAX) throw new LedgerError('corrupt_page', 'a path is too long');
      await this.load(level.map(({ slot }) => slot));
      level = level.flatMap(({ slot, keyHashes: within }) =>
        childrenOf(slot, depth, within, options.neighbours),
      );
    }
    return root;
  }

  /** Loads what is at these slots. Throws `missing_page` or `corrupt_page`. */
  async load(slots: readonly Slot[]): Promise<void> {
    const wanted = slots.filter((slot) => slot.node === undefined);
    await this.#fetch(wanted.map(({ at }) => at));
    for (const slot of wanted) {
      const node = this.#node(slot);
      if (node.kind !== slot.kind) {
        throw new LedgerError('corrupt_page', 'a slot names another kind of node');
      }
      slot.node = node;
    }
  }

  async #root(base: TreeBase | null): Promise<Slot | null> {
    if (!base || equalBytes(base.root, emptyRoot)) return null;
    const at = { source: pageSource(base.height, base.root), page: 0, entry: 0 };
    const slot: Slot = { kind: 'node', hash: base.root, at };
    await this.#fetch([at]);
    slot.node = this.#node(slot);
    slot.kind = slot.node.kind;
    return slot;
  }

  #node(slot: Slot): StoredNode {
    const id = pageIdOf(slot.at.source, slot.at.page);
    const page = this.#pages.get(id);
    if (!page) throw new LedgerError('missing_page', `page ${id} is not stored`);
    try {
      return nodeOf(page, slot.at.entry, slot.hash);
    } catch (cause) {
      this.#cache?.delete(id);
      throw cause;
    }
  }

  async #fetch(locations: readonly Slot['at'][]): Promise<void> {
    const missing = new Map<string, string>();
    for (const { source, page } of locations) {
      const id = pageIdOf(source, page);
      if (this.#pages.has(id) || missing.has(id)) continue;
      const cached = this.#cache?.get(id);
      if (cached) this.#pages.set(id, cached);
      else missing.set(id, source);
    }
    if (missing.size === 0) return;
    const found = await this.#reader.pages([...missing.keys()]);
    [...missing].forEach(([id, source], i) => {
      const bytes = found[i];
      if (!bytes) throw new LedgerError('missing_page', `page ${id} is not stored`);
      const page = decodePage(source, bytes);
      this.#pages.set(id, page);
      this.#cache?.put(id, page);
    });
  }
}

/** Follows a key in a tree that `TreeWalk.open` loaded for it. */
export function followPath(root: Slot | null, keyHash: Uint8Array): Path {
  const inner: InnerNode[] = [];
  let slot = root;
  while (slot) {
    const node = slot.node;
    if (!node) throw new LedgerError('invalid_argument', 'the path of this key is not loaded');
    if (node.kind === 'leaf') return { leaf: node, inner };
    slot = endSlot(node, nibbleAt(keyHash, inner.length));
    inner.push(node);
    // A neighbour that was not asked for is another key's leaf: enough for a read.
    if (slot?.kind === 'leaf' && !slot.node) return { leaf: null, inner };
  }
  return { leaf: null, inner };
}

/** Hashes beside a key's path from the root down, as a proof lists them. */
export function siblingsOf(
  inner: readonly InnerNode[],
  keyHash: Uint8Array,
  rangesOf: (node: InnerNode) => RangeTable,
): Uint8Array[] {
  const siblings: Uint8Array[] = [];
  inner.forEach((node, depth) => {
    const ranges = rangesOf(node);
    // The table is a heap: 1 is the whole node, 2i and 2i + 1 are the halves of i.
    for (let [at, bit] = [1, 4 * depth]; at < 16 && ranges[at]?.kind === 'node'; bit += 1) {
      at = 2 * at + bitAt(keyHash, bit);
      siblings.push((ranges[at ^ 1] as RangeTable[number]).hash);
    }
  });
  return siblings;
}

/** The 31 binary subtrees of a stored node, as a heap from index 1. */
export type RangeTable = readonly ReturnType<typeof rangeOf>[];

export function rangeTable(node: InnerNode): RangeTable {
  const table: ReturnType<typeof rangeOf>[] = [];
  for (let at = 1; at < 32; at += 1) {
    const level = 31 - Math.clz32(at);
    const width = 16 >> level;
    const from = (at - (1 << level)) * width;
    table[at] = rangeOf(node.slots, from, from + width);
  }
  return table;
}

/** The slot in which a path through this nibble ends or goes on; a lone leaf beside it counts. */
function endSlot(node: InnerNode, nibble: number): Slot | null {
  const own = node.slots[nibble];
  if (own) return own;
  for (let width = 8; width > 1; width >>= 1) {
    const from = nibble - (nibble % width);
    const filled = node.slots.slice(from, from + width).filter((slot) => slot !== null);
    if (filled.length === 0) return null;
    const only = filled.length === 1 ? filled[0] : undefined;
    if (only?.kind === 'leaf') return only;
  }
  return null;
}

function childrenOf(
  slot: Slot,
  depth: number,
  keyHashes: readonly Uint8Array[],
  neighbours: boolean,
): { slot: Slot; keyHashes: readonly Uint8Array[] }[] {
  const node = slot.node;
  if (node?.kind !== 'node') return [];
  const children = new Map<Slot, Uint8Array[]>();
  for (const keyHash of keyHashes) {
    const nibble = nibbleAt(keyHash, depth);
    const child = neighbours ? endSlot(node, nibble) : node.slots[nibble];
    if (!child) continue;
    const within = children.get(child);
    if (within) within.push(keyHash);
    else children.set(child, [keyHash]);
  }
  return [...children].map(([child, within]) => ({ slot: child, keyHashes: within }));
}
