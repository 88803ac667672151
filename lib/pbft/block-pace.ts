/**
 * How many transactions a leader takes into a block, so that a block is decided in a part of the
 * time after which a leader is replaced, however slow the machines are that execute it (L3).
 */

/** A block is to be decided within this part of the time-out of a request. */
const PART = 4;
/** Fewer gain nothing: what a block costs whatever it holds then prevails. */
export const PACED_MIN = 200;
/** Before anything was measured. */
export const PACED_FIRST = 500;

export class BlockPace {
  #size = PACED_FIRST;
  #open: { hash: string; count: number; since: number } | null = null;

  /** Most transactions of the next block. */
  get size(): number {
    return this.#size;
  }

  /** A block was begun at `since`, milliseconds, of `count` candidates, and came out with this hash. */
  built(hash: string, count: number, since: number): void {
    this.#open = { hash, count, since };
  }

  /** A block was decided at `now`, after which requests wait `timeoutMs` for the next one. */
  decided(hash: string, now: number, timeoutMs: number): void {
    const open = this.#open;
    this.#open = null;
    if (open?.hash !== hash) return;
    const took = Math.max(1, now - open.since);
    const fitting = Math.floor((open.count * timeoutMs) / PART / took);
    // A small block says little of how long a large one takes, unless it took too long itself.
    if (fitting > this.#size && open.count < this.#size) return;
    const next = Math.min(2 * this.#size, Math.max(this.#size / 2, fitting));
    this.#size = Math.max(PACED_MIN, Math.floor(next));
  }
}
