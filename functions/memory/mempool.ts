/** Pending transactions in memory, with the capacity and order of the table's. */

import { limits } from '../../lib/limits.ts';
import { compareTurns, costOf, TurnBook } from '../../lib/pbft/fair-order.ts';
import type {
  Mempool,
  PendingTransaction,
  QueuedTransaction,
  SubmitOutcome,
  TurnSource,
} from '../../lib/ports.ts';

interface Pool {
  readonly entries: Map<string, QueuedTransaction>;
  clock: number;
}

export class MemoryMempool implements Mempool {
  readonly #ledgers = new Map<string, Pool>();
  readonly #transactionsMax: number;
  readonly #turns = new TurnBook();

  constructor(transactionsMax: number = limits.mempoolTransactionsMax) {
    this.#transactionsMax = transactionsMax;
  }

  async submit(
    ledger: string,
    entries: readonly PendingTransaction[],
    turns: TurnSource = this.#turns,
  ): Promise<SubmitOutcome[]> {
    const pool = this.#pool(ledger);
    const outcomes: SubmitOutcome[] = [];
    for (const entry of entries) outcomes.push(await this.#submitOne(pool, ledger, entry, turns));
    return outcomes;
  }

  async #submitOne(
    pool: Pool,
    ledger: string,
    entry: PendingTransaction,
    turns: TurnSource,
  ): Promise<SubmitOutcome> {
    if (pool.entries.has(entry.id)) return 'known';
    const free = this.#transactionsMax - pool.entries.size;
    if (free <= 0) return 'full';
    const room = { clock: pool.clock, free };
    const [turn] = await turns.claim(ledger, entry.submitter, [costOf(entry)], room);
    if (turn === undefined) return 'quota';
    // Others may have come while the turn was given.
    if (pool.entries.has(entry.id)) return 'known';
    if (pool.entries.size >= this.#transactionsMax) return 'full';
    pool.entries.set(entry.id, { ...entry, turn });
    return 'accepted';
  }

  async next(
    ledger: string,
    bounds: { count: number; bytes: number },
  ): Promise<QueuedTransaction[]> {
    return withinBounds([...this.#pool(ledger).entries.values()].sort(compareTurns), bounds);
  }

  async has(ledger: string, id: string): Promise<boolean> {
    return this.#pool(ledger).entries.has(id);
  }

  async remove(
    ledger: string,
    entries: readonly QueuedTransaction[],
    clock: number | null,
  ): Promise<void> {
    const pool = this.#pool(ledger);
    for (const { id } of entries) pool.entries.delete(id);
    pool.clock = Math.max(pool.clock, clock ?? 0);
  }

  #pool(ledger: string): Pool {
    const pool = this.#ledgers.get(ledger) ?? { entries: new Map(), clock: 0 };
    this.#ledgers.set(ledger, pool);
    return pool;
  }
}

/** The longest run from the front that stays within both bounds. */
function withinBounds(
  sorted: readonly QueuedTransaction[],
  bounds: { count: number; bytes: number },
): QueuedTransaction[] {
  const taken: QueuedTransaction[] = [];
  let bytes = 0;
  for (const entry of sorted) {
    bytes += entry.compact.length;
    if (taken.length >= bounds.count || bytes > bounds.bytes) break;
    taken.push({ ...entry });
  }
  return taken;
}
