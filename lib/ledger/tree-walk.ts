/** Loads the paths of many keys level by level, so that a block costs as many reads as levels. */
import { compareBytes, equalBytes } from '../crypto/bytes.ts';
import { LedgerError } from './errors.ts';
import type { PageCache } from './page-cache.ts';
import { emptyRoot, nibbleAt } from './state-hash.ts';
import { hashIn, type InnerNode, type LeafNode, type Slot } from './tree-node.ts';
import { type StoredNode, wayThrough } from './tree-node.ts';
import { decodePage, nodeOf, type Page, pageIdOf, pageSource } from './tree-page.ts';

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
   * The root with every node loaded that the key hashes pass, null of an empty tree. With
   * `neighbours`, also the other key's leaf at the end of an absent key's path.
   */
  async open(
    base: TreeBase | null,
    keyHashes: readonly Uint8Array[],
    options: { neighbours: boolean },
  ): Promise<Slot | null> {
    const root = await this.#root(base);
    const sorted = [...keyHashes].sort(compareBytes);
    let level = root ? [{ slot: root, keyHashes: sorted }] : [];
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
    const ids = wanted.map(({ source, page }) => pageIdOf(source, page));
    try {
      await this.#fetch(wanted, ids);
      wanted.forEach((slot, i) => {
        const node = this.#node(slot, ids[i] as string);
        if (node.kind !== slot.kind) {
          throw new LedgerError('corrupt_page', 'a slot names another kind of node');
        }
        slot.node = node;
      });
    } catch (cause) {
      this.#forget();
      throw cause;
    }
  }

  async #root(base: TreeBase | null): Promise<Slot | null> {
    if (!base || equalBytes(base.root, emptyRoot)) return null;
    const source = pageSource(base.height, base.root);
    const slot: Slot = { kind: 'node', hash: base.root, source, page: 0, entry: 0 };
    const id = pageIdOf(source, 0);
    await this.#fetch([slot], [id]);
    slot.node = this.#node(slot, id);
    slot.kind = slot.node.kind;
    return slot;
  }

  #node(slot: Slot, id: string): StoredNode {
    const page = this.#pages.get(id);
    if (!page) throw new LedgerError('missing_page', `page ${id} is not stored`);
    return nodeOf(page, slot.entry, slot.hash);
  }

  /** A wrong reference shows only in the page that it leads to, so all that was used goes. */
  #forget(): void {
    for (const id of this.#pages.keys()) this.#cache?.delete(id);
  }

  async #fetch(slots: readonly Slot[], ids: readonly string[]): Promise<void> {
    const missing = new Map<string, string>();
    slots.forEach(({ source }, i) => {
      const id = ids[i] as string;
      if (this.#pages.has(id) || missing.has(id)) return;
      const cached = this.#cache?.get(id);
      if (cached) this.#pages.set(id, cached);
      else missing.set(id, source);
    });
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
    slot = wayThrough(node.slots, nibbleAt(keyHash, inner.length)).slot;
    inner.push(node);
    // A neighbour that was not asked for is another key's leaf: enough for a read.
    if (slot?.kind === 'leaf' && !slot.node) return { leaf: null, inner };
  }
  return { leaf: null, inner };
}

/** Hashes beside a key's path from the root down, as a proof lists them. */
export function siblingsOf(inner: readonly InnerNode[], keyHash: Uint8Array): Uint8Array[] {
  const siblings: Uint8Array[] = [];
  inner.forEach((node, depth) => {
    const end = wayThrough(node.slots, nibbleAt(keyHash, depth)).at;
    for (let shift = 30 - Math.clz32(end); shift >= 0; shift -= 1) {
      siblings.push(hashIn(node, (end >> shift) ^ 1).slice());
    }
  });
  return siblings;
}

function childrenOf(
  slot: Slot,
  depth: number,
  keyHashes: readonly Uint8Array[],
  neighbours: boolean,
): { slot: Slot; keyHashes: Uint8Array[] }[] {
  const node = slot.node;
  if (node?.kind !== 'node') return [];
  const children: { slot: Slot; keyHashes: Uint8Array[] }[] = [];
  for (const keyHash of keyHashes) {
    const nibble = nibbleAt(keyHash, depth);
    const child = neighbours ? wayThrough(node.slots, nibble).slot : node.slots[nibble];
    if (!child) continue;
    // Hashes are sorted, so those that go to one child follow each other.
    const last = children.at(-1);
    if (last?.slot === child) last.keyHashes.push(keyHash);
    else children.push({ slot: child, keyHashes: [keyHash] });
  }
  return children;
}
