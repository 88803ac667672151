/** Brings one signed transaction to a certified receipt: places it, polls, places it elsewhere. */
import { MAIN_LEDGER } from '../lib/wire/ledger.ts';
import { randomUuid } from '../lib/crypto/random.ts';
import type { Transaction } from '../lib/wire/transaction.ts';
import { backOffMs, type Clock } from './clock.ts';
import { SdkError } from './errors.ts';
import { type HttpAnswer, problemError, problemOf } from './http.ts';
import type { Pace } from './pace.ts';
import type { CertifiedResult, Proofs } from './proofs.ts';
import { Refusals } from './refusals.ts';
import { type CallOptions, getTransaction, postTransaction } from './validator-api.ts';
import type { ValidatorAddress, ValidatorPool } from './validator-pool.ts';

/** What happens on the way, for progress and diagnosis. */
export type ClientNotice =
  | { readonly type: 'placed'; readonly validator: string; readonly id: string }
  | { readonly type: 'unreachable'; readonly validator: string; readonly reason: string }
  | { readonly type: 'refused'; readonly validator: string; readonly code: string }
  | { readonly type: 'lied'; readonly validator: string; readonly reason: string };

export interface SettleContext extends CallOptions {
  readonly clock: Clock;
  readonly pool: ValidatorPool;
  readonly proofs: Proofs;
  readonly pace: Pace;
  readonly notify: (notice: ClientNotice) => void;
}

/** A block whose time is just before the expiry may be certified a little later. */
const EXPIRY_GRACE_MS = 30_000;
const POLL_BASE_MS = 80;
const POLL_MAX_MS = 1_000;
/** The longest pause while nobody can be asked. */
const IDLE_MS_MAX = 1_000;

/**
 * Works until a quorum certified the transaction, or until its time is over. Placing the same id
 * again anywhere is harmless. Throws `expired`, `problem` where more than f validators refuse to
 * hold it, or `aborted`.
 */
export async function settle(
  transaction: Transaction,
  context: SettleContext,
  options: { holders?: readonly string[]; waitMs?: number } = {},
): Promise<CertifiedResult> {
  const settling = new Settling(transaction, context, options.holders ?? []);
  return settling.run(options.waitMs ?? 0);
}

/** How long a transaction of another party is waited for. */
const FOREIGN_MS_MAX = 60_000;

/** The certified outcome of a transaction that somebody else brings to an end. Throws `expired`. */
export async function awaitCertified(
  id: string,
  context: SettleContext,
  ledger: string = MAIN_LEDGER,
): Promise<CertifiedResult> {
  const { clock, pool, proofs, signal } = context;
  const deadline = clock.now() + FOREIGN_MS_MAX;
  for (let round = 0; clock.now() < deadline && !signal?.aborted; round += 1) {
    for (const validator of pool.inOrder()) {
      if (pool.restMs(validator.id) > 0) continue;
      try {
        const answer = await getTransaction(validator, { id, ledger }, 0, context);
        if (answer.outcome === 'done') return await proofs.receipt(answer.receipt, id);
      } catch (error) {
        tolerated(error, validator, context);
      }
    }
    await clock.sleep(backOffMs(round, POLL_BASE_MS, POLL_MAX_MS), signal);
  }
  throw new SdkError('expired', 'A transaction of another party was not certified in time.', {
    nextStep: 'Run the command again.',
    details: { id },
  });
}

/** Outages and lies of one validator are noted; anything else is thrown on. */
function tolerated(
  error: unknown,
  validator: ValidatorAddress,
  { pool, notify }: SettleContext,
): SdkError {
  if (!(error instanceof SdkError)) throw error;
  if (error.code === 'not_proven') {
    pool.lied(validator.id);
    notify({ type: 'lied', validator: validator.id, reason: error.message });
  } else if (error.code === 'unreachable' || error.code === 'bad_answer') {
    pool.failed(validator.id);
    notify({ type: 'unreachable', validator: validator.id, reason: error.message });
  } else {
    throw error;
  }
  return error;
}

class Settling {
  readonly #transaction: Transaction;
  readonly #context: SettleContext;
  /** Validators that said they hold it. */
  readonly #holders: Set<string>;
  readonly #isPlacedHere: boolean;
  readonly #refusals: Refusals;
  /** The same wherever it is placed: the transaction is the same there too. */
  readonly #correlationId = randomUuid();
  #placedAt: number;
  #lastFailure: SdkError | null = null;

  constructor(transaction: Transaction, context: SettleContext, holders: readonly string[]) {
    this.#transaction = transaction;
    this.#context = context;
    this.#holders = new Set(holders);
    this.#isPlacedHere = holders.length === 0;
    this.#refusals = new Refusals(context.pool.all.length);
    this.#placedAt = context.clock.now();
  }

