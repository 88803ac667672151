/** A run: one attempt at a step, with the replica as loaded and what the step collects. */
import { decodeRecord, type OutboxMessage } from './record.ts';
import type { Input } from '../../../lib/pbft/input.ts';
import { BlockPace } from '../../../lib/pbft/block-pace.ts';
import { TurnBook } from '../../../lib/pbft/fair-order.ts';
import { PageCache } from '../../../lib/ledger/page-cache.ts';
import { HandedPool } from '../../../lib/pbft/handed-pool.ts';
import { limits } from '../../../lib/limits.ts';
import { withSession } from '../../../lib/pbft/seats.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { BodyCache, type ValidatorRuntime, type WarmLedger } from '../runtime.ts';
import { startCase } from './start-case.ts';
import { mainHead, type MainHead } from './main-state.ts';

/** Decoded pages of one case ledger that a process keeps, bytes. */
const CASE_CACHE_BYTES_MAX = 1024 * 1024;

/** Feeds an input to the state machine and does what it asks for (`perform.ts`). */
export type Feed = (run: Run, input: Input) => Promise<void>;

export interface Run {
  readonly runtime: ValidatorRuntime;
  readonly ledger: string;
  readonly warm: WarmLedger;
  readonly feed: Feed;
  /** On a case ledger, the main one as it is at the start of the step. */
  readonly main: MainHead | null;
  /** A case ledger that starts here: peers may know more of it. */
  readonly isNew: boolean;
  /** By the clock of the runtime. */
  readonly startedAt: number;
  state: ReplicaState;
  /** Messages by peer, each once and in order, for the outbox. */
  outgoing: Map<string, Map<string, OutboxMessage>>;
  /** What is said in this run, by its bytes: the same to many peers is one object. */
  said: Map<string, OutboxMessage>;
  /** Requests to hand on after the save: to the leader, or the oldest to all. */
  forwardToAll: boolean;
  tickAt: number | null;
  catchUp: { fromHeight: number; toHeight: number } | null;
  /** L23: the main ledger is to be fetched up to this height; 0 for none. */
  mainWanted: number;
  /** The mempool must be read (again) before the step ends. */
  pendingStale: boolean;
  /** The state machine knows what is oldest of what is in memory. */
  pendingTold: boolean;
  /** `wakeSeq` was raised in this run, after its batch was received. */
  wakeRaised: boolean;
  /** The account that sent the envelope at hand, as SQS names it. */
  sender: string;
  /** Signature checks made in this run, by account and the peer that it names. */
  checks: Map<string, number>;
}

/** Why there is nothing to run: no genesis yet, or a case ledger that the main one does not know. */
export type NoRun = 'not_initialised' | 'unknown_ledger';

/** Loads the replica, from warm memory if the stored version is still the one remembered. */
export async function openRun(
  runtime: ValidatorRuntime,
  ledger: string,
  feed: Feed,
): Promise<Run | NoRun> {
  const main = ledger === MAIN_LEDGER ? null : await mainHead(runtime, ledger);
  if (ledger !== MAIN_LEDGER && !main) return 'unknown_ledger';
  const isNew = main !== null && (await startCase(runtime, ledger, main));
  const warm = await openWarm(runtime, ledger);
  if (!warm) return main ? 'unknown_ledger' : 'not_initialised';
  // L18: without a session key of its incarnation it follows and signs nothing.
  const loaded = withSession(warm.record.state, runtime.signer?.incarnation ?? null);
  return {
    runtime,
    ledger,
    warm,
    feed,
    main,
    isNew,
    startedAt: runtime.clock(),
    // L23: as it is now, whatever was stored.
    state: { ...loaded, main: main && mainOf(main) },
    outgoing: new Map(),
    said: new Map(),
    forwardToAll: false,
    tickAt: null,
    catchUp: null,
    mainWanted: 0,
    pendingStale: false,
    pendingTold: true,
    wakeRaised: false,
    sender: '',
    checks: new Map(),
  };
}

function mainOf({ head, found }: MainHead): ReplicaState['main'] {
  return { height: head.height, isOpen: found.closed === null };
}

async function openWarm(runtime: ValidatorRuntime, ledger: string): Promise<WarmLedger | null> {
  const held = runtime.warm.get(ledger);
  if (held && (await runtime.ports.replicas.version(ledger)) === held.version) return held;
  const stored = await runtime.ports.replicas.load(ledger);
  if (!stored) return null;
  const record = decodeRecord(stored.state);
  const isCase = ledger !== MAIN_LEDGER;
  const warm: WarmLedger = {
    version: stored.version,
    record,
    sent: record.outbox.length === 0 && record.tick === null,
    pending: { entries: [], byCompact: new Map(), complete: record.state.oldest === null },
    isRead: false,
    waited: new Map(),
    lastTurn: 0,
    turns: held?.turns ?? new TurnBook(),
    handed: held?.handed ?? new HandedPool(),
    good: held?.good ?? new WeakMap(),
    headView: null,
    forwarded: new Map(),
    forwardedView: record.state.view,
    bodies: held?.bodies ?? new BodyCache(),
    pace: held?.pace ?? new BlockPace(),
    pages: isCase ? (held?.pages ?? new PageCache(CASE_CACHE_BYTES_MAX)) : null,
    isListed: false,
  };
  remember(runtime, ledger, warm);
  return warm;
}

/** A process that serves many cases forgets those that it has not touched for longest. */
function remember({ warm: all }: ValidatorRuntime, ledger: string, warm: WarmLedger): void {
  all.delete(ledger);
  all.set(ledger, warm);
  for (const name of all.keys()) {
    if (all.size <= limits.warmLedgersMax) return;
    if (name !== MAIN_LEDGER) all.delete(name);
  }
}
