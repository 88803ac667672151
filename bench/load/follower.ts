/**
 * Follows transactions to their certified receipts without crowding the network: the blocks say which
 * of them stand on the ledger, and only then is each receipt asked for and verified.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import type { Block } from '../../local/lib/validator-reader.ts';
import type { Transport } from '../../sdk/http.ts';
import type { CertifiedResult, Proofs } from '../../sdk/proofs.ts';
import { getTransaction } from '../../sdk/validator-api.ts';
import type { ValidatorAddress } from '../../sdk/validator-pool.ts';

/** Shows which transactions a block has, or null where there is no such block. */
export interface BlockReader {
  block(height: number): Promise<Pick<Block, 'transactionIds'> | null>;
}

/** Told once of each transaction that was tracked and has a receipt. */
export type OnCertified = (result: CertifiedResult) => void;

export interface FollowerOptions {
  readonly readers: readonly BlockReader[];
  readonly validators: readonly ValidatorAddress[];
  readonly proofs: Proofs;
  /** Height of the first block that is looked at. */
  readonly fromHeight: number;
  readonly transport: Transport;
}

/** How long until a block that was not there is asked for again. */
const WATCH_MS = 250;
/** Receipts that are fetched at once: each call holds a process of an account. */
const RECEIPTS_AT_ONCE = 8;
const RETRY_MS = 400;
const IDLE_MS = 20;

export class Follower {
  readonly #options: FollowerOptions;
  /** Tracked, and in no block that was seen. */
  readonly #waiting = new Map<string, OnCertified>();
  /** In a block, without a receipt that verified. */
  readonly #due: { id: string; onCertified: OnCertified }[] = [];
  #fetching = 0;
  #height: number;
  #reader = 0;
  #isOn = true;
  readonly #running: Promise<unknown>;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#height = options.fromHeight - 1;
    const lanes = Array.from({ length: RECEIPTS_AT_ONCE }, () => this.#fetchAll());
    this.#running = Promise.all([this.#watch(), ...lanes]);
  }

  /** From before it is sent: a block may have it before the API has answered. */
  track(id: string, onCertified: OnCertified): void {
    this.#waiting.set(id, onCertified);
  }

  /** No block can have it: it was refused before it was held. */
  forget(id: string): void {
    this.#waiting.delete(id);
  }

  /** Receipts that are still to come for what stands in blocks. */
  get receiptsDue(): number {
    return this.#due.length + this.#fetching;
  }

  /** Height of the last block that was seen. */
  get height(): number {
    return this.#height;
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#running;
  }

  async #watch(): Promise<void> {
    while (this.#isOn) {
      const reader = this.#options.readers[this.#reader % this.#options.readers.length];
      if (!reader) throw new RangeError('a follower needs readers');
      const block = await reader.block(this.#height + 1).catch(() => null);
      if (!block) {
        // Not made yet, or this one does not answer: the next one is asked.
        this.#reader += 1;
        await sleep(WATCH_MS);
        continue;
      }
      this.#height += 1;
      for (const id of block.transactionIds) {
        const onCertified = this.#waiting.get(id);
        if (!onCertified) continue;
        this.#waiting.delete(id);
        this.#due.push({ id, onCertified });
      }
    }
  }

  async #fetchAll(): Promise<void> {
    for (let turn = 0; this.#isOn; turn += 1) {
      const next = this.#due.shift();
      if (!next) {
        await sleep(IDLE_MS);
        continue;
      }
      this.#fetching += 1;
      const result = await this.#receipt(next.id, turn).catch(() => null);
      this.#fetching -= 1;
      if (result) next.onCertified(result);
      else {
        this.#due.push(next);
        await sleep(RETRY_MS);
      }
    }
  }

  /** Null while the validator that is asked is not there, or has not committed it yet. */
  async #receipt(id: string, turn: number): Promise<CertifiedResult | null> {
    const { validators, proofs } = this.#options;
    const at = validators[turn % validators.length];
    if (!at) return null;
    const answer = await getTransaction(at, { id, ledger: MAIN_LEDGER }, 0, this.#options);
    return answer.outcome === 'done' ? proofs.receipt(answer.receipt, id) : null;
  }
}
