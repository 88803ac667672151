/** The measurement of docs/decisions/0003-state-tree-format.md: blocks of random writes. */
import { PageCache } from '../../lib/ledger/page-cache.ts';
import { proveKeys, readKeys, type TreeBase, updateTree } from '../../lib/ledger/state-tree.ts';
import { MemoryPages } from './memory-pages.ts';

export interface WorkloadOptions {
  /** Keys in state before the measured blocks. */
  keys: number;
  /** Measured blocks; the figures are means over them. */
  blocks: number;
  transactionsPerBlock: number;
  writesPerTransaction: number;
  valueBytes: number;
  pageBytes: number;
  /** Bytes of the warm cache. */
  cacheBytes: number;
  /** CPU time used so far, milliseconds. */
  cpuMs(): number;
}

export interface WorkloadFigures {
  keys: number;
  pageBytes: number;
  pagesPerBlock: number;
  bytesPerBlock: number;
  pagesPerTransaction: number;
  /** DynamoDB write units: one per started KB of each item. */
  writeUnitsPerTransaction: number;
  updateCpuMs: number;
  /** Pages that the cache lacked, per block. */
  pagesReadPerBlock: number;
  /** One random key without any cache. */
  coldReadPages: number;
  coldReadRoundTrips: number;
  proofCpuMsPerKey: number;
  proofBytes: number;
}

/** Blocks in which the state is filled. */
const FILL_BLOCKS = 50;
const COLD_READS = 50;
const PROOFS = 500;

/** Fills a state, then measures blocks of uniformly random overwrites. */
export async function measureStateTree(options: WorkloadOptions): Promise<WorkloadFigures> {
  const pages = new MemoryPages();
  const cache = new PageCache(options.cacheBytes);
  const tree = { cache, pageBytes: options.pageBytes };
  const random = xorshift(1);
  let base: TreeBase | null = null;
  const step = async (keys: readonly number[]): Promise<{ count: number; items: number[] }> => {
    const height: number = base ? base.height + 1 : 0;
    const writes = keys.map((n) => ({ key: keyOf(n), value: valueOf(n, height, options) }));
    const update = await updateTree(base, height, writes, pages, tree);
    pages.put(update.pages);
    base = { height, root: update.root };
    return { count: update.pages.length, items: update.pages.map(({ bytes }) => bytes.length) };
  };
  const perFill = Math.ceil(options.keys / FILL_BLOCKS);
  for (let from = 0; from < options.keys; from += perFill) {
    await step(range(from, Math.min(options.keys, from + perFill)));
  }
  const perBlock = options.transactionsPerBlock * options.writesPerTransaction;
  const block = () => range(0, perBlock).map(() => random() % options.keys);
  for (let i = 0; i < 3; i += 1) await step(block());
  const items: number[] = [];
  const readBefore = pages.pagesRead;
  const started = options.cpuMs();
  for (let i = 0; i < options.blocks; i += 1) items.push(...(await step(block())).items);
  const updateCpuMs = (options.cpuMs() - started) / options.blocks;
  const pagesReadPerBlock = (pages.pagesRead - readBefore) / options.blocks;
  const transactions = options.blocks * options.transactionsPerBlock;
  const bytes = items.reduce((sum, item) => sum + item, 0);
  const units = items.reduce((sum, item) => sum + Math.ceil(item / 1024), 0);
  const reads = await measureReads(base, pages, tree, options, random);
  return {
    keys: options.keys,
    pageBytes: options.pageBytes,
    pagesPerBlock: items.length / options.blocks,
    bytesPerBlock: bytes / options.blocks,
    pagesPerTransaction: items.length / transactions,
    writeUnitsPerTransaction: units / transactions,
    updateCpuMs,
    pagesReadPerBlock,
    ...reads,
  };
}

async function measureReads(
  base: TreeBase | null,
  pages: MemoryPages,
  tree: { cache: PageCache; pageBytes: number },
  options: WorkloadOptions,
  random: () => number,
) {
  if (!base) throw new RangeError('a workload has at least one key');
  const [pagesBefore, tripsBefore] = [pages.pagesRead, pages.roundTrips];
  for (let i = 0; i < COLD_READS; i += 1) {
    await readKeys(base, [keyOf(random() % options.keys)], pages);
  }
  const coldReadPages = (pages.pagesRead - pagesBefore) / COLD_READS;
  const coldReadRoundTrips = (pages.roundTrips - tripsBefore) / COLD_READS;
  const keys = range(0, PROOFS).map(() => keyOf(random() % options.keys));
  await proveKeys(base, keys, pages, tree);
  const started = options.cpuMs();
  const proven = await proveKeys(base, keys, pages, tree);
  const proofCpuMsPerKey = (options.cpuMs() - started) / PROOFS;
  const siblings = proven.reduce((sum, { proof }) => sum + proof.siblings.length, 0);
  return {
    coldReadPages,
    coldReadRoundTrips,
    proofCpuMsPerKey,
    proofBytes: (32 * siblings) / PROOFS,
  };
}

function keyOf(n: number): string {
  return `record/${n}`;
}

function valueOf(n: number, height: number, { valueBytes }: WorkloadOptions): Uint8Array {
  const value = new Uint8Array(valueBytes);
  const view = new DataView(value.buffer);
  view.setUint32(0, n);
  view.setUint32(4, height);
  return value;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Marsaglia's xorshift32: the same numbers on every run. */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
