/**
 * Requests that peers handed to the leader of a view (L2): in its memory alone, as each is stored
 * where it came from and is handed on again until it is committed.
 */
import { limits } from '../limits.ts';
import type { QueuedTransaction } from '../ports.ts';
import { bytesOf, costOf, TurnBook, within } from './fair-order.ts';

export class HandedPool<T extends QueuedTransaction> {
  readonly #entries = new Map<string, T>();
  #turns = new TurnBook();
  #view = -1;
  #cost = 0;
  #bytes = 0;
  #clock = 0;

  /** Bytes of all compact JWS in it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A later view has another leader, to whom all is handed on anew. */
  enter(view: number): void {
    if (view === this.#view) return;
    this.#view = view;
    this.#entries.clear();
    this.#turns = new TurnBook();
    [this.#cost, this.#bytes] = [0, 0];
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  entries(): T[] {
    return [...this.#entries.values()];
  }

  /** Gives each its turn. What there is no room for, or is beyond its submitter's quota, is left out. */
  add(ledger: string, found: readonly T[], bytesFree: number): void {
    const unknown = found.filter(({ id }) => !this.#entries.has(id));
    const fresh = within(unknown, bytesOf, bytesFree);
    for (const group of Map.groupBy(fresh, ({ submitter }) => submitter).values()) {
      this.#addOf(ledger, group);
    }
  }

  remove(ids: Iterable<string>): void {
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (!entry) continue;
      this.#entries.delete(id);
      this.#cost -= costOf(entry);
      this.#bytes -= bytesOf(entry);
      this.#clock = Math.max(this.#clock, entry.turn);
    }
    // The clock is the lowest turn that waits.
    for (const { turn } of this.#entries.values()) this.#clock = Math.min(this.#clock, turn);
  }

  #addOf(ledger: string, group: readonly T[]): void {
    const submitter = group[0]?.submitter ?? '';
    const room = { clock: this.#clock, free: limits.handedTurnsMax - this.#cost };
    const fitting = within(group, costOf, room.free);
    const turns = this.#turns.claim(ledger, submitter, fitting.map(costOf), room);
    for (const [index, turn] of turns.entries()) {
      const entry = { ...(fitting[index] as T), turn };
      this.#entries.set(entry.id, entry);
      this.#cost += costOf(entry);
      this.#bytes += bytesOf(entry);
    }
  }
}
