/** The way to a network: any validator serves, none is trusted; every answer is verified here. */
import { z } from 'zod';
import { toBase64url, toHex } from '../lib/crypto/bytes.ts';
import { limits } from '../lib/limits.ts';
import type { Transaction } from '../lib/wire/transaction.ts';
import { addressesOf, genesisMembers, type KnownMembers, ledgerMembers } from './addresses.ts';
import { type Clock, systemClock } from './clock.ts';
import { SdkError } from './errors.ts';
import { fetchTransport, problemCodeOf, problemError, type Transport } from './http.ts';
import type { NetworkMemory } from './memory.ts';
import type { Network } from './network-file.ts';
import { compareHistories, type HistoryVerdict, requireOneHistory } from './one-history.ts';
import { type CertifiedResult, Proofs } from './proofs.ts';
import { readFresh, readSeen } from './read-state.ts';
import { Pace } from './pace.ts';
import { awaitCertified, type ClientNotice, settle, type SettleContext } from './settle.ts';
import { type Call, type RequestSigner, signCall } from './signing.ts';
import {
  getEvents,
  getHealth,
  type LedgerEventNotice,
  postBatch,
  type ValidatorHealth,
} from './validator-api.ts';
import { type ValidatorAddress, ValidatorPool } from './validator-pool.ts';

export interface NetworkClientOptions {
  /** @default fetch */
  readonly transport?: Transport;
  /** @default the system's */
  readonly clock?: Clock;
  /** Id of the validator to ask first. @default one at random */
  readonly preferred?: string | undefined;
  /** Told of validators that fail, refuse or lie. @default nobody */
  readonly onNotice?: (notice: ClientNotice) => void;
  /** What an earlier client remembered of this network. @default nothing */
  readonly memory?: NetworkMemory | null;
}

export interface CallControl {
  readonly signal?: AbortSignal | undefined;
}

/** What became of one of many transactions. */
export type Settled = CertifiedResult | SdkError;

/** Receipts of a bulk submission that are fetched at once. */
const SETTLE_IN_FLIGHT = 4;
/**
 * What an ordered read commits: a query is no transaction, so that it has no effect and ends as
 * INVALID; the height that is certified for it is all that counts.
 */
const ORDER: Call = { fn: 'network.head', args: {} };
const MEMBERS: Call = { fn: 'network.validators', args: {} };
const TIE_EVERY_MS = 60_000;
/** A validator may wait this long for one block before it answers the first poll, milliseconds. */
const FIRST_WAIT_MS = 400;

export class NetworkClient {
  readonly network: Network;
  readonly proofs: Proofs;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly #pool: ValidatorPool;
  readonly #notify: (notice: ClientNotice) => void;
  readonly #pace = new Pace();
  #members: KnownMembers;
  /** When the newest header was tied to the remembered one. */
  #tiedAt = -Infinity;
  /** Height of the newest block when the members were asked for last. */
  #followedAt = 0;

