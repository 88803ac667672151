// A modest load: probes of several operators, each followed to a receipt that verifies.
import { setTimeout as sleep } from 'node:timers/promises';
import { SdkError } from '../../sdk/errors.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Keystore } from '../../sdk/keystore.ts';
import type { Network } from '../../sdk/network-file.ts';
import { Operator } from '../../sdk/operator.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { openSession } from '../../sdk/session.ts';

export interface LoadOptions {
  readonly network: Network;
  /** Whose operators submit, each through the API of its own hospital first. */
  readonly operators: readonly { readonly hospital: string; readonly keystore: Keystore }[];
  readonly ratePerSecond: number;
}

export interface LoadCounts {
  readonly submitted: number;
  /** Taken by at least one validator. */
  readonly accepted: number;
  /** With a receipt that verified. */
  readonly committed: number;
  /** Transactions that failed in the end, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Calls that one validator did not take, by code; the client went on to another one. */
  readonly tries: Readonly<Record<string, number>>;
  /** Longest time without a new receipt while there was something to commit, milliseconds. */
  readonly longestGapMs: number;
  readonly seconds: number;
}

/** When one transaction was submitted and when its receipt came, by `performance.now`. */
export interface Receipt {
  readonly submittedAt: number;
  readonly receivedAt: number;
}

/**
 * Transactions under way at once. A network that falls behind gets no more: on one machine every
 * waiting call holds a process, and more of them only make it slower.
 */
const IN_FLIGHT_MAX = 6;
/** What is under way when the load ends may take this long. */
const DRAIN_MS = 60_000;
const POLL_MS = 100;

interface Lane {
  readonly operator: Operator;
  readonly hospital: string;
}

/** Runs from its construction until `stop`. */
export class Load {
  /** What a quorum certified so far, in the order of the receipts. */
  readonly committed: CertifiedResult[] = [];
  /** When those were submitted and certified, in the same order. */
  readonly receipts: Receipt[] = [];
  readonly #lanes: readonly Lane[];
  readonly #control = new AbortController();
  readonly #accepted = new Set<string>();
  readonly #errors: Record<string, number> = {};
  readonly #tries: Record<string, number> = {};
  readonly #inFlight = new Set<Promise<void>>();
  readonly #started = performance.now();
  readonly #running: Promise<void>;
  readonly #run = Math.random().toString(36).slice(2, 8);
  #submitted = 0;
  #isOn = true;
  /** When the last receipt came, or when work began after there was none. */
  #busySince: number;
  #longestGapMs = 0;
  #gapOfPhaseMs = 0;

  constructor(options: LoadOptions) {
    this.#lanes = options.operators.map(({ hospital, keystore }) => {
      const session = openSession(options.network, {
        preferred: hospital,
        onNotice: (notice) => {
          if (notice.type === 'placed') this.#accepted.add(notice.id);
          else count(this.#tries, notice.type === 'refused' ? notice.code : notice.type);
        },
      });
      return { hospital, operator: new Operator(session, keystore) };
    });
    this.#busySince = performance.now();
    this.#running = this.#submitAll(1000 / options.ratePerSecond);
  }

  /** Ids of what at least one validator took. */
  get accepted(): ReadonlySet<string> {
    return this.#accepted;
  }

  counts(): LoadCounts {
    this.#noteGap();
    return {
      submitted: this.#submitted,
      accepted: this.#accepted.size,
      committed: this.committed.length,
      errors: { ...this.#errors },
      tries: { ...this.#tries },
      longestGapMs: Math.round(this.#longestGapMs),
      seconds: (performance.now() - this.#started) / 1000,
    };
  }

  /** Measures gaps anew, and answers the longest since the last call, milliseconds. */
  takeGapMs(): number {
    this.#noteGap();
    const gap = this.#gapOfPhaseMs;
    this.#gapOfPhaseMs = 0;
    return Math.round(gap);
  }

  /** Waits until each operator has its first receipt, and the rate begins. */
  async warm(withinMs: number, signal?: AbortSignal): Promise<boolean> {
    return this.advance(this.#lanes.length - this.committed.length, withinMs, signal);
  }

  /** Waits for that many further receipts; false when they did not come in time. */
  async advance(count: number, withinMs: number, signal?: AbortSignal): Promise<boolean> {
    const wanted = this.committed.length + count;
    const deadline = performance.now() + withinMs;
    while (this.committed.length < wanted) {
      signal?.throwIfAborted();
      if (performance.now() > deadline) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  /** Submits no more, and waits for what is under way; what takes too long is given up. */
  async stop(): Promise<LoadCounts> {
    this.#isOn = false;
    await this.#running;
    const giveUp = setTimeout(() => {
      this.#control.abort();
    }, DRAIN_MS);
    await Promise.all(this.#inFlight);
    clearTimeout(giveUp);
    return this.counts();
  }

  /** Ends at once; what is under way counts as `aborted`. */
  async abort(): Promise<void> {
    this.#isOn = false;
    this.#control.abort();
    await this.#running;
    await Promise.all(this.#inFlight);
  }

  async #submitAll(everyMs: number): Promise<void> {
    // One by one at first: cold functions of all accounts would start at the same time.
    while (this.#isOn && this.#submitted < this.#lanes.length) {
      this.#submitOne();
      await Promise.all(this.#inFlight);
    }
    let due = performance.now();
    while (this.#isOn) {
      if (this.#inFlight.size < IN_FLIGHT_MAX) this.#submitOne();
      due = Math.max(due + everyMs, performance.now());
      await sleep(Math.max(0, due - performance.now()));
    }
  }

  #submitOne(): void {
    const lane = this.#lanes[this.#submitted % this.#lanes.length];
    if (!lane) throw new RangeError('a load needs operators');
    if (this.#inFlight.size === 0) this.#busySince = performance.now();
    this.#submitted += 1;
    const label = `load.${this.#run}.${lane.hospital}.${this.#submitted}`;
    const work = this.#follow(lane.operator, label).finally(() => this.#inFlight.delete(work));
    this.#inFlight.add(work);
  }

  async #follow(operator: Operator, label: string): Promise<void> {
    const submittedAt = performance.now();
    try {
      const result = await operator.probe(label, { signal: this.#control.signal });
      this.#noteGap();
      this.#busySince = performance.now();
      this.committed.push(result);
      this.receipts.push({ submittedAt, receivedAt: this.#busySince });
    } catch (error) {
      count(this.#errors, reasonOf(error) ?? (error instanceof SdkError ? error.code : 'failed'));
    }
  }

  #noteGap(): void {
    if (this.#inFlight.size === 0) return;
    const gap = performance.now() - this.#busySince;
    this.#longestGapMs = Math.max(this.#longestGapMs, gap);
    this.#gapOfPhaseMs = Math.max(this.#gapOfPhaseMs, gap);
  }
}

function count(counts: Record<string, number>, code: string): void {
  counts[code] = (counts[code] ?? 0) + 1;
}
