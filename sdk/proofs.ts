/** The one place where the SDK verifies: receipts and state answers, against the genesis document. */
import { equalBytes, fromBase64url, toHex } from '../lib/crypto/bytes.ts';
import { ChaincodeError } from '../lib/chaincode/errors.ts';
import { query as runQuery } from '../lib/chaincode/execute.ts';
import { genesisWrites } from '../lib/chaincode/genesis-state.ts';
import { verifyP256 } from '../lib/crypto/p256.ts';
import { genesisHeader } from '../lib/ledger/genesis-header.ts';
import { MAIN_LEDGER } from '../lib/wire/ledger.ts';
import { verifyHistoryAnswer } from '../lib/ledger/history-answer.ts';
import type { KnownSet } from '../lib/ledger/set-chain.ts';
import { updateTree } from '../lib/ledger/state-tree.ts';
import { verifyReceipt } from '../lib/ledger/verify-receipt.ts';
import { type ProvenView, verifyStateAnswer } from '../lib/ledger/verify-state-answer.ts';
import type { Genesis } from '../lib/wire/genesis.ts';
import { type BlockHeader, headerHash } from '../lib/wire/header.ts';
import type { Transaction } from '../lib/wire/transaction.ts';
import { SdkError } from './errors.ts';
import type { NetworkMemory } from './memory.ts';

/** The outcome of a transaction as a quorum certified it. */
export interface CertifiedResult {
  readonly id: string;
  readonly status: 'COMMITTED' | 'INVALID';
  /** Empty when committed; else the chaincode's reason. */
  readonly code: string;
  /** What the function answered. */
  readonly value: unknown;
  readonly height: number;
  /** Block time, milliseconds. */
  readonly time: number;
  /** The receipt that proves it offline. */
  readonly receipt: Uint8Array;
}

/** A query's value, computed here from proven state. */
export interface ProvenAnswer {
  readonly validator: string;
  readonly height: number;
  /** Block time of the head, milliseconds. */
  readonly time: number;
  /** Height of the highest block that the validator voted to commit. */
  readonly votedHeight: number;
  /**
   * Hashes of the set of this height and of the next, hexadecimal, and seats of the first. Of a case
   * ledger, those of the main ledger, then its own.
   */
  readonly sets: readonly [string, string, ...string[]];
  readonly seats: number;
  /** The value; throws `refused` where the chaincode says no. */
  value(): unknown;
}

/** Verifies for one network, and remembers the newest height and validator set that it saw. */
export class Proofs {
  readonly #genesis: Genesis;
  #genesisStateRoot: Promise<Uint8Array> | null = null;
  #known: KnownSet | undefined;
  #seenHeight: number;
  /** The newest header of all, and the newest that is tied to those seen before. */
  #newest: BlockHeader | null = null;
  #tied: BlockHeader | null;
  /** The newest header of each case ledger. */
  readonly #cases = new Map<string, BlockHeader>();

  /** `memory` is what an earlier client of this network remembered. */
  constructor(genesis: Genesis, memory: NetworkMemory | null = null) {
    this.#genesis = genesis;
    this.#known = memory?.set;
    this.#seenHeight = memory?.seenHeight ?? 0;
    this.#tied = memory?.header ?? null;
  }

