/** A run: one attempt at a step, with the replica as loaded and what the step collects. */
import { decodeRecord, type OutboxMessage } from './record.ts';
import type { Input } from '../../../lib/pbft/input.ts';
import { TurnBook } from '../../../lib/pbft/fair-order.ts';
import { withSession } from '../../../lib/pbft/seats.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import { BodyCache, type ValidatorRuntime, type WarmLedger } from '../runtime.ts';

/** Feeds an input to the state machine and does what it asks for (`perform.ts`). */
export type Feed = (run: Run, input: Input) => Promise<void>;

export interface Run {
  readonly runtime: ValidatorRuntime;
  readonly ledger: string;
  readonly warm: WarmLedger;
  readonly feed: Feed;
  state: ReplicaState;
  /** Messages by peer, each once and in order, for the outbox. */
  outgoing: Map<string, Map<string, OutboxMessage>>;
  /** What is said in this run, by its bytes: the same to many peers is one object. */
  said: Map<string, OutboxMessage>;
  /** Requests to hand on after the save: to the leader, or the oldest to all. */
  forwardToAll: boolean;
  tickAt: number | null;
  catchUp: { fromHeight: number; toHeight: number } | null;
  /** The mempool must be read (again) before the step ends. */
  pendingStale: boolean;
  /** `wakeSeq` was raised in this run, after its batch was received. */
  wakeRaised: boolean;
  /** The account that sent the envelope at hand, as SQS names it. */
  sender: string;
  /** Signature checks made in this run, by account and the peer that it names. */
  checks: Map<string, number>;
}

/** Loads the replica, from warm memory if the stored version is still the one remembered. */
export async function openRun(
  runtime: ValidatorRuntime,
  ledger: string,
  feed: Feed,
): Promise<Run | null> {
  const warm = await openWarm(runtime, ledger);
  if (!warm) return null;
  // L18: without a session key of its incarnation it follows and signs nothing.
  const state = withSession(warm.record.state, runtime.signer?.incarnation ?? null);
  return {
    runtime,
    ledger,
    warm,
    feed,
    state,
    outgoing: new Map(),
    said: new Map(),
    forwardToAll: false,
    tickAt: null,
    catchUp: null,
    pendingStale: false,
    wakeRaised: false,
    sender: '',
    checks: new Map(),
  };
}

async function openWarm(runtime: ValidatorRuntime, ledger: string): Promise<WarmLedger | null> {
  const held = runtime.warm.get(ledger);
  if (held && (await runtime.ports.replicas.version(ledger)) === held.version) return held;
  const stored = await runtime.ports.replicas.load(ledger);
  if (!stored) return null;
  const record = decodeRecord(stored.state);
  const warm: WarmLedger = {
    version: stored.version,
    record,
    sent: record.outbox.length === 0 && record.tick === null,
    pending: { entries: [], complete: record.state.oldest === null },
    waited: new Map(),
    lastTurn: 0,
    turns: held?.turns ?? new TurnBook(),
    forwarded: new Set(),
    forwardedView: record.state.view,
    bodies: held?.bodies ?? new BodyCache(),
  };
  runtime.warm.set(ledger, warm);
  return warm;
}
