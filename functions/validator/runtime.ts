/** What a step runs on: ports, keys, clock and what a warm process remembers. */
import type {
  BlockStore,
  HeadReader,
  Mempool,
  PageStore,
  PeerSender,
  QueuedTransaction,
  ReplicaStore,
  SelfSender,
  VoteSigner,
} from '../../lib/ports.ts';
import type { SignerKeys } from '../../lib/chaincode/resolve-keys.ts';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import type { SigningKey, VerifySignature } from '../../lib/crypto/p256.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { PageCache } from '../../lib/ledger/page-cache.ts';
import type { Transaction } from '../../lib/wire/transaction.ts';
import type { Phase } from '../../lib/wire/vote.ts';
import type { EventStore, FetchedStore } from './ports.ts';
import type { BlockPace } from '../../lib/pbft/block-pace.ts';
import type { HandedPool } from '../../lib/pbft/handed-pool.ts';
import type { TurnBook } from '../../lib/pbft/fair-order.ts';
import type { TreeView } from '../../lib/ledger/state-view.ts';
import type { ReplicaRecord } from './replica/record.ts';

export interface StepPorts {
  replicas: ReplicaStore & Pick<HeadReader, 'head'>;
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
  | {
      event: 'committed';
      ledger: string;
      height: number;
      view: number;
      transactions: number;
      /** How many the chaincode refused, by code. */
      refusals: Readonly<Record<string, number>>;
      /** Of the requests that this validator knows of. */
      correlationIds: readonly string[];
      /** Since the first of these came here, milliseconds; null where none did. */
      waited: number | null;
    }
  | { event: 'voted'; ledger: string; phase: Phase; height: number }
  | { event: 'snapshot'; ledger: string; height: number; parent: number }
  | { event: 'dropped'; ledger: string; reason: string; from: string }
  | { event: 'send_failed'; ledger: string; to: string; reason: string }
  | { event: 'fenced'; ledger: string; attempt: number };

/** How many of a block's transactions the chaincode refused, by code. */
type Refused = Readonly<Record<string, number>>;

/** What a process keeps of a ledger between runs; always checked against the stored version. */
export interface WarmLedger {
  version: number;
  record: ReplicaRecord;
  /** Whether the outbox of this version has been sent by this process. */
  sent: boolean;
  pending: PendingPool & { byCompact: ReadonlyMap<string, CheckedTransaction> };
  /** Whether this process has read the mempool since it loaded this version or an earlier one. */
  isRead: boolean;
  /** By sending account and the peer that it names: what is said to have waited longest there. */
  waited: Map<string, CheckedTransaction>;
  /** Highest turn that was removed since the mempool was last found empty; 0 for none. */
  lastTurn: number;
  /** Turns of the submitters of forwarded requests. */
  turns: TurnBook;
  /** What peers handed to this validator as the leader of a view. */
  handed: HandedPool<CheckedTransaction>;
  /** Requests that were good on a head, and when that was found, milliseconds. */
  good: WeakMap<Transaction, { head: Uint8Array; time: number }>;
  /** The state of the head that it was last asked of. */
  headView: { hash: Uint8Array; view: TreeView } | null;
  /** By id, when it was last handed to the leader of `forwardedView`. */
  forwarded: Map<string, number>;
  forwardedView: number;
  bodies: BodyCache;
  /** As a leader. */
  pace: BlockPace;
  /** Pages of a case ledger's state; those of the main one are in the runtime's cache. */
  pages: PageCache | null;
  /** Of a case ledger: whether the schedule is told of it. */
  isListed: boolean;
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

/** Recent bodies by header hash (hex): compact JWS in order, and what executing them refused. */
export class BodyCache {
  readonly #bodies = new Map<string, { transactions: string[]; refused: Refused }>();
  readonly #entriesMax = 4;

  get(hash: string): string[] | undefined {
    return this.#bodies.get(hash)?.transactions;
  }

  /** Empty where the body is not kept, or was not executed. */
  refused(hash: string): Refused {
    return this.#bodies.get(hash)?.refused ?? {};
  }

  set(hash: string, transactions: string[], refused: Refused = this.refused(hash)): void {
    this.#bodies.delete(hash);
    this.#bodies.set(hash, { transactions, refused });
    const oldest = this.#bodies.keys().next().value;
    if (this.#bodies.size > this.#entriesMax && oldest !== undefined) this.#bodies.delete(oldest);
  }
}

/** Remembers which compact JWS were verified with which keys, so that each is verified once. */
export class VerifiedTransactions {
  readonly #entries = new Map<string, SignerKeys>();
  readonly #entriesMax = 20_000;

  has(compact: string, { outer, inner }: SignerKeys): boolean {
    const known = this.#entries.get(compact);
    if (!known || !equalBytes(known.outer, outer)) return false;
    if (known.inner === null || inner === null) return known.inner === inner;
    return equalBytes(known.inner, inner);
  }

  add(compact: string, keys: SignerKeys): void {
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size >= this.#entriesMax && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
    this.#entries.set(compact, keys);
  }
}
