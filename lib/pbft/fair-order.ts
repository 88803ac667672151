/**
 * The order in which waiting requests are taken: fair between submitters, whatever each sends.
 *
 * Self-clocked fair queueing (Golestani, 1994). A request gets a turn once, as it arrives: its
 * submitter's last turn, or the clock if that is further on, plus what the request costs. Requests
 * are taken by turn, and the clock is the lowest turn that waits. So a submitter's second request
 * stands behind everybody's first one; nothing depends on what submitters write into requests.
 */
import { limits } from '../limits.ts';
import type { PendingTransaction, QueuedTransaction, Room, TurnSource } from '../ports.ts';
import type { Transaction } from '../wire/transaction.ts';

/** The turn of a request that a replica holds in memory alone. */
export const NOT_STORED = 0;

/** The key whose turns a request uses: that which a nonce is counted for. */
export function submitterOf({ signer }: Pick<Transaction, 'signer'>): string {
  return signer.kind === 'key' ? signer.kid : signer.ownerKid;
}

/** A request as it waits here from `arrivedAt` on, milliseconds. */
export function pendingOf(transaction: Transaction, arrivedAt: number): PendingTransaction {
  const { id, compact, expiresAt } = transaction;
  return { id, compact, submitter: submitterOf(transaction), expiresAt, arrivedAt };
}

/** Turns that a request uses: large ones count as several. */
export function costOf({ compact }: Pick<PendingTransaction, 'compact'>): number {
  return Math.max(1, Math.ceil(compact.length / limits.turnBytes));
}

/**
 * How far ahead of the clock a submitter may stand: a sixteenth of the room that is left, so that
 * dozens of greedy submitters together leave room for one that comes later.
 */
export function quotaOf(free: number): number {
  const share = Math.floor(free / 16);
  return Math.min(limits.submitterTurnsMax, Math.max(limits.submitterTurnsMin, share));
}

/** Turns for a submitter's next requests, fewer than asked for where its quota is used up. */
export function nextTurns(last: number | null, costs: readonly number[], room: Room): number[] {
  const turns: number[] = [];
  let turn = Math.max(room.clock, last ?? 0);
  const most = room.clock + quotaOf(room.free);
  for (const cost of costs) {
    turn += cost;
    if (turn > most) break;
    turns.push(turn);
  }
  return turns;
}

/** By turn; where it is the same, by arrival, then by id. */
export function compareTurns(a: QueuedTransaction, b: QueuedTransaction): number {
  return a.turn - b.turn || compareArrivals(a, b);
}

function compareArrivals(a: QueuedTransaction, b: QueuedTransaction): number {
  if (a.arrivedAt !== b.arrivedAt) return a.arrivedAt - b.arrivedAt;
  return a.id < b.id ? -1 : Number(a.id > b.id);
}

/** The request that has waited longest here, which the timer belongs to (L1). */
export function firstArrived<T extends QueuedTransaction>(entries: readonly T[]): T | null {
  return entries.reduce<T | null>(
    (first, one) =>
      first === null ||
      one.arrivedAt < first.arrivedAt ||
      (one.arrivedAt === first.arrivedAt && compareTurns(one, first) < 0)
        ? one
        : first,
    null,
  );
}

/** What is taken before all else. */
export interface FirstCandidates<T> {
  /** The oldest here, and since when it is that, milliseconds. */
  readonly oldest: { readonly id: string; readonly since: number } | null;
  /** What peers say has waited longest there; each arrived when it was told. */
  readonly waited: readonly T[];
}

/**
 * Candidates in their order: the oldest here and what peers say waits longest there come first, as
 * a validator's timer must not run out on an honest leader; of these what has been so for longest,
 * as a block may hold few. Then everything by its turn, which counts from the lowest of its queue:
 * each queue has a clock of its own. Of one request in two queues, the first counts.
 */
export function arrange<T extends QueuedTransaction>(
  queues: readonly (readonly T[])[],
  { oldest, waited }: FirstCandidates<T>,
): T[] {
  const sorted = merged(queues);
  const own = oldest && sorted.get(oldest.id);
  const told = [...waited].sort((a, b) => a.arrivedAt - b.arrivedAt);
  const near = within(told, bytesOf, limits.waitedBytesMax);
  const urgent = near.map((entry) => ({ entry, since: entry.arrivedAt }));
  if (own) urgent.unshift({ entry: own, since: oldest.since });
  urgent.sort((a, b) => a.since - b.since);
  const placed = new Map<string, T>();
  for (const { entry } of urgent) placed.set(entry.id, sorted.get(entry.id) ?? entry);
  for (const [id, one] of sorted) if (!placed.has(id)) placed.set(id, one);
  return [...placed.values()];
}

/** By turn over all queues, each request once. */
function merged<T extends QueuedTransaction>(queues: readonly (readonly T[])[]): Map<string, T> {
  const found = new Map<string, { entry: T; turn: number }>();
  for (const queue of queues) {
    const lowest = queue.reduce((least, { turn }) => Math.min(least, turn), Infinity);
    for (const entry of queue) {
      if (!found.has(entry.id)) found.set(entry.id, { entry, turn: entry.turn - lowest });
    }
  }
  const sorted = [...found.values()].sort(
    (a, b) => a.turn - b.turn || compareArrivals(a.entry, b.entry),
  );
  return new Map(sorted.map(({ entry }) => [entry.id, entry]));
}

/** The first of them that together are not above `most`. */
export function within<T>(found: readonly T[], sizeOf: (one: T) => number, most: number): T[] {
  let size = 0;
  const end = found.findIndex((one) => (size += sizeOf(one)) > most);
  return end < 0 ? [...found] : found.slice(0, end);
}

/** Bytes of a request. */
export function bytesOf({ compact }: Pick<PendingTransaction, 'compact'>): number {
  return compact.length;
}

/**
 * The clock after some were removed, `last` the highest turn of them: the lowest turn that still
 * waits. When nothing waits, it passes everybody's last turn, so that all start alike. Null where
 * what waits is not known, or nothing was removed.
 */
export function clockAfter(
  last: number,
  waiting: { readonly entries: readonly QueuedTransaction[]; readonly complete: boolean },
): number | null {
  const turns = waiting.entries.map(({ turn }) => turn).filter((turn) => turn !== NOT_STORED);
  if (turns.length > 0) return turns.reduce((least, turn) => Math.min(least, turn));
  return waiting.complete && last > 0 ? last + limits.submitterTurnsMax : null;
}

/** Last turns of submitters in memory: the latest of them, as many as a mempool holds. */
export class TurnBook implements TurnSource {
  readonly #last = new Map<string, number>();

  claim(ledger: string, submitter: string, costs: readonly number[], room: Room): number[] {
    const name = `${ledger}#${submitter}`;
    const turns = nextTurns(this.#last.get(name) ?? null, costs, room);
    const last = turns.at(-1);
    if (last !== undefined) this.#set(name, last);
    return turns;
  }

  #set(name: string, last: number): void {
    this.#last.delete(name);
    this.#last.set(name, last);
    const stalest = this.#last.keys().next().value;
    if (this.#last.size > limits.mempoolTransactionsMax && stalest !== undefined) {
      this.#last.delete(stalest);
    }
  }
}
