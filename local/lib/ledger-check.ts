// Compares the ledgers of all live validators block by block, and looks for what was committed.
import { setTimeout as sleep } from 'node:timers/promises';
import { equalBytes, toHex } from '../../lib/crypto/bytes.ts';
import { inParallel } from './parallel.ts';
import type { Block, ValidatorReader } from './validator-reader.ts';

export interface LedgerCheck {
  readonly height: number;
  /** Hexadecimal, of the head that all are at. */
  readonly headHash: string;
  readonly stateRoot: string;
  /** Validators that were compared, with the first height whose block they hold. */
  readonly validators: readonly { readonly id: string; readonly keptFrom: number }[];
  /** Committed transactions that were looked for. */
  readonly transactions: number;
  /** Committed, or taken by a validator, and in no block that any of them holds. */
  readonly lost: number;
  /** What is wrong, for people; empty when all is as it must be. */
  readonly faults: readonly string[];
}

/** Whatever shows a validator's height and blocks. */
export type LedgerReader = Pick<ValidatorReader, 'id' | 'health' | 'look'>;

export interface Sought {
  /** What receipts prove. */
  readonly committed: readonly { readonly id: string; readonly height: number }[];
  /** Ids of what a validator took, committed or not. */
  readonly accepted: Iterable<string>;
}
type Committed = Sought['committed'][number];

/** The blocks that one validator holds, by height. */
interface Ledger {
  readonly id: string;
  readonly blocks: ReadonlyMap<number, Block>;
}

const AGREE_MS = 60_000;
/** For the blocks before a snapshot: 64 come in a few seconds. */
const HISTORY_MS = 180_000;
const HISTORY_POLL_MS = 1_000;
const POLL_MS = 200;
/** For each validator: every call that waits holds a process of its account. */
const READS_AT_ONCE = 3;
const FAULTS_MAX = 20;

/**
 * Waits until nothing moves any more and all have one head; then reads all blocks from the first
 * that holds one of `committed`. Where a validator does not keep older blocks, its state root
 * vouches for what they did.
 */
export async function checkLedgers(
  readers: readonly LedgerReader[],
  { committed, accepted }: Sought,
  signal?: AbortSignal,
): Promise<LedgerCheck> {
  const height = await agreedHeight(readers, signal);
  const first = Math.min(height, ...committed.map((one) => one.height));
  const ledgers = await Promise.all(
    readers.map(async (reader) => ({
      id: reader.id,
      blocks: await blocksOf(reader, first, height, signal),
    })),
  );
  const standing = new Set(
    ledgers.flatMap(({ blocks }) => [...blocks.values()].flatMap((one) => one.transactionIds)),
  );
  const taken = new Set([...committed.map(({ id }) => id), ...accepted]);
  const lost = [...taken].filter((id) => !standing.has(id));
  const faults = [
    ...lost.map((id) => `transaction ${id} was taken and stands in no block`),
    ...ledgers.flatMap(({ id, blocks }) => missingOf(id, blocks, committed)),
    ...repeatedOf(ledgers, new Set(committed.map(({ id }) => id))),
    ...differencesOf(ledgers, height),
  ];
  const head = ledgers[0]?.blocks.get(height);
  if (!head) faults.push(`${readers[0]?.id ?? 'nobody'} does not show its head ${height}`);
  return {
    height,
    headHash: head ? toHex(head.hash) : '',
    stateRoot: head ? toHex(head.header.stateRoot) : '',
    validators: ledgers.map(({ id, blocks }) => ({ id, keptFrom: Math.min(...blocks.keys()) })),
    transactions: committed.length,
    lost: lost.length,
    faults: faults.slice(0, FAULTS_MAX),
  };
}

/** The height at which all are; throws when they do not come together. */
async function agreedHeight(
  readers: readonly LedgerReader[],
  signal: AbortSignal | undefined,
): Promise<number> {
  const deadline = performance.now() + AGREE_MS;
  for (;;) {
    signal?.throwIfAborted();
    const heights = (await Promise.all(readers.map((one) => one.health()))).map(
      ({ status, height }) => (status === 200 ? height : -1),
    );
    const [first = -1] = heights;
    if (first >= 0 && heights.every((height) => height === first)) return first;
    if (performance.now() > deadline) {
      const shown = readers.map(({ id }, index) => `${id} ${heights[index] ?? -1}`).join(', ');
      throw new Error(`the validators do not come to one height: ${shown}`);
    }
    await sleep(POLL_MS);
  }
}

/** The blocks that it holds, by height; those that it is fetching are waited for. */
async function blocksOf(
  reader: LedgerReader,
  from: number,
  to: number,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, Block>> {
  const heights = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  const blocks = new Map<number, Block>();
  const deadline = performance.now() + HISTORY_MS;
  await inParallel(heights, READS_AT_ONCE, async (height) => {
    for (;;) {
      signal?.throwIfAborted();
      const found = await reader.look(height);
      if (typeof found !== 'string') blocks.set(height, found);
      if (found !== 'fetching' || performance.now() > deadline) return;
      await sleep(HISTORY_POLL_MS);
    }
  });
  return blocks;
}

/** Each committed transaction must stand exactly once, at the height of its receipt. */
function missingOf(
  id: string,
  blocks: ReadonlyMap<number, Block>,
  committed: readonly Committed[],
): string[] {
  const places = new Map<string, number[]>();
  for (const { height, transactionIds } of blocks.values()) {
    for (const one of transactionIds) places.set(one, [...(places.get(one) ?? []), height]);
  }
  const keptFrom = Math.min(...blocks.keys());
  return committed.flatMap((one) => {
    const found = places.get(one.id) ?? [];
    const wanted = one.height >= keptFrom ? 1 : 0;
    if (found.length === wanted && (wanted === 0 || found[0] === one.height)) return [];
    return [`${id} holds transaction ${one.id} of block ${one.height} ${found.length} times`];
  });
}

/** Nor does any other transaction stand twice, whoever submitted it. */
function repeatedOf(ledgers: readonly Ledger[], committed: ReadonlySet<string>): string[] {
  return ledgers.flatMap(({ id, blocks }) => {
    const ids = [...blocks.values()].flatMap((block) => block.transactionIds);
    const others = ids.filter((one) => !committed.has(one));
    const repeated = others.length - new Set(others).size;
    return repeated === 0 ? [] : [`${id} holds ${repeated} other transactions twice`];
  });
}

/** At every height that two of them hold, they hold the same header. */
function differencesOf(ledgers: readonly Ledger[], to: number): string[] {
  const faults: string[] = [];
  const from = Math.min(...ledgers.flatMap(({ blocks }) => [...blocks.keys()]));
  for (let height = from; height <= to; height += 1) {
    const held = ledgers.flatMap(({ id, blocks }) => {
      const block = blocks.get(height);
      return block ? [{ id, block }] : [];
    });
    const [first, ...others] = held;
    if (!first) faults.push(`nobody holds block ${height}`);
    for (const other of others) {
      if (first && equalBytes(first.block.hash, other.block.hash)) continue;
      faults.push(`${first?.id ?? ''} and ${other.id} differ at block ${height}`);
    }
  }
  // A gap above the first block that it holds is a block that it lost.
  for (const { id, blocks } of ledgers) {
    const keptFrom = Math.min(...blocks.keys());
    if (blocks.size !== to - keptFrom + 1) faults.push(`${id} lacks blocks above ${keptFrom}`);
  }
  return faults;
}
