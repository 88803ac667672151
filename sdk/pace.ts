/** How long the network takes to certify, as this client sees it: it asks when an answer is likely. */

/** At rest. */
const TYPICAL_MS = 200;
/** The share of the newest time in the mean. */
const SHARE = 0.3;
/** A network that is quicker is waited for in one call, not asked again and again. */
const QUICK_MS = 500;
/** Asked somewhat early: a time that was learned from late answers then falls again. */
const EARLY = 0.8;
const HEAD_START_MS_MAX = 5_000;
/** Without a receipt for this long, one more validator gets a transaction. */
const SPREAD_MS_MIN = 2_500;
const SPREAD_MS_MAX = 10_000;
const SPREAD_TIMES = 2;

/** One for all transactions of a client. */
export class Pace {
  #typicalMs = TYPICAL_MS;

  /** Learns from a transaction: from its placing to its receipt, milliseconds. */
  took(ms: number): void {
    this.#typicalMs += SHARE * (ms - this.#typicalMs);
  }

  /** How long a new transaction is left alone before its receipt is asked for, milliseconds. */
  get headStartMs(): number {
    if (this.#typicalMs <= QUICK_MS) return 0;
    return Math.round(Math.min(HEAD_START_MS_MAX, EARLY * this.#typicalMs));
  }

  /**
   * How long one validator may take before another one gets the transaction too, milliseconds: a
   * busy network is not made busier by what it holds already.
   */
  get spreadMs(): number {
    return Math.min(SPREAD_MS_MAX, Math.max(SPREAD_MS_MIN, SPREAD_TIMES * this.#typicalMs));
  }
}
