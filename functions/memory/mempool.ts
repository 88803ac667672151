/** Pending transactions in memory, with the capacity and order of the table's. */

import { limits } from '../../lib/limits.ts';
import type { Mempool, PendingTransaction, SubmitOutcome } from '../../lib/ports.ts';

export class MemoryMempool implements Mempool {
  readonly #ledgers = new Map<string, Map<string, PendingTransaction>>();
  readonly #transactionsMax: number;

  constructor(transactionsMax: number = limits.mempoolTransactionsMax) {
    this.#transactionsMax = transactionsMax;
  }

  async submit(ledger: string, entries: readonly PendingTransaction[]): Promise<SubmitOutcome[]> {
    const pool = this.#ledgers.get(ledger) ?? new Map<string, PendingTransaction>();
    this.#ledgers.set(ledger, pool);
    return entries.map((entry) => {
      const key = keyOf(entry);
      if (pool.has(key)) return 'known';
      if (pool.size >= this.#transactionsMax) return 'full';
      pool.set(key, { ...entry });
      return 'accepted';
    });
  }

  async oldest(
    ledger: string,
    bounds: { count: number; bytes: number },
  ): Promise<PendingTransaction[]> {
    const pool = this.#ledgers.get(ledger) ?? new Map<string, PendingTransaction>();
    const sorted = [...pool].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
    return withinBounds(sorted, bounds);
  }

  async has(ledger: string, entry: { id: string; issuedAt: number }): Promise<boolean> {
    return this.#ledgers.get(ledger)?.has(keyOf(entry)) ?? false;
  }

  async remove(
    ledger: string,
    entries: readonly { id: string; issuedAt: number }[],
  ): Promise<void> {
    for (const entry of entries) this.#ledgers.get(ledger)?.delete(keyOf(entry));
  }
}

/** The longest run from the front that stays within both bounds. */
function withinBounds(
  sorted: readonly PendingTransaction[],
  bounds: { count: number; bytes: number },
): PendingTransaction[] {
  const taken: PendingTransaction[] = [];
  let bytes = 0;
  for (const entry of sorted) {
    bytes += entry.compact.length;
    if (taken.length >= bounds.count || bytes > bounds.bytes) break;
    taken.push({ ...entry });
  }
  return taken;
}

function keyOf({ id, issuedAt }: { id: string; issuedAt: number }): string {
  return `${String(issuedAt).padStart(15, '0')}#${id}`;
}
