/** What a step runs on: ports, keys, clock and what a warm process remembers. */
import type {
  BlockStore,
  Mempool,
  PageStore,
  PeerSender,
  QueuedTransaction,
  ReplicaStore,
  SelfSender,
  VoteSigner,
} from '../../lib/ports.ts';
import type { SigningKey, VerifySignature } from '../../lib/crypto/p256.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { PageCache } from '../../lib/ledger/page-cache.ts';
import type { Transaction } from '../../lib/wire/transaction.ts';
import type { EventStore, FetchedStore } from './ports.ts';
import type { TurnBook } from '../../lib/pbft/fair-order.ts';
import type { ReplicaRecord } from './replica/record.ts';

export interface StepPorts {
  replicas: ReplicaStore;
  blocks: BlockStore & EventStore;
  pages: PageStore;
  mempool: Mempool;
  fetched: FetchedStore;
  peers: PeerSender;
  self: SelfSender;
}

/** Signs votes; counts while its incarnation is that of the own seat. */
export type SessionSigner = VoteSigner & {
  readonly incarnation: number;
  /** 65 bytes; of one incarnation there may have been several, and the ledger counts one. */
  readonly publicKey: Uint8Array;
};

export interface ValidatorRuntime {
  self: string;
  genesis: Genesis;
  ports: StepPorts;
  /** The session key; null makes the replica a learner: it follows and does not vote. */
  signer: SessionSigner | null;
  /** The institution's KMS key: signs accusations. */
  identity(): Promise<SigningKey>;
  /** Checks signatures of votes, sessions and transactions. */
  verify: VerifySignature;
  /** Milliseconds since the epoch. */
  clock(): number;
  /** A fresh queue deduplication id. */
  freshId(): string;
  log(event: StepLog): void;
  warm: Map<string, WarmLedger>;
  cache: PageCache;
  verified: VerifiedTransactions;
}

/** Facts for logs and metrics; never transactions, names or keys. */
export type StepLog =
  | { event: 'alarm'; ledger: string; code: string; detail: string }
  | { event: 'committed'; ledger: string; height: number; view: number; transactions: number }
  | { event: 'snapshot'; ledger: string; height: number; parent: number }
  | { event: 'dropped'; ledger: string; reason: string; from: string }
  | { event: 'send_failed'; ledger: string; to: string; reason: string }
  | { event: 'fenced'; ledger: string; attempt: number };

/** What a process keeps of a ledger between runs; always checked against the stored version. */
export interface WarmLedger {
  version: number;
  record: ReplicaRecord;
  /** Whether the outbox of this version has been sent by this process. */
  sent: boolean;
  pending: PendingPool;
  /** By peer: what it says has waited longest there. */
  waited: Map<string, CheckedTransaction>;
  /** Highest turn that was removed since the mempool was last found empty; 0 for none. */
  lastTurn: number;
  /** Turns of the submitters of forwarded requests. */
  turns: TurnBook;
  /** Ids already handed to the leader of `forwardedView`. */
  forwarded: Set<string>;
  forwardedView: number;
  bodies: BodyCache;
}

export interface CheckedTransaction extends QueuedTransaction {
  transaction: Transaction;
}

export interface PendingPool {
  /** In the order in which they are taken into a block. */
  entries: CheckedTransaction[];
  /** False when the mempool may hold more than was read. */
  complete: boolean;
}

/** Recent bodies by header hash (hex): compact JWS in order. */
export class BodyCache {
  readonly #bodies = new Map<string, string[]>();
  readonly #entriesMax = 4;

  get(hash: string): string[] | undefined {
    return this.#bodies.get(hash);
  }

  set(hash: string, transactions: string[]): void {
    this.#bodies.delete(hash);
    this.#bodies.set(hash, transactions);
    const oldest = this.#bodies.keys().next().value;
    if (this.#bodies.size > this.#entriesMax && oldest !== undefined) this.#bodies.delete(oldest);
  }
}

/** Remembers which compact JWS were verified with which keys, so that each is verified once. */
export class VerifiedTransactions {
  readonly #entries = new Map<string, string>();
  readonly #entriesMax = 20_000;

  has(compact: string, keys: string): boolean {
    return this.#entries.get(compact) === keys;
  }

  add(compact: string, keys: string): void {
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size >= this.#entriesMax && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
    this.#entries.set(compact, keys);
  }
}
