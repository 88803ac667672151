/**
 * Packs the new nodes of one block into pages. Root and first level come first, then each subtree
 * below them in one piece: a path then touches few pages of a block.
 */
import { limits } from '../limits.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError } from './errors.ts';
import type { Slot } from './tree-node.ts';
import { encodeEntries, encodePage, nodeBytes, NUMBER_MAX } from './tree-page.ts';
import { ENTRY_OVERHEAD_BYTES, PAGE_OVERHEAD_BYTES, SOURCE_BYTES } from './tree-page.ts';
import { type Page, pageIdOf } from './tree-page.ts';
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
  const others = sourcesOf(slot);
  const own = (slot.node ? nodeBytes(slot.node) : 0) + ENTRY_OVERHEAD_BYTES;
  let draft = drafts.at(-1);
  let added = others.filter((name) => !draft?.sources.has(name));
  if (!draft || draft.bytes + own + SOURCE_BYTES * added.length > pageBytes) {
    draft = { slots: [], sources: new Map([[source, 0]]), bytes: PAGE_OVERHEAD_BYTES };
    drafts.push(draft);
    added = others;
  }
  for (const name of added) draft.sources.set(name, draft.sources.size);
  draft.bytes += own + SOURCE_BYTES * added.length;
  slot.source = source;
  slot.page = drafts.length - 1;
  slot.entry = draft.slots.length;
  draft.slots.push(slot);
}

/** Other blocks that a node refers to, each once; new children belong to this block. */
function sourcesOf(slot: Slot): string[] {
  const names: string[] = [];
  if (slot.node?.kind !== 'node') return names;
  for (const child of slot.node.slots) {
    if (child && !isFresh(child) && !names.includes(child.source)) names.push(child.source);
  }
  return names;
}

function encodeDraft(draft: Draft, source: string, n: number): PackedPage {
  const sources = [...draft.sources.keys()];
  const nodes = draft.slots.map(({ node }) => {
    if (!node) throw new LedgerError('invalid_argument', 'a new node without content');
    return node;
  });
  const entries = encodeEntries(nodes, (name) => draft.sources.get(name) ?? NUMBER_MAX);
  const bytes = encodePage(sources, entries);
  if (bytes.length > ledgerBounds.pageBytesMax) throw new LedgerError('too_large', 'a page');
  const checked = draft.slots.map(({ node, hash }) =>
    node?.kind === 'node' ? node.subtrees : hash,
  );
  const page = { bytes: bytes.length, sources, entries, checked };
  return { id: pageIdOf(source, n), bytes, page };
}
