/**
 * Pages of the state tree: how nodes are stored (docs/decisions/0003-state-tree-format.md). A
 * stored node covers four binary levels, so it has 16 slots. References are not covered by any
 * hash: what they lead to is checked against the hash in the slot.
 */
import { z } from 'zod';
import { equalBytes, toHex } from '../crypto/bytes.ts';
import { limits } from '../limits.ts';
import { decodeWith, encodeCbor } from '../wire/codec.ts';
import { heightField } from '../wire/fields.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError } from './errors.ts';
import { HASH_BYTES, stateLeafHash, stateValueHash } from './state-hash.ts';
import { rootOfSubtrees, subtreeHashes } from './tree-node.ts';
import type { InnerNode, LeafNode, Slot, StoredNode } from './tree-node.ts';

/** A decoded page; nodes in it are decoded when they are used. */
export interface Page {
  /** Bytes as stored, for the bound of a cache. */
  bytes: number;
  /** Blocks that references name by index; 0 is the page's own. */
  sources: readonly string[];
  entries: readonly Uint8Array[];
  /** Of each entry once it was checked: a leaf's hash, or the hashes of a node's subtrees. */
  checked: (Uint8Array | undefined)[];
}

const FORMAT_VERSION = 1;
const HEIGHT_DIGITS = 15;
const ROOT_PREFIX_BYTES = 16;
const HEIGHT_BYTES = 6;
/** One source in a page: height, then the first half of the root. */
export const SOURCE_BYTES = HEIGHT_BYTES + ROOT_PREFIX_BYTES;
/** One filled slot: hash, then source, page and entry as 16 bits each. */
const SLOT_BYTES = HASH_BYTES + 6;
const LEAF_KIND = 0;
const NODE_KIND = 1;
const LEAF_HEAD_BYTES = 1 + HASH_BYTES;
const NODE_HEAD_BYTES = 5;
/** CBOR around sources and entries, and around each entry, at most. */
export const PAGE_OVERHEAD_BYTES = 16;
export const ENTRY_OVERHEAD_BYTES = 5;
/** References have 16 bits. */
export const NUMBER_MAX = 0xffff;

const pageSchema = z.tuple([
  z.literal(FORMAT_VERSION),
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length % SOURCE_BYTES === 0),
  z
    .array(z.instanceof(Uint8Array))
    .min(1)
    .max(NUMBER_MAX + 1),
]);

/** What the ids of a block's pages start with. */
export function pageSource(height: number, root: Uint8Array): string {
  if (!heightField.safeParse(height).success || root.length !== HASH_BYTES) {
    throw new LedgerError('invalid_argument', 'not a height and a root');
  }
  return sourceText(height, root.subarray(0, ROOT_PREFIX_BYTES));
}

/** The id of page `n` of the block at `height` whose state root is `root`. */
export function pageId(height: number, root: Uint8Array, n: number): string {
  return pageIdOf(pageSource(height, root), n);
}

export function pageIdOf(source: string, n: number): string {
  return `${source}-${n}`;
}

/** Bytes of a stored node before CBOR. */
export function nodeBytes(node: StoredNode): number {
  if (node.kind === 'leaf') return LEAF_HEAD_BYTES + node.value.length;
  let filled = 0;
  for (const slot of node.slots) if (slot) filled += 1;
  return NODE_HEAD_BYTES + SLOT_BYTES * filled;
}

/** The entries of a page, over one buffer; `sourceIndex` answers a source's index in the page. */
export function encodeEntries(
  nodes: readonly StoredNode[],
  sourceIndex: (source: string) => number,
): Uint8Array[] {
  const lengths = nodes.map(nodeBytes);
  const out = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  return nodes.map((node, i) => {
    const start = at;
    at += lengths[i] as number;
    if (node.kind === 'leaf') {
      out[start] = LEAF_KIND;
      out.set(node.keyHash, start + 1);
      out.set(node.value, start + LEAF_HEAD_BYTES);
    } else {
      writeInner(node, { out, view }, start, sourceIndex);
    }
    return out.subarray(start, at);
  });
}

/** The bytes of a page; `sources[0]` is its own block and is not written. */
export function encodePage(sources: readonly string[], entries: readonly Uint8Array[]): Uint8Array {
  const table = new Uint8Array(SOURCE_BYTES * (sources.length - 1));
  sources.slice(1).forEach((source, i) => writeSource(table, i * SOURCE_BYTES, source));
  return encodeCbor([FORMAT_VERSION, table, entries]);
}

/** Reads a page of the block `source`. Throws `corrupt_page`. */
export function decodePage(source: string, bytes: Uint8Array): Page {
  let parsed: z.infer<typeof pageSchema>;
  try {
    parsed = decodeWith(pageSchema, bytes, ledgerBounds.pageBytesMax);
  } catch (cause) {
    throw new LedgerError('corrupt_page', `a page of ${source} does not decode`, { cause });
  }
  const [, table, entries] = parsed;
  const sources = [source];
  for (let at = 0; at < table.length; at += SOURCE_BYTES) sources.push(readSource(table, at));
  return {
    bytes: bytes.length,
    sources,
    entries,
    checked: new Array<Uint8Array | undefined>(entries.length),
  };
}

