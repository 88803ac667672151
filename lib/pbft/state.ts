/** What a replica of one ledger knows; plain data, stored whole as canonical CBOR. */
import type { CertifiedHeader, NewView, ViewChange } from '../wire/messages.ts';
import type { BlockHeader } from '../wire/header.ts';
import type { Governed } from '../wire/governed.ts';
import type { SessionCertificate } from '../wire/session.ts';
import type { ValidatorSet } from '../wire/validators.ts';
import type { Parameters } from '../wire/parameters.ts';
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
  /** Headers whose body is durable and whose execution matched. */
  executed: Executed[];
  /** Header hashes whose execution did not match: never voted for. */
  refused: Uint8Array[];
  /** A proposal of this view that failed a check before execution: not voted for in this view. */
  faulted: { view: number; hash: Uint8Array } | null;
  /** A body that peers are asked for, by header hash. */
  wanted: Uint8Array | null;
}

/**
 * A header that was executed, and what its block makes govern the height after the next; on a case
 * ledger, the next.
 */
export interface Executed {
  hash: Uint8Array;
  /** Null where the block changes nothing of it. */
  after: Governed | null;
}

/** Who votes at a height, and the session certificates that count there. */
export interface Seats {
  validators: ValidatorSet;
  /** Vote sessions only, verified against the KMS keys of the set. */
  sessions: SessionCertificate[];
}

/** Two votes of one validator for one slot: nobody honest casts them. */
export interface Contradiction {
  first: Vote;
  second: Vote;
  /** Of the set by which both were judged. */
  validatorsHash: Uint8Array;
  /** Of the accused, in that set. */
  incarnation: number;
}

export interface Head extends CertifiedHeader {
  hash: Uint8Array;
}

/** L23: the main ledger, as a step on a case ledger finds it here. */
export interface MainLedger {
  /** Of its committed head. */
  height: number;
  /** Whether the case is not closed at that head. */
  isOpen: boolean;
}

export interface ReplicaState {
  readonly self: string;
  readonly ledger: string;
  readonly genesisHash: Uint8Array;
  /** Hash of the header at height 0, the one head without a certificate. */
  readonly genesisHeaderHash: Uint8Array;
  /** Added to the view to find the leader; 0 on the main ledger. */
  readonly leaderOffset: number;
  /** On a case ledger alone; looked up anew by each step. */
  main: MainLedger | null;
  /** The set that votes on height head + 1. */
  validators: ValidatorSet;
  /** L22: the first height on which that set votes; its views are counted from there on. */
  setFromHeight: number;
  /** Vote sessions of the set, certified by its KMS keys. */
  sessions: SessionCertificate[];
  /** In force at height head + 1. */
  parameters: Parameters;
  /** What governs head + 2 where it differs from head + 1; not known ahead on a case ledger. */
  upcoming: Governed | null;
  /** Who voted on head where that was another set than votes on head + 1. */
  previous: Seats | null;
  /** Incarnation that the session key at hand is certified for; null without a key. */
  session: number | null;
  /** The incarnation in which this replica cast votes that it no longer knows of; null for none. */
  forgot: number | null;
  /** L18: follows and signs nothing; what `session`, `forgot` and the set say, kept for readers. */
  learner: boolean;
  /** Contradicting votes seen here, one pair for each validator, until it is suspended. */
  contradictions: Contradiction[];
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

/** A replica that starts from a head: `setFromHeight` is the height after it unless it says so. */
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
    | 'parameters'
    | 'session'
    | 'head'
    | 'frontier'
  > &
    Partial<Pick<ReplicaState, 'setFromHeight'>>,
): ReplicaState {
  return {
    setFromHeight: start.head.header.height + 1,
    ...start,
    main: null,
    upcoming: null,
    previous: null,
    forgot: null,
    learner: start.session === null,
    contradictions: [],
    halted: '',
    view: 0,
    changing: false,
    slot: emptySlot(),
    next: emptySlot(),
    viewChanges: [],
    newView: null,
    votedHeight: 0,
    oldest: null,
    timeoutMs: start.parameters.requestTimeoutMs,
    quorumSince: null,
    lastTick: { height: 0, view: 0 },
    tickDueAt: null,
    catchUpNotBefore: 0,
  };
}