  /** What a later client should know; null before anything was verified. */
  get memory(): NetworkMemory | null {
    if (!this.#tied || !this.#known) return null;
    return { header: this.#tied, seenHeight: this.#seenHeight, set: this.#known };
  }

  /** Two headers that were verified, of which nothing says yet that one extends the other. */
  get untied(): { first: BlockHeader; last: BlockHeader } | null {
    const [first, last] = [this.#tied, this.#newest];
    return first && last && first.height < last.height ? { first, last } : null;
  }

  /**
   * Takes a proof that one header has the tied one in its history: the pair that was `untied` when
   * it was asked for, as newer blocks may have been seen since. Throws `not_proven`.
   */
  async tie(text: string, asked: { first: BlockHeader; last: BlockHeader }): Promise<void> {
    await proven(async () => {
      const { first, header, set } = await verifyHistoryAnswer(fromBase64url(text), this.#genesis, {
        known: this.#known,
      });
      const isAsked = isSame(first, asked.first) && isSame(header, asked.last);
      if (!isAsked) throw new Error('a proof of other blocks than those that were seen');
      // Another proof may have come first: what it tied is where the next one starts.
      if (this.#tied && isSame(this.#tied, asked.first)) this.#tied = header;
      this.#saw(header, set);
    });
  }

  /** Height of the newest block that was verified. */
  get seenHeight(): number {
    return this.#seenHeight;
  }

  /** Height of the newest block of a ledger that was verified. */
  seenOf(ledger: string): number {
    return ledger === MAIN_LEDGER ? this.#seenHeight : (this.#cases.get(ledger)?.height ?? 0);
  }

  /** The newest header that this client itself verified, whether or not it is tied. */
  get newest(): BlockHeader | null {
    return this.#newest;
  }

  /** From where a proof of history starts: the remembered header, or that of genesis. */
  async historyStart(): Promise<BlockHeader> {
    return this.#tied ?? genesisHeader(this.#genesis, await this.#stateRootOfGenesis());
  }

  /** Takes a proof from `start` to a later header; gives that one's height. Throws `not_proven`. */
  async follow(text: string, start: BlockHeader): Promise<number> {
    return proven(async () => {
      const known = { known: this.#known };
      const bytes = fromBase64url(text);
      const { first, header, set } = await verifyHistoryAnswer(bytes, this.#genesis, known);
      if (!isSame(first, start)) throw new Error(`another block ${start.height} than was seen`);
      this.#saw(header, set);
      if (header.height > (this.#tied?.height ?? -1)) this.#tied = header;
      return header.height;
    });
  }

  /** The certified outcome of transaction `id`. Throws `not_proven`. */
  async receipt(text: string, id: string): Promise<CertifiedResult> {
    return proven(async () => {
      const receipt = fromBase64url(text);
      const verified = await verifyReceipt(receipt, this.#genesis, { known: this.#known });
      const { result, height, time, header } = verified;
      if (result.id !== id) throw new Error('the receipt is of another transaction');
      this.#saw(header, verified.sets.at(-1));
      const { status, code, value } = result;
      return { id, status, code, value, height, time, receipt };
    });
  }

  /**
   * A validator's answer to a query: proofs verified, then the query run over them. Throws
   * `not_proven` where anything is missing, or another validator speaks than was asked.
   */
  async answer(
    text: string,
    query: Transaction,
    { validator, now }: { validator: string; now: number },
  ): Promise<ProvenAnswer> {
    return proven(async () => {
      const view = await verifyStateAnswer(fromBase64url(text), this.#genesis, {
        known: this.#known,
        nonce: fromBase64url(query.nonce),
        genesisStateRoot: await this.#stateRootOfGenesis(),
      });
      const { header, freshness } = view;
      if (freshness.validator !== validator) throw new Error('another validator signed it');
      if (header.ledger !== query.ledger) throw new Error('an answer about another ledger');
      // A vote for h + 1 needs h committed: a greater lead would only make clients wait.
      if (freshness.votedHeight > header.height + 1) throw new Error('a vote out of order');
      const outcome = await this.#run(view, query, now);
      const value = (): unknown => {
        if (outcome.status === 'answered') return outcome.value;
        throw refusedQuery(query.fn, outcome.error);
      };
      const { height, time } = header;
      const { main } = view;
      this.#saw(header, view.set);
      if (main) this.#saw(main.header, main.set);
      const { votedHeight } = freshness;
      const own = setsOf(header);
      const sets = main ? ([...setsOf(main.header), ...own] as const) : own;
      return { validator, height, time, votedHeight, sets, seats: view.seats, value };
    });
  }

  /** The same function that the validator ran, over what it proved. */
  async #run(
    view: ProvenView,
    query: Transaction,
    now: number,
  ): Promise<
    { status: 'answered'; value: unknown } | { status: 'refused'; error: ChaincodeError }
  > {
    const { network } = this.#genesis.document;
    const { ledger, height, time } = view.header;
    const place = { network, ledger, height, time: Math.max(time, now) };
    const { main } = view;
    const context = { ...place, genesisHash: this.#genesis.hash, verify: verifyP256, main };
    try {
      return { status: 'answered', value: await runQuery(view, query, context) };
    } catch (error) {
      if (error instanceof ChaincodeError) return { status: 'refused', error };
      throw error;
    }
  }

  #stateRootOfGenesis(): Promise<Uint8Array> {
    this.#genesisStateRoot ??= updateTree(null, 0, genesisWrites(this.#genesis), {
      pages: (ids) => Promise.resolve(ids.map(() => undefined)),
    }).then(({ root }) => root);
    return this.#genesisStateRoot;
  }

  #saw(header: BlockHeader, set: KnownSet | undefined): void {
    if (header.ledger !== MAIN_LEDGER) return this.#sawOfCase(header);
    for (const one of [this.#tied, this.#newest]) if (one) requireOneChain(one, header);
    if (header.height > this.#seenHeight) this.#seenHeight = header.height;
    if (header.height > (this.#newest?.height ?? -1)) this.#newest = header;
    const next = (this.#tied?.height ?? header.height - 1) + 1;
    if (header.height === next) this.#tied = header;
    if (set && set.fromHeight >= (this.#known?.fromHeight ?? 0)) this.#known = set;
  }

  #sawOfCase(header: BlockHeader): void {
    const newest = this.#cases.get(header.ledger);
    if (newest) requireOneChain(newest, header);
    if (!newest || header.height > newest.height) this.#cases.set(header.ledger, header);
  }
}

function setsOf({ validatorsHash, nextValidatorsHash }: BlockHeader): readonly [string, string] {
  return [toHex(validatorsHash), toHex(nextValidatorsHash)];
}

/** Two headers of one height are one, and the next names the one before it: else there is a fork. */
function requireOneChain(known: BlockHeader, header: BlockHeader): void {
  const isFork =
    known.height === header.height
      ? !isSame(known, header)
      : known.height + 1 === header.height && !equalBytes(header.previousHash, headerHash(known));
  if (isFork) throw new Error(`another block ${known.height} than the one that was seen before`);
}

function isSame(one: BlockHeader, other: BlockHeader): boolean {
  return equalBytes(headerHash(one), headerHash(other));
}

/** Whatever goes wrong while verifying, the answer is not proven. */
async function proven<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verify();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'malformed';
    const why = cause instanceof Error ? cause.message : 'malformed';
    throw new SdkError('not_proven', `The proof does not hold: ${why}.`, {
      nextStep: 'Tell the operator of that validator; another one is asked meanwhile.',
      details: { step: code },
      cause,
    });
  }
}

function refusedQuery(fn: string, error: ChaincodeError): SdkError {
  return new SdkError('refused', `The ledger refuses ${fn}: ${error.message}.`, {
    nextStep: 'See `carequorum inbox` and `carequorum history` for what was decided.',
    details: { reason: error.code },
    cause: error,
  });
}