/** The node at an entry, proven to have the hash that its parent says. Throws `corrupt_page`. */
export function nodeOf(page: Page, entry: number, wanted: Uint8Array): StoredNode {
  const bytes = page.entries[entry];
  if (!bytes) throw new LedgerError('corrupt_page', `no entry ${entry} in a page`);
  const known = page.checked[entry];
  const node = bytes[0] === LEAF_KIND ? decodeLeaf(bytes) : decodeInner(bytes, page.sources, known);
  const checked = known ?? checkedOf(node);
  page.checked[entry] = checked;
  const hash = node.kind === 'leaf' ? checked : rootOfSubtrees(checked);
  if (!equalBytes(hash, wanted)) {
    throw new LedgerError('corrupt_page', 'a node has not the hash that its parent says');
  }
  return node;
}

/** What a page remembers of a node whose hash was computed. */
export function checkedOf(node: StoredNode): Uint8Array {
  return node.kind === 'leaf'
    ? stateLeafHash(node.keyHash, stateValueHash(node.value))
    : node.subtrees;
}

function writeInner(
  { slots }: InnerNode,
  { out, view }: { out: Uint8Array; view: DataView },
  start: number,
  sourceIndex: (source: string) => number,
): void {
  out[start] = NODE_KIND;
  let [filled, leaves, at] = [0, 0, start + NODE_HEAD_BYTES];
  for (let nibble = 0; nibble < slots.length; nibble += 1) {
    const slot = slots[nibble];
    if (!slot) continue;
    filled |= 1 << nibble;
    if (slot.kind === 'leaf') leaves |= 1 << nibble;
    out.set(slot.hash, at);
    view.setUint16(at + HASH_BYTES, sourceIndex(slot.source));
    view.setUint16(at + HASH_BYTES + 2, slot.page);
    view.setUint16(at + HASH_BYTES + 4, slot.entry);
    at += SLOT_BYTES;
  }
  view.setUint16(start + 1, filled);
  view.setUint16(start + 3, leaves);
}

function decodeLeaf(bytes: Uint8Array): LeafNode {
  const valueLength = bytes.length - LEAF_HEAD_BYTES;
  if (valueLength < 0 || valueLength > limits.stateValueBytesMax) {
    throw new LedgerError('corrupt_page', 'a leaf has a wrong length');
  }
  return {
    kind: 'leaf',
    keyHash: bytes.subarray(1, LEAF_HEAD_BYTES),
    value: bytes.subarray(LEAF_HEAD_BYTES),
  };
}

function decodeInner(
  bytes: Uint8Array,
  sources: readonly string[],
  subtrees: Uint8Array | undefined,
): InnerNode {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== NODE_KIND || bytes.length < NODE_HEAD_BYTES) {
    throw new LedgerError('corrupt_page', 'a node of an unknown kind');
  }
  const [filled, leaves] = [view.getUint16(1), view.getUint16(3)];
  const slots = new Array<Slot | null>(16).fill(null);
  let at = NODE_HEAD_BYTES;
  for (let nibble = 0; nibble < 16; nibble += 1) {
    if (!((filled >> nibble) & 1)) continue;
    if (at + SLOT_BYTES > bytes.length) throw new LedgerError('corrupt_page', 'a node is cut');
    const source = sources[view.getUint16(at + HASH_BYTES)];
    if (source === undefined) throw new LedgerError('corrupt_page', 'no such source');
    slots[nibble] = {
      kind: (leaves >> nibble) & 1 ? 'leaf' : 'node',
      hash: bytes.subarray(at, at + HASH_BYTES),
      source,
      page: view.getUint16(at + HASH_BYTES + 2),
      entry: view.getUint16(at + HASH_BYTES + 4),
    };
    at += SLOT_BYTES;
  }
  const strays = at !== bytes.length || (leaves & ~filled) !== 0;
  // No slot, or a leaf alone, is not a node: a leaf with one key stands for all above it.
  const isSingleLeaf = filled === leaves && (filled & (filled - 1)) === 0;
  if (strays || isSingleLeaf) {
    throw new LedgerError('corrupt_page', 'a node is not in its canonical form');
  }
  return { kind: 'node', slots, subtrees: subtrees ?? subtreeHashes(slots) };
}

function sourceText(height: number, rootPrefix: Uint8Array): string {
  return `${String(height).padStart(HEIGHT_DIGITS, '0')}-${toHex(rootPrefix)}`;
}

function writeSource(table: Uint8Array, at: number, source: string): void {
  const height = Number(source.slice(0, HEIGHT_DIGITS));
  const view = new DataView(table.buffer, table.byteOffset + at, SOURCE_BYTES);
  view.setUint16(0, Math.floor(height / 2 ** 32));
  view.setUint32(2, height % 2 ** 32);
  for (let i = 0; i < ROOT_PREFIX_BYTES; i += 1) {
    const hex = source.slice(HEIGHT_DIGITS + 1 + 2 * i, HEIGHT_DIGITS + 3 + 2 * i);
    view.setUint8(HEIGHT_BYTES + i, Number.parseInt(hex, 16));
  }
}

function readSource(table: Uint8Array, at: number): string {
  const view = new DataView(table.buffer, table.byteOffset + at, SOURCE_BYTES);
  const height = view.getUint16(0) * 2 ** 32 + view.getUint32(2);
  return sourceText(height, table.subarray(at + HEIGHT_BYTES, at + SOURCE_BYTES));
}
