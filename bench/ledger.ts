/** The ledger at size: what a key costs to write, prove and read as the state grows. */
import { randomKey, valueOf, xorshift } from './ledger-keys.ts';
import { benchLists, type ListFigures } from './ledger-lists.ts';
import { benchHistory, type HistoryFigures } from './ledger-history.ts';
import { cpuUs, median, table } from './report.ts';
import { MemoryPages } from '../test/ledger/memory-pages.ts';
import { toHex } from '../lib/crypto/bytes.ts';
import { PageCache } from '../lib/ledger/page-cache.ts';
import { proveKeys, readKeys, type TreeBase, updateTree } from '../lib/ledger/state-tree.ts';
import { stateKeyHash } from '../lib/ledger/state-hash.ts';
import { verifyStateProof } from '../lib/ledger/state-proof.ts';

export interface LedgerOptions {
  /** Sizes of the state, keys. */
  readonly sizes: readonly number[];
  /** Keys that a measured block writes. */
  readonly blockKeys: number;
  readonly blocks: number;
  readonly cacheMiB: number;
}

export interface SizeFigures {
  readonly keys: number;
  readonly fillSeconds: number;
  /** CPU time of one key, microseconds: medians over blocks. */
  readonly updateUs: number;
  readonly proveUs: number;
  readonly verifyUs: number;
  readonly proofBytes: number;
  readonly pagesWrittenPerKey: number;
  readonly bytesWrittenPerKey: number;
  readonly pagesReadPerKey: number;
  /** One key without any cache: pages, one after the other. */
  readonly coldReadPages: number;
  /** Reads of a head that stays pinned while the tree moves on. */
  readonly pinnedReadUs: number;
  readonly pinnedReads: number;
  readonly lists: ListFigures;
  readonly history: HistoryFigures;
}

/** Keys of one block while the state is filled: within the bound of a block's writes. */
const FILL_KEYS = 50_000;
const WARM_BLOCKS = 5;
const PROOF_ROUNDS = 20;
const PINNED_KEYS = 50;
const COLD_READS = 50;

export async function benchLedger(
  options: LedgerOptions,
  log: (line: string) => void,
): Promise<SizeFigures[]> {
  const figures: SizeFigures[] = [];
  for (const keys of options.sizes) figures.push(await benchSize(keys, options, log));
  return figures;
}

async function benchSize(
  keys: number,
  options: LedgerOptions,
  log: (line: string) => void,
): Promise<SizeFigures> {
  const bench = new TreeBench(keys, options.cacheMiB * 2 ** 20);
  const started = performance.now();
  await bench.fill((done) => log(`${keys} keys: ${done} are there`));
  const fillSeconds = (performance.now() - started) / 1000;
  const updates = await bench.updates(options);
  const proofs = await bench.proofs(options.blockKeys);
  const pinned = await bench.pinned(options);
  const coldReadPages = await bench.coldReads();
  log(`${keys} keys: a patient's history`);
  const lists = await benchLists(bench.base as TreeBase, bench.pages);
  log(`${keys} heights: consistency proofs`);
  const history = await benchHistory(keys);
  return { keys, fillSeconds, ...updates, ...proofs, ...pinned, coldReadPages, lists, history };
}

class TreeBench {
  readonly keys: number;
  readonly pages = new MemoryPages();
  readonly cache: PageCache;
  readonly random = xorshift(1);
  base: TreeBase | null = null;

  constructor(keys: number, cacheBytes: number) {
    this.keys = keys;
    this.cache = new PageCache(cacheBytes);
  }

  async write(numbers: readonly number[]): Promise<{ count: number; bytes: number }> {
    const height: number = this.base ? this.base.height + 1 : 0;
    const writes = numbers.map((n) => ({ key: randomKey(n), value: valueOf(n, height) }));
    const options = { cache: this.cache };
    const update = await updateTree(this.base, height, writes, this.pages, options);
    this.pages.put(update.pages);
    this.base = { height, root: update.root };
    const bytes = update.pages.reduce((sum, page) => sum + page.bytes.length, 0);
    return { count: update.pages.length, bytes };
  }

  /** In the order of the keys' hashes: each block fills a part of the tree and rewrites no other. */
  async fill(progress: (done: number) => void): Promise<void> {
    const hashed = Array.from({ length: this.keys }, (_, n) => ({
      n,
      hash: toHex(stateKeyHash(randomKey(n))),
    })).sort((a, b) => (a.hash < b.hash ? -1 : 1));
    for (let from = 0; from < this.keys; from += FILL_KEYS) {
      const part = hashed.slice(from, from + FILL_KEYS);
      await this.write(part.map(({ n }) => n));
      if ((from + part.length) % (4 * FILL_KEYS) === 0) progress(from + part.length);
    }
  }

  some(count: number): number[] {
    return Array.from({ length: count }, () => this.random() % this.keys);
  }

  async updates({ blockKeys, blocks }: LedgerOptions) {
    for (let block = 0; block < WARM_BLOCKS; block += 1) await this.write(this.some(blockKeys));
    const [costs, total] = [[] as number[], { count: 0, bytes: 0 }];
    const readBefore = this.pages.pagesRead;
    for (let block = 0; block < blocks; block += 1) {
      const numbers = this.some(blockKeys);
      const started = cpuUs();
      const { count, bytes } = await this.write(numbers);
      costs.push((cpuUs() - started) / blockKeys);
      total.count += count;
      total.bytes += bytes;
    }
    const written = blocks * blockKeys;
    return {
      updateUs: median(costs),
      pagesWrittenPerKey: total.count / written,
      bytesWrittenPerKey: total.bytes / written,
      pagesReadPerKey: (this.pages.pagesRead - readBefore) / written,
    };
  }

