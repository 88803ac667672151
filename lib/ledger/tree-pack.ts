/**
 * Packs the new nodes of one block into pages. Root and first level come first, then each subtree
 * below them in one piece: a path then touches few pages of a block.
 */
import { limits } from '../limits.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError } from './errors.ts';
import { encodeInner, encodeLeaf, encodePage, nodeBytes, NUMBER_MAX } from './tree-page.ts';
import { ENTRY_OVERHEAD_BYTES, PAGE_OVERHEAD_BYTES, SOURCE_BYTES } from './tree-page.ts';
import { type Page, pageIdOf, type Slot } from './tree-page.ts';
import { isFresh } from './tree-update.ts';

export interface PackedPage {
  id: string;
  bytes: Uint8Array;
  page: Page;
}

interface Draft {
  slots: Slot[];
  sources: Map<string, number>;
  bytes: number;
}

/**
 * The pages of all new nodes under `root`, which becomes entry 0 of page 0. A page is at most
 * `pageBytes` long unless a single value is longer. Throws `too_large`.
 */
export function packPages(
  root: Slot,
  source: string,
  pageBytes: number = limits.treePageBytesMax,
): PackedPage[] {
  const ordered = freshSlots(root);
  const drafts: Draft[] = [];
  for (const slot of ordered) place(slot, source, pageBytes, drafts);
  if (drafts.length > NUMBER_MAX) throw new LedgerError('too_large', 'too many pages');
  return drafts.map((draft, n) => encodeDraft(draft, source, n));
}

/** New nodes in the order in which they are packed. */
function freshSlots(root: Slot): Slot[] {
  const firsts = freshChildren(root);
  const ordered = [root, ...firsts];
  const descend = (slot: Slot): void => {
    ordered.push(slot);
    freshChildren(slot).forEach(descend);
  };
  for (const first of firsts) freshChildren(first).forEach(descend);
  return ordered;
}

function freshChildren(slot: Slot): Slot[] {
  if (slot.node?.kind !== 'node') return [];
  return slot.node.slots.filter((child) => child !== null && isFresh(child)) as Slot[];
}

/** Puts a node on the last page, or on a new one; sets where it is. */
function place(slot: Slot, source: string, pageBytes: number, drafts: Draft[]): void {
  const last = drafts.at(-1);
  const fits = last && last.bytes + costOf(slot, last.sources) <= pageBytes;
  const draft = fits ? last : newDraft(source);
  if (draft !== last) drafts.push(draft);
  draft.bytes += costOf(slot, draft.sources);
  for (const name of sourcesOf(slot)) {
    if (!draft.sources.has(name)) draft.sources.set(name, draft.sources.size);
  }
  slot.at = { source, page: drafts.length - 1, entry: draft.slots.length };
  draft.slots.push(slot);
}

function newDraft(source: string): Draft {
  return { slots: [], sources: new Map([[source, 0]]), bytes: PAGE_OVERHEAD_BYTES };
}

function costOf(slot: Slot, known: ReadonlyMap<string, number>): number {
  const added = new Set(sourcesOf(slot).filter((name) => !known.has(name)));
  const own = slot.node ? nodeBytes(slot.node) : 0;
  return own + ENTRY_OVERHEAD_BYTES + SOURCE_BYTES * added.size;
}

/** Other blocks that a node refers to; children that are new have no block yet or this one. */
function sourcesOf(slot: Slot): string[] {
  if (slot.node?.kind !== 'node') return [];
  return slot.node.slots.flatMap((child) => (child && !isFresh(child) ? [child.at.source] : []));
}

function encodeDraft(draft: Draft, source: string, n: number): PackedPage {
  const sources = [...draft.sources.keys()];
  const entries = draft.slots.map(({ node }) => {
    if (!node) throw new LedgerError('invalid_argument', 'a new node without content');
    if (node.kind === 'leaf') return encodeLeaf(node);
    return encodeInner(node, (name) => draft.sources.get(name) ?? NUMBER_MAX);
  });
  const bytes = encodePage(sources, entries);
  if (bytes.length > ledgerBounds.pageBytesMax) throw new LedgerError('too_large', 'a page');
  const hashes = draft.slots.map((slot) => slot.hash);
  return { id: pageIdOf(source, n), bytes, page: { bytes: bytes.length, sources, entries, hashes } };
}