  async run(waitMs: number): Promise<CertifiedResult> {
    const { clock, pace, signal } = this.#context;
    const giveUpAt = this.#transaction.expiresAt + EXPIRY_GRACE_MS;
    const startedAt = clock.now();
    for (let round = 0; clock.now() < giveUpAt; round += 1) {
      if (signal?.aborted) throw aborted(this.#transaction.id);
      if (this.#holders.size === 0 || clock.now() - this.#placedAt > pace.spreadMs) {
        await this.#place();
      }
      const isFirst = round === 0 && waitMs > 0;
      const result = await (isFirst ? this.#firstPoll(waitMs) : this.#poll(0));
      if (result) {
        // What others placed has waited for longer than was seen here.
        if (this.#isPlacedHere) pace.took(clock.now() - startedAt);
        return result;
      }
      await clock.sleep(this.#pauseMs(round), signal);
    }
    throw this.#expired();
  }

  /** Of what was placed just now: a quick network is waited for, a busy one is left alone first. */
  async #firstPoll(waitMs: number): Promise<CertifiedResult | null> {
    const { clock, pace, signal } = this.#context;
    const { headStartMs } = pace;
    if (headStartMs === 0 || this.#holders.size === 0) return this.#poll(waitMs);
    await clock.sleep(headStartMs, signal);
    return this.#poll(0);
  }

  /** Hands it to the best validator that does not hold it. */
  async #place(): Promise<void> {
    const { pool, clock, notify } = this.#context;
    const others = pool.inOrder().filter((one) => !this.#holders.has(one.id));
    const ready = others.filter((one) => pool.restMs(one.id) === 0);
    if (clock.now() >= this.#transaction.expiresAt) return;
    for (const validator of ready) {
      try {
        const placed = await postTransaction(validator, this.#transaction, {
          ...this.#context,
          correlationId: this.#correlationId,
        });
        if (placed.outcome === 'accepted') {
          this.#holders.add(validator.id);
          this.#refusals.forget(validator.id);
          this.#placedAt = clock.now();
          notify({ type: 'placed', validator: validator.id, id: this.#transaction.id });
          return;
        }
        this.#refused(validator, placed.answer);
      } catch (error) {
        this.#lastFailure = tolerated(error, validator, this.#context);
      }
    }
    this.#placedAt = clock.now();
  }

  /** Asks each holder for the receipt; what does not verify is not believed. */
  async #poll(waitMs: number): Promise<CertifiedResult | null> {
    const { pool, proofs } = this.#context;
    for (const validator of pool.inOrder()) {
      if (!this.#holders.has(validator.id) || pool.restMs(validator.id) > 0) continue;
      try {
        const answer = await getTransaction(validator, this.#transaction, waitMs, this.#context);
        if (answer.outcome === 'done') {
          const result = await proofs.receipt(answer.receipt, this.#transaction.id);
          pool.worked(validator.id);
          return result;
        }
        if (answer.outcome === 'unknown') {
          // It took the transaction and does not know it: the next one gets it instead.
          this.#holders.delete(validator.id);
          pool.failed(validator.id);
        }
        if (answer.outcome === 'refused') {
          // One that only asks for patience still holds it.
          if (answer.answer.status !== 429) this.#holders.delete(validator.id);
          this.#refused(validator, answer.answer);
        }
      } catch (error) {
        this.#holders.delete(validator.id);
        this.#lastFailure = tolerated(error, validator, this.#context);
      }
    }
    return null;
  }

  /** One validator may refuse out of malice or lag; more than f cannot all be wrong. */
  #refused(validator: ValidatorAddress, answer: HttpAnswer): void {
    const { pool, notify, clock } = this.#context;
    const problem = problemOf(answer);
    this.#lastFailure = problemError(answer, validator.id);
    notify({ type: 'refused', validator: validator.id, code: problem.code });
    if (answer.status === 429 || answer.status >= 500) {
      if (answer.retryAfterMs === null) pool.failed(validator.id);
      else pool.busy(validator.id, answer.retryAfterMs);
      return;
    }
    this.#refusals.note(validator.id, answer, clock.now());
    const verdict = this.#refusals.verdict(clock.now());
    if (verdict && this.#holders.size === 0) throw verdict;
  }

  #pauseMs(round: number): number {
    const { pool } = this.#context;
    if (this.#holders.size > 0) return backOffMs(round, POLL_BASE_MS, POLL_MAX_MS);
    const rests = pool.all.map((one) => pool.restMs(one.id));
    const shortest = Math.min(...rests);
    if (shortest > 0) return Math.min(shortest, IDLE_MS_MAX);
    return backOffMs(round, POLL_BASE_MS, POLL_MAX_MS);
  }

  /** Silence proves nothing: a block may hold it that no validator let us see. */
  #expired(): SdkError {
    const failure = this.#lastFailure;
    const why = failure ? ` The last failure: ${failure.message}` : '';
    return new SdkError('expired', `No certified outcome was seen in time.${why}`, {
      nextStep: 'Look with `carequorum network` and at the history before you do it again.',
      details: {
        ...failure?.details,
        id: this.#transaction.id,
        correlationId: this.#correlationId,
      },
      ...(failure ? { cause: failure } : {}),
    });
  }
}

function aborted(id: string): SdkError {
  return new SdkError('aborted', 'Given up before a receipt came; it may still take effect.', {
    nextStep: 'Look at the history before you run it again.',
    details: { id },
  });
}