  async proofs(blockKeys: number) {
    const base = this.base as TreeBase;
    const options = { cache: this.cache };
    const [proves, verifies] = [[] as number[], [] as number[]];
    let siblings = 0;
    for (let round = 0; round < PROOF_ROUNDS; round += 1) {
      const keys = this.some(blockKeys).map(randomKey);
      await proveKeys(base, keys, this.pages, options);
      let started = cpuUs();
      const entries = await proveKeys(base, keys, this.pages, options);
      proves.push((cpuUs() - started) / blockKeys);
      started = cpuUs();
      for (const { key, value, proof } of entries) {
        siblings += proof.siblings.length;
        if (!verifyStateProof(base.root, key, value, proof)) throw new Error('a wrong proof');
      }
      verifies.push((cpuUs() - started) / blockKeys);
    }
    return {
      proveUs: median(proves),
      verifyUs: median(verifies),
      proofBytes: (32 * siblings) / (PROOF_ROUNDS * blockKeys),
    };
  }

  /** A reader stays on one head: every value is that of then, whatever is written meanwhile. */
  async pinned({ blockKeys, blocks }: LedgerOptions) {
    const head = this.base as TreeBase;
    const options = { cache: this.cache };
    const keys = this.some(PINNED_KEYS).map(randomKey);
    const before = await readKeys(head, keys, this.pages, options);
    const costs: number[] = [];
    for (let block = 0; block < blocks; block += 1) {
      await this.write(this.some(blockKeys));
      const started = cpuUs();
      const values = await readKeys(head, keys, this.pages, options);
      costs.push((cpuUs() - started) / keys.length);
      const isSame = values.every((value, at) => {
        return value !== null && Buffer.compare(value, before[at] as Uint8Array) === 0;
      });
      if (!isSame) throw new Error('a pinned head changed');
    }
    return { pinnedReadUs: median(costs), pinnedReads: blocks * keys.length };
  }

  async coldReads(): Promise<number> {
    const readBefore = this.pages.pagesRead;
    for (const n of this.some(COLD_READS)) {
      await readKeys(this.base as TreeBase, [randomKey(n)], this.pages);
    }
    return (this.pages.pagesRead - readBefore) / COLD_READS;
  }
}

/** Rows by what is measured, a column for each size, and the largest over the smallest of them. */
export function ledgerTables(figures: readonly SizeFigures[], blockKeys: number): string {
  const sizes = figures.map(({ keys }) => String(keys));
  const row = (name: string, of: (one: SizeFigures) => number, digits: number): string[] => {
    const values = figures.map(of);
    const ratio = (Math.max(...values) / Math.min(...values)).toFixed(2);
    return [name, ...values.map((value) => value.toFixed(digits)), ratio];
  };
  const keys = table(
    [`keys in the state (blocks of ${blockKeys})`, ...sizes, 'ratio'],
    [
      row('update, µs of CPU a key', (one) => one.updateUs, 1),
      row('proof, µs of CPU a key', (one) => one.proveUs, 1),
      row('check of a proof, µs a key', (one) => one.verifyUs, 1),
      row('read at a pinned head, µs a key', (one) => one.pinnedReadUs, 1),
      row('siblings of a proof, bytes', (one) => one.proofBytes, 0),
      row('pages written a key', (one) => one.pagesWrittenPerKey, 3),
      row('bytes written a key', (one) => one.bytesWrittenPerKey, 0),
      row('cold read of a key, pages', (one) => one.coldReadPages, 1),
    ],
  );
  const lists = table(
    ['a history of 5,000 entries, pages of 50', ...sizes, 'ratio'],
    [
      row('oldest page with proofs, µs of CPU', (one) => one.lists.oldestUs, 0),
      row('newest page with proofs, µs of CPU', (one) => one.lists.newestUs, 0),
      row('a page without cache, pages read', (one) => one.lists.coldPages, 0),
      row('a page without cache, round trips', (one) => one.lists.coldRoundTrips, 0),
    ],
  );
  const history = table(
    ['blocks in the chain', ...sizes, 'ratio'],
    [
      row('a commit, µs of CPU', (one) => one.history.commitUs, 1),
      row('a commit, nodes written', (one) => one.history.nodesPerBlock, 2),
      row('consistency proof, µs of CPU', (one) => one.history.proveUs, 0),
      row('consistency proof, nodes read (most)', (one) => one.history.nodesRead, 0),
    ],
  );
  const { flat, worst } = flatness(figures);
  const verdict = `Update and proof are ${flat ? '' : 'NOT '}flat within a factor of two: ${worst.toFixed(2)}.`;
  return `${keys}\n\n${lists}\n\n${history}\n\n${verdict}`;
}

/** Whether no size costs more than twice another, for updates and for proofs. */
export function flatness(figures: readonly SizeFigures[]): { flat: boolean; worst: number } {
  const ratioOf = (values: readonly number[]): number => Math.max(...values) / Math.min(...values);
  const worst = Math.max(
    ratioOf(figures.map((one) => one.updateUs)),
    ratioOf(figures.map((one) => one.proveUs)),
  );
  return { flat: worst <= 2, worst };
}
