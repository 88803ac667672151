/** Drives the APIs of all validators in turn: each request is made, signed and sent once it is due. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import type { Transaction } from '../../lib/wire/transaction.ts';
import { callJson, parseAnswer, type Transport } from '../../sdk/http.ts';
import type { Network } from '../../sdk/network-file.ts';
import type { CertifiedResult, Proofs } from '../../sdk/proofs.ts';
import { signCall } from '../../sdk/signing.ts';
import { getTransaction, postQuery, postTransaction } from '../../sdk/validator-api.ts';
import type { ValidatorAddress } from '../../sdk/validator-pool.ts';
import { failureOf, type Refusal, refusalIn, refusalOf } from './answer.ts';
import { type Attempt, newAttempt } from './attempt.ts';
import type { Follower } from './follower.ts';
import { type Kind, queryKinds, shareOf, transactionKinds, turns } from './mix.ts';
import { fire, type Shot } from './open-loop.ts';
import { dueMs, type Slice, slicesOf, type Step } from './schedule.ts';
import type { Act, ActKind, Ward } from './ward.ts';

export interface DriverOptions {
  readonly network: Network;
  readonly ward: Ward;
  readonly follower: Follower;
  readonly proofs: Proofs;
  /** Transactions of one request. */
  readonly bulk: number;
  readonly transport: Transport;
}

/** As the SDK waits for a bulk submission. */
const BATCH_TIMEOUT_MS = 25_000;
const batchAnswer = z.object({ results: z.array(z.object({ problem: z.unknown().optional() })) });