  constructor(network: Network, options: NetworkClientOptions = {}) {
    this.network = network;
    this.clock = options.clock ?? systemClock;
    this.transport = options.transport ?? fetchTransport;
    this.proofs = new Proofs(network.genesis, options.memory ?? null);
    this.#members = options.memory?.members ?? genesisMembers(network.genesis);
    const { setHash } = this.#members;
    const known = options.memory?.members ? addressesOf(this.#members, network) : [];
    const validators = known.length > 0 ? known : network.validators;
    const anyone = validators[Math.floor(Math.random() * validators.length)]?.id;
    const preferred = options.preferred ?? anyone ?? null;
    this.#pool = new ValidatorPool({ setHash, validators }, this.clock, preferred);
    this.#notify = options.onNotice ?? (() => undefined);
  }

  /** Name of the network, as signatures are bound to it. */
  get name(): string {
    return this.network.genesis.document.network;
  }

  /** Where validators are reached now: as genesis says, or as the ledger said later. */
  get validators(): readonly ValidatorAddress[] {
    return this.#pool.all;
  }

  /** What a later client of this network should know; null before anything was verified. */
  get memory(): NetworkMemory | null {
    const { memory } = this.proofs;
    return memory && { ...memory, members: this.#members };
  }

  /** The validator that worked last. */
  get preferred(): string | null {
    return this.#pool.preferred;
  }

  /** Height of the newest block that this client has verified; it never reads an older state. */
  get seenHeight(): number {
    return this.proofs.seenHeight;
  }

  /**
   * Signs a call once, and works until a quorum certified it. Throws `refused` where the chaincode
   * said no (with the certified receipt in `details`), `expired`, `problem` or `aborted`.
   */
  async submit(
    call: Call,
    signer: RequestSigner,
    control: CallControl & { readonly onSigned?: (id: string) => Promise<void> } = {},
  ): Promise<CertifiedResult> {
    const context = this.#context(control);
    const result = await withRenewal(signer, async () => {
      const transaction = await this.#sign(call, signer, 'transaction');
      // What is to find its outcome after a crash keeps the id before anybody has it.
      await control.onSigned?.(transaction.id);
      return settle(transaction, context, { waitMs: FIRST_WAIT_MS });
    });
    await this.#keepUp(context, signer);
    return committed(result, call.fn);
  }

  /** As `submit` for many, up to 500 in one request; one outcome each, in order. */
  async submitAll(
    calls: readonly Call[],
    signer: RequestSigner,
    control: CallControl & { readonly onSettled?: (done: number, of: number) => void } = {},
  ): Promise<Settled[]> {
    const transactions: Transaction[] = [];
    for (const call of calls) transactions.push(await this.#sign(call, signer, 'transaction'));
    const context = this.#context(control);
    const holders = await this.#placeAll(transactions, context);
    const outcomes: Settled[] = [];
    let next = 0;
    let done = 0;
    const worker = async (): Promise<void> => {
      for (let index = next; index < transactions.length; index = next) {
        next += 1;
        const transaction = transactions[index] as Transaction;
        const held = holders.get(transaction.id);
        outcomes[index] = await settle(transaction, context, held ? { holders: [held] } : {})
          .catch((error: unknown) => {
            if (problemCodeOf(error) !== 'certificate_retired_authority') throw error;
            return this.submit(calls[index] as Call, signer, { signal: control.signal });
          })
          .then((result) => committed(result, transaction.fn))
          .catch((error: unknown) => {
            if (error instanceof SdkError && error.code !== 'aborted') return error;
            throw error;
          });
        done += 1;
        control.onSettled?.(done, transactions.length);
      }
    };
    await Promise.all(Array.from({ length: SETTLE_IN_FLIGHT }, worker));
    await this.#followMembers(context, signer);
    return outcomes;
  }

  /** The certified outcome of a transaction that another party submitted, committed or not. */
  async certified(
    id: string,
    control: CallControl & { readonly ledger?: string } = {},
  ): Promise<CertifiedResult> {
    return awaitCertified(id, this.#context(control), control.ledger);
  }

  /**
   * Answers a query from proven state. With `fresh`, of a head that no committed block of before
   * the call is missing from; else of a head not older than what this client saw.
   */
  async query(
    call: Call,
    signer: RequestSigner,
    control: CallControl & { readonly fresh?: boolean } = {},
  ): Promise<unknown> {
    const context = this.#context(control);
    const value = await withRenewal(signer, async () => {
      const query = await this.#sign(call, signer, 'query');
      const order = async (): Promise<number> => {
        const ordered = await this.#sign({ ...ORDER, ledger: query.ledger }, signer, 'transaction');
        return (await settle(ordered, context)).height;
      };
      return control.fresh ? readFresh(query, context, order) : readSeen(query, context);
    });
    await this.#keepUp(context, signer);
    return value;
  }

  /**
   * Whether the newest block that was verified is tied to the one that was remembered; asks for a
   * proof where it is not. Throws `not_proven` where the history was rewritten.
   */
  async checkHistory(control: CallControl = {}): Promise<boolean> {
    return requireOneHistory(this.#context(control));
  }

  /** What each validator proves of the history since the block that was remembered. */
  async histories(
    control: CallControl = {},
  ): Promise<{ from: number; validators: HistoryVerdict[] }> {
    return compareHistories(this.#context(control));
  }

  async #keepUp(context: SettleContext, signer: RequestSigner): Promise<void> {
    await this.#tie(context);
    await this.#followMembers(context, signer);
  }

  /**
   * Learns where the validators are once the newest block is of another set than those that are
   * known; once a block at most. The call itself is done: what fails here is tried again after a
   * later block.
   */
  async #followMembers(context: SettleContext, signer: RequestSigner): Promise<void> {
    const { newest } = this.proofs;
    if (!newest || newest.height <= this.#followedAt) return;
    if (toHex(newest.validatorsHash) === this.#members.setHash) return;
    this.#followedAt = newest.height;
    try {
      const value = await readSeen(await this.#sign(MEMBERS, signer, 'query'), context);
      const members = ledgerMembers(value);
      const validators = addressesOf(members, this.network);
      if (validators.length === 0) return;
      this.#pool.replace({ setHash: members.setHash, validators });
      this.#members = members;
    } catch (error) {
      if (!(error instanceof SdkError || error instanceof z.ZodError)) throw error;
    }
  }

  /** As `checkHistory`, once a minute at most. */
  async #tie(context: SettleContext): Promise<void> {
    if (this.proofs.untied === null || this.clock.now() - this.#tiedAt < TIE_EVERY_MS) return;
    this.#tiedAt = this.clock.now();
    await requireOneHistory(context);
  }

  /** What each validator says of itself, unproven; null where it does not answer. */
  async health(
    control: CallControl = {},
  ): Promise<{ id: string; url: string; status: number; health: ValidatorHealth | null }[]> {
    const options = { transport: this.transport, signal: control.signal };
    return Promise.all(
      this.validators.map(async ({ id, url }) => {
        const unreachable = { status: 0, health: null };
        const said = await getHealth({ id, url }, options).catch(() => unreachable);
        return { id, url, ...said };
      }),
    );
  }

  /** Hints of what happened after a height, from any validator; facts come from queries. */
  async events(
    after: number,
    control: CallControl = {},
  ): Promise<{ height: number; events: LedgerEventNotice[] }> {
    return this.anyValidator(async (validator) => {
      const options = { transport: this.transport, signal: control.signal };
      const found = await getEvents(validator, after, options);
      if (found.outcome === 'refused') throw problemError(found.answer, validator.id);
      return { height: found.height, events: found.events };
    });
  }

  /** Tries the validators in turn until one answers; throws the last failure. */
  async anyValidator<T>(ask: (validator: ValidatorAddress) => Promise<T>): Promise<T> {
    let failure: unknown;
    for (const validator of this.#pool.inOrder()) {
      try {
        const answer = await ask(validator);
        this.#pool.worked(validator.id);
        return answer;
      } catch (error) {
        if (error instanceof SdkError && error.code === 'aborted') throw error;
        this.#pool.failed(validator.id);
        failure = error;
      }
    }
    throw failure;
  }

  #sign(call: Call, signer: RequestSigner, kind: 'transaction' | 'query'): Promise<Transaction> {
    return signCall(call, { network: this.name, now: this.clock.now(), kind, signer });
  }

  #context(control: CallControl): SettleContext {
    return {
      transport: this.transport,
      signal: control.signal,
      clock: this.clock,
      pool: this.#pool,
      proofs: this.proofs,
      pace: this.#pace,
      notify: this.#notify,
    };
  }

  /** Hands batches over; gives which validator holds which id. What nobody took is placed later. */
  async #placeAll(
    transactions: readonly Transaction[],
    context: SettleContext,
  ): Promise<ReadonlyMap<string, string>> {
    const holders = new Map<string, string>();
    for (const batch of batchesOf(transactions)) {
      try {
        await this.anyValidator(async (validator) => {
          const placed = await postBatch(validator, batch, context);
          if (placed.outcome === 'refused') throw problemError(placed.answer, validator.id);
          batch.forEach((one, index) => {
            if (!placed.held[index]) return;
            holders.set(one.id, validator.id);
            context.notify({ type: 'placed', validator: validator.id, id: one.id });
          });
          // What it has no room for goes to others first.
          if (placed.retryAfterMs !== null) this.#pool.busy(validator.id, placed.retryAfterMs);
        });
      } catch (error) {
        if (!(error instanceof SdkError) || error.code === 'aborted') throw error;
      }
    }
    return holders;
  }
}

/** Cuts into batches that one request may carry. */
export function batchesOf(transactions: readonly Transaction[]): Transaction[][] {
  const batches: Transaction[][] = [];
  let bytes = Infinity;
  for (const transaction of transactions) {
    const length = transaction.compact.length + 4;
    const last = batches.at(-1);
    const isFull = !last || last.length >= limits.batchTransactionsMax;
    if (isFull || bytes + length > limits.batchBytesMax - 1_024) {
      batches.push([transaction]);
      bytes = length;
    } else {
      last.push(transaction);
      bytes += length;
    }
  }
  return batches;
}

/** Works once more, with other certificates, where the authority's key behind them is retired. */
async function withRenewal<T>(signer: RequestSigner, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!signer.renew || problemCodeOf(error) !== 'certificate_retired_authority') throw error;
    await signer.renew();
    return work();
  }
}

/** Throws `refused` for a result that a quorum certified as INVALID. */
function committed(result: CertifiedResult, fn: string): CertifiedResult {
  if (result.status === 'COMMITTED') return result;
  throw new SdkError('refused', `The ledger refused ${fn}: ${result.code}.`, {
    nextStep: nextStepOf(result.code),
    details: {
      reason: result.code,
      id: result.id,
      height: result.height,
      receipt: toBase64url(result.receipt),
    },
  });
}

const nextSteps: Readonly<Record<string, string>> = {};

function nextStepOf(reason: string): string {
  return nextSteps[reason] ?? 'See `carequorum history` for what was decided before.';
}
