/** What a replica of one ledger knows; plain data, stored whole as canonical CBOR. */
import type { CertifiedHeader, NewView, ViewChange } from '../wire/messages.ts';
import type { BlockHeader } from '../wire/header.ts';
import type { SessionCertificate } from '../wire/session.ts';
import type { ValidatorSet } from '../wire/validators.ts';
import type { Certificate, Vote } from '../wire/vote.ts';

export interface Proposal {
  /** The view in which it is voted on; the header keeps that of its first proposal. */
  view: number;
  header: BlockHeader;
  hash: Uint8Array;
  /** The leader's own prepare vote; null until the leader itself has signed. */
  vote: Vote | null;
}

/** One height in flight. Invariant: at most one vote per validator and phase. */
export interface Slot {
  proposal: Proposal | null;
  prepares: Vote[];
  commits: Vote[];
  /** Prepared certificate of the highest view: survives view changes until the height commits. */
  prepared: { header: BlockHeader; certificate: Certificate } | null;
  /** Own votes, stored before they are sent: never contradicted. */
  myPrepare: { view: number; hash: Uint8Array } | null;
  myCommit: { view: number; hash: Uint8Array } | null;
  /** A commit certificate seen for this height, with its header once that is known. */
  decided: { header: BlockHeader | null; certificate: Certificate } | null;
  /** Header hashes whose body is durable and whose execution matched. */
  executed: Uint8Array[];
  /** Header hashes whose execution did not match: never voted for. */
  refused: Uint8Array[];
  /** A proposal of this view that failed a check before execution: not voted for in this view. */
  faulted: { view: number; hash: Uint8Array } | null;
  /** A body that peers are asked for, by header hash. */
  wanted: Uint8Array | null;
}

export interface Head extends CertifiedHeader {
  hash: Uint8Array;
}

export interface ReplicaState {
  readonly self: string;
  readonly ledger: string;
  readonly genesisHash: Uint8Array;
  /** Hash of the header at height 0, the one head without a certificate. */
  readonly genesisHeaderHash: Uint8Array;
  /** Added to the view to find the leader; 0 on the main ledger. */
  readonly leaderOffset: number;
  /** The set that votes on height head + 1. */
  validators: ValidatorSet;
  /** Verified session certificates of the set, those of genesis first. */
  sessions: SessionCertificate[];
  /** A learner follows and answers nothing that counts: its session key is missing or not its own. */
  learner: boolean;
  /** Why the replica stopped; empty while it runs. */
  halted: string;
  head: Head;
  /** RFC 9162 compact range over the header hashes 0 … head. */
  frontier: Uint8Array[];
  view: number;
  /** True between asking for `view` and entering it. */
  changing: boolean;
  /** Height head + 1. */
  slot: Slot;
  /** Height head + 2: kept, not acted on. */
  next: Slot;
  /** Newest view-change of each validator. */
  viewChanges: ViewChange[];
  /** The new-view by which `view` was entered; null in view 0. */
  newView: NewView | null;
  /** Height of the highest commit vote ever cast. */
  votedHeight: number;
  /** The oldest valid request that waits here, since when, and whether all were told. */
  oldest: { id: string; since: number; told: boolean } | null;
  /** How long a view may make no progress, milliseconds. */
  timeoutMs: number;
  /** Since when a quorum asks for `view` while it is not entered. */
  quorumSince: number | null;
  /** Head and view at the last tick: no status is sent while they move. */
  lastTick: { height: number; view: number };
  /** When the outstanding tick is due, or null. */
  tickDueAt: number | null;
  /** Before this time no other catch-up is asked for. */
  catchUpNotBefore: number;
}

/** Bounds of a replica that come from the network's parameters. */
export interface Timing {
  requestTimeoutMs: number;
  viewTimeoutMsMax: number;
  clockSkewMsMax: number;
}

export function emptySlot(): Slot {
  return {
    proposal: null,
    prepares: [],
    commits: [],
    prepared: null,
    myPrepare: null,
    myCommit: null,
    decided: null,
    executed: [],
    refused: [],
    faulted: null,
    wanted: null,
  };
}

/** A replica that starts from a genesis head. */
export function initialState(
  start: Pick<
    ReplicaState,
    | 'self'
    | 'ledger'
    | 'genesisHash'
    | 'genesisHeaderHash'
    | 'leaderOffset'
    | 'validators'
    | 'sessions'
    | 'head'
    | 'frontier'
  >,
  timing: Timing,
): ReplicaState {
  return {
    ...start,
    learner: false,
    halted: '',
    view: 0,
    changing: false,
    slot: emptySlot(),
    next: emptySlot(),
    viewChanges: [],
    newView: null,
    votedHeight: 0,
    oldest: null,
    timeoutMs: timing.requestTimeoutMs,
    quorumSince: null,
    lastTick: { height: 0, view: 0 },
    tickDueAt: null,
    catchUpNotBefore: 0,
  };
}