/** Milliseconds since the epoch; finer than `Date.now()`, and never set back. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

export class Driver {
  /** Every request that fell due, in this order. */
  readonly attempts: Attempt[] = [];
  readonly #options: DriverOptions;
  readonly #certifiedIds: string[] = [];
  readonly #transactionKinds = turns(transactionKinds);
  readonly #queryKinds = turns(queryKinds);
  #turn = 0;

  constructor(driver: DriverOptions) {
    this.#options = driver;
  }

  /**
   * Lets all that is due fall due; resolves once every request had its answer or failed. An aborted
   * signal ends it within a second.
   */
  async run(steps: readonly Step[], startMs: number, signal: AbortSignal): Promise<void> {
    const { bulk } = this.#options;
    const transactions = slicesOf(steps, shareOf(transactionKinds) / bulk);
    const queries = slicesOf(steps, shareOf(queryKinds));
    await Promise.all([
      this.#stream(transactions, startMs, signal, (due) => this.#transactions(due)),
      this.#stream(queries, startMs, signal, (due) => this.#query(due)),
    ]);
  }

  async #stream(
    slices: readonly Slice[],
    startMs: number,
    signal: AbortSignal,
    shotAt: (due: number) => Shot,
  ): Promise<void> {
    const origin = this.#options.network.validators[0]?.url ?? '';
    const under: Promise<void>[] = [];
    for (const slice of slices) {
      await sleep(Math.max(0, startMs + slice.startMs - nowMs()), null, { signal }).catch(
        () => null,
      );
      if (signal.aborted) break;
      under.push(fire(origin, slice, (index) => shotAt(startMs + dueMs(slice, index))));
    }
    await Promise.all(under);
  }

  #transactions(due: number): Shot {
    const at = this.#nextValidator();
    const { bulk } = this.#options;
    const attempts = Array.from({ length: bulk }, () => {
      const attempt = newAttempt(this.#transactionKinds.next().value, due, at.id);
      this.attempts.push(attempt);
      return attempt;
    });
    const [only] = attempts;
    return bulk === 1 && only ? () => this.#postOne(only, at) : () => this.#postAll(attempts, at);
  }

  async #postOne(attempt: Attempt, at: ValidatorAddress): Promise<number> {
    attempt.begunMs = nowMs();
    try {
      const transaction = await this.#sign(attempt);
      attempt.sentMs = nowMs();
      const placed = await postTransaction(at, transaction, this.#options);
      attempt.answeredMs = nowMs();
      if (placed.outcome === 'refused') return this.#refused(attempt, refusalOf(placed.answer));
      return held(attempt);
    } catch (error) {
      failed([attempt], error);
      throw error;
    }
  }

  async #postAll(attempts: readonly Attempt[], at: ValidatorAddress): Promise<number> {
    const begunMs = nowMs();
    for (const attempt of attempts) attempt.begunMs = begunMs;
    try {
      const signed = await Promise.all(attempts.map((one) => this.#sign(one)));
      const sentMs = nowMs();
      for (const attempt of attempts) attempt.sentMs = sentMs;
      const answer = await callJson(this.#options.transport, {
        method: 'POST',
        url: `${at.url}/v1/transactions/batch`,
        body: { transactions: signed.map(({ compact }) => compact) },
        timeoutMs: BATCH_TIMEOUT_MS,
      });
      const answeredMs = nowMs();
      const isTaken = answer.status >= 200 && answer.status < 300;
      const results = isTaken ? parseAnswer(batchAnswer, answer, at.id).results : [];
      for (const [index, attempt] of attempts.entries()) {
        attempt.answeredMs = answeredMs;
        if (!isTaken) this.#refused(attempt, refusalOf(answer));
        else if (results[index]?.problem === undefined) held(attempt);
        else this.#refused(attempt, refusalIn(results[index].problem, answer.status));
      }
      return answer.status;
    } catch (error) {
      failed(attempts, error);
      throw error;
    }
  }

  /** Signed and followed from here on. */
  async #sign(attempt: Attempt): Promise<Transaction> {
    const { ward, follower } = this.#options;
    const act = await ward.next(attempt.kind as ActKind);
    attempt.kind = act.kind;
    const transaction = await this.#signed(act, 'transaction');
    attempt.id = transaction.id;
    follower.track(transaction.id, (result) => {
      this.#certified(attempt, act, result);
    });
    return transaction;
  }

  #query(due: number): Shot {
    const at = this.#nextValidator();
    const wanted = this.#queryKinds.next().value;
    // At first there is no receipt yet to ask for.
    const id = this.#certifiedIds[Math.floor(Math.random() * this.#certifiedIds.length)];
    const kind: Kind = wanted === 'receipt' && id === undefined ? 'permissions' : wanted;
    const attempt = newAttempt(kind, due, at.id);
    this.attempts.push(attempt);
    return async () => {
      attempt.begunMs = nowMs();
      try {
        return kind === 'receipt'
          ? await this.#readReceipt(attempt, at, id ?? '')
          : await this.#ask(attempt, at, kind);
      } catch (error) {
        failed([attempt], error);
        throw error;
      }
    };
  }

  /** Asks a query, and computes its value from what is proven. */
  async #ask(attempt: Attempt, at: ValidatorAddress, kind: ActKind): Promise<number> {
    const { ward, proofs } = this.#options;
    const query = await this.#signed(await ward.next(kind), 'query');
    attempt.sentMs = nowMs();
    const asked = await postQuery(at, query, this.#options);
    attempt.answeredMs = nowMs();
    if (asked.outcome === 'refused') return this.#refused(attempt, refusalOf(asked.answer));
    const answer = await proofs.answer(asked.answer, query, { validator: at.id, now: Date.now() });
    answer.value();
    return done(attempt);
  }

  async #readReceipt(attempt: Attempt, at: ValidatorAddress, id: string): Promise<number> {
    attempt.sentMs = nowMs();
    const found = await getTransaction(at, { id, ledger: MAIN_LEDGER }, 0, this.#options);
    attempt.answeredMs = nowMs();
    if (found.outcome === 'refused') return this.#refused(attempt, refusalOf(found.answer));
    if (found.outcome !== 'done') {
      // This validator is behind the one that gave the receipt first.
      return this.#refused(attempt, {
        code: `receipt_${found.outcome}`,
        status: 404,
        retryAfterMs: null,
      });
    }
    await this.#options.proofs.receipt(found.receipt, id);
    return done(attempt);
  }

  #signed(act: Act, kind: 'transaction' | 'query'): Promise<Transaction> {
    const network = this.#options.network.genesis.document.network;
    return signCall(act.call, { network, now: Date.now(), kind, signer: act.signer });
  }

  #certified(attempt: Attempt, act: Act, result: CertifiedResult): void {
    attempt.doneMs = nowMs();
    attempt.height = result.height;
    attempt.blockMs = result.time;
    if (result.status === 'COMMITTED') {
      attempt.state = 'done';
      this.#certifiedIds.push(result.id);
      act.succeeded?.();
    } else {
      attempt.state = 'refused';
      attempt.code = `ledger: ${result.code}`;
    }
  }

  /** Refused for good: no block can have it. After a fault of the validator's one still may. */
  #refused(attempt: Attempt, { code, status, retryAfterMs }: Refusal): number {
    attempt.code = code;
    attempt.status = status;
    attempt.retryAfterMs = retryAfterMs;
    if (attempt.state === 'sent') attempt.state = status >= 500 ? 'failed' : 'refused';
    if (status < 500 && attempt.id !== null) this.#options.follower.forget(attempt.id);
    return status;
  }

  #nextValidator(): ValidatorAddress {
    const { validators } = this.#options.network;
    this.#turn += 1;
    const one = validators[this.#turn % validators.length];
    if (!one) throw new RangeError('a network without validators');
    return one;
  }
}

/** Its receipt may have come before the answer did. */
function held(attempt: Attempt): number {
  if (attempt.state === 'sent') attempt.state = 'held';
  return 202;
}

function done(attempt: Attempt): number {
  attempt.state = 'done';
  attempt.doneMs = nowMs();
  return 200;
}

function failed(attempts: readonly Attempt[], error: unknown): void {
  for (const attempt of attempts) {
    attempt.code = failureOf(error);
    if (attempt.state === 'sent') attempt.state = 'failed';
  }
}
