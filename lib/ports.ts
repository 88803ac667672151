/** The IO that a validator's step needs. Adapters: DynamoDB, SQS and KMS in life, memory in tests. */
import type { StoredLink } from './ledger/stored-link.ts';
import type { HistoryNode, StoredHistoryNode } from './ledger/history-tree.ts';
import type { Certificate } from './wire/vote.ts';
import type { BlockHeader } from './wire/header.ts';

/** A replica's state with the version that fences its writer. */
export interface StoredReplica {
  version: number;
  state: Uint8Array;
}

/** What readers see of a ledger: the newest committed head. */
export interface CommittedHead {
  height: number;
  headerHash: Uint8Array;
  header: BlockHeader;
  /** Null for genesis alone. */
  certificate: Certificate | null;
  /** Height of the highest commit vote that this replica has cast (for fresh reads). */
  votedHeight: number;
}

export interface ReplicaStore {
  /** Consistent read of the whole record, or null before genesis. */
  load(ledger: string): Promise<StoredReplica | null>;
  /** Consistent read of the version alone: the fence, checked before cached state is used. */
  version(ledger: string): Promise<number | null>;
  /**
   * Moves state and readers' head together, only if the stored version is still `expected`
   * (null: only if there is no record). Answers false when another run was first.
   */
  save(
    ledger: string,
    expected: number | null,
    state: Uint8Array,
    head: CommittedHead,
  ): Promise<boolean>;
  /** Lists a case ledger for the five-minute schedule, or no more; idempotent. */
  list(ledger: string, isActive: boolean): Promise<void>;
  /** Raises `wakeSeq` durably and answers the new value; comes before the mempool is read. */
  raiseWake(ledger: string): Promise<number>;
}

/** Read by `api` and other readers; never half a block, as all is reached from a head. */
export interface HeadReader {
  head(ledger: string): Promise<CommittedHead | null>;
  /** The case ledgers that are listed: those with work, and those that were active lately. */
  listed(): Promise<string[]>;
  /** The present `wakeSeq` (consistent), 0 at first. */
  wakeSeq(ledger: string): Promise<number>;
}

export interface BlockBody {
  /** Compact JWS, in order. */
  transactions: string[];
  /** Encoded results, in the same order. */
  results: Uint8Array[];
}

export interface TransactionLocation {
  headerHash: Uint8Array;
  height: number;
  index: number;
}

export interface BlockStore {
  /**
   * Stages body, and a location per transaction, under the header hash. Idempotent; nothing
   * that readers follow refers to it before a head does.
   */
  stageBody(
    ledger: string,
    height: number,
    headerHash: Uint8Array,
    body: BlockBody,
    transactionIds: readonly string[],
  ): Promise<void>;
  body(ledger: string, headerHash: Uint8Array): Promise<BlockBody | null>;
  /** A header with its commit certificate is true whoever wrote it: written before the head moves. */
  putCertified(
    ledger: string,
    header: BlockHeader,
    headerHash: Uint8Array,
    certificate: Certificate,
  ): Promise<void>;
  certified(
    ledger: string,
    height: number,
  ): Promise<{ header: BlockHeader; certificate: Certificate } | null>;
  /** A set change: certified, so true whoever wrote it; written before the head moves. */
  putLink(ledger: string, link: StoredLink): Promise<void>;
  /** All set changes that are kept, in the order of their heights. */
  links(ledger: string): Promise<StoredLink[]>;
  /** Subtrees of the history of committed headers: always the same hash, so written freely. */
  putHistory(ledger: string, nodes: readonly StoredHistoryNode[]): Promise<void>;
  /** In the order asked for; what is not kept is undefined. */
  history(ledger: string, nodes: readonly HistoryNode[]): Promise<(Uint8Array | undefined)[]>;
  /** Where a transaction was staged; the reader checks which of these is committed. */
  locations(ledger: string, transactionId: string): Promise<TransactionLocation[]>;
}

/** Pages of the authenticated tree: immutable, named by height, root and number. */
export interface PageStore {
  getPages(ledger: string, ids: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  putPages(ledger: string, pages: readonly { id: string; bytes: Uint8Array }[]): Promise<void>;
}

export interface PendingTransaction {
  id: string;
  compact: string;
  /** The key whose turns and quota it uses (`submitterOf`). */
  submitter: string;
  expiresAt: number;
  /** When this replica first held it, milliseconds. */
  arrivedAt: number;
  /** For logs alone, and never part of what is agreed on: the request that brought it. */
  correlationId?: string;
}

/** A pending transaction with its place in the fair order (`lib/pbft/fair-order.ts`). */
export interface QueuedTransaction extends PendingTransaction {
  turn: number;
}

/** `full`: no room here; `quota`: its submitter has too much waiting here. */
export type SubmitOutcome = 'accepted' | 'known' | 'full' | 'quota';

/** What a mempool has left when turns are given. */
export interface Room {
  /** The lowest turn that waits. */
  clock: number;
  /** Transactions for which there is room. */
  free: number;
}

/** Gives turns: who got which last is in a table in life, in memory in tests and in a replica. */
export interface TurnSource {
  /** Rising turns for requests of these costs; fewer than asked where the quota is used up. */
  claim(
    ledger: string,
    submitter: string,
    costs: readonly number[],
    room: Room,
  ): number[] | Promise<number[]>;
}

export interface Mempool {
  /**
   * Stores each once by id, at a turn of its submitter; one outcome each, in order. `turns` are
   * those of a replica that takes what peers forward; else they are the mempool's own.
   */
  submit(
    ledger: string,
    entries: readonly PendingTransaction[],
    turns?: TurnSource,
  ): Promise<SubmitOutcome[]>;
  /** The next entries in the fair order, consistent, up to both bounds. */
  next(ledger: string, bounds: { count: number; bytes: number }): Promise<QueuedTransaction[]>;
  has(ledger: string, id: string): Promise<boolean>;
  /** Frees the room of these; `clock`, if known, is the lowest turn that waits then. */
  remove(
    ledger: string,
    entries: readonly QueuedTransaction[],
    clock: number | null,
  ): Promise<void>;
}

/** Sends a queue body to a peer's inbox; rejects on failure or after one second. */
export interface PeerSender {
  send(
    peer: string,
    body: string,
    options: { group: string; deduplicationId: string },
  ): Promise<void>;
}

/** A timer that was set. */
export interface ArmedTick {
  /** Unix ms. A replica takes the tick that it armed last, and no other; 0 only wakes it. */
  readonly due: number;
  readonly delaySeconds: number;
}

/** Own queues: wake and tick messages. */
export interface SelfSender {
  /** After whole seconds, a tick for this ledger, which says for which time it was armed. */
  tick(ledger: string, tick: ArmedTick): Promise<void>;
  /** Asks the catch-up worker to fetch blocks from peers. */
  catchUp(ledger: string, request: { fromHeight: number; toHeight: number }): Promise<void>;
}

/** The session key: signs votes of this validator's incarnation. */
export interface VoteSigner {
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}
