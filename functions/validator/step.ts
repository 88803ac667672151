/**
 * One step of a validator: the one place where consensus, chaincode and storage meet. A step
 * loads the replica, feeds it what came, makes durable what it wants staged, saves once under
 * the fence, and only then sends. Lambda, simulator and benchmark run this same function.
 */
import type { Envelope } from '../../lib/wire/messages.ts';
import { isBusy } from '../../lib/pbft/timers.ts';
import { toHex } from '../../lib/crypto/bytes.ts';
import { limits } from '../../lib/limits.ts';
import { acceptEnvelope, acceptFetched } from './replica/accept.ts';
import { installSnapshot } from './replica/install-snapshot.ts';
import { refreshPending, takeOwn, takeWake } from './replica/pending.ts';
import { type NoRun, openRun, type Run } from './replica/run.ts';
import { listActive, saveRun, sendOutbox, sendVolatile } from './replica/send.ts';
import { feed } from './replica/perform.ts';
import type { ValidatorRuntime } from './runtime.ts';

export type StepEvent =
  /** The mempool holds something new. */
  | { kind: 'wake' }
  /** `due`: for when it was armed; null from the five-minute schedule. */
  | { kind: 'tick'; due: number | null }
  /** The catch-up worker has put these blocks into the fetched store. */
  | { kind: 'fetched'; fromHeight: number; toHeight: number }
  /** The timer function holds a snapshot whole. */
  | { kind: 'snapshot' }
  /** A transaction of this validator itself, as compact JWS. */
  | { kind: 'own'; transaction: string }
  /** `sender`: the account that SQS names; whoever may send can write any validator as `from`. */
  | { kind: 'envelope'; envelope: Envelope; sender?: string };

export type StepOutcome = 'done' | NoRun;

/** Thrown when other runs of this replica kept winning the fence; the batch is delivered again. */
export class FencedOutError extends Error {
  override readonly name = 'FencedOutError';
  readonly code: 'fenced_out';
  constructor(ledger: string) {
    super(`another run of ${ledger} was first, three times`);
    this.code = 'fenced_out';
  }
}

const attemptsMax = 3;

/** Runs a batch of events of one ledger, in order, as one fenced step. */
export async function step(
  runtime: ValidatorRuntime,
  ledger: string,
  events: readonly StepEvent[],
): Promise<StepOutcome> {
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const run = await openRun(runtime, ledger, feed);
    if (typeof run === 'string') return run;
    if (!run.warm.sent) await sendOutbox(run);
    // L23: there may be much of it that this validator has missed.
    if (run.isNew) await feed(run, { type: 'tick', due: null });
    for (const event of events) await handle(run, event);
    await refreshPending(run);
    if (await saveRun(run)) {
      await Promise.all([sendOutbox(run), sendVolatile(run)]);
      await rest(run, events);
      return 'done';
    }
    runtime.warm.delete(ledger);
    runtime.log({ event: 'fenced', ledger, attempt });
  }
  throw new FencedOutError(ledger);
}

/** A case ledger that the schedule finds at rest is left alone until something happens again. */
async function rest(run: Run, events: readonly StepEvent[]): Promise<void> {
  const isScheduled = events.some((event) => event.kind === 'tick' && event.due === null);
  if (!isScheduled || isBusy(run.state)) return;
  run.warm.isListed = true;
  await listActive(run, false);
}

async function handle(run: Run, event: StepEvent): Promise<void> {
  switch (event.kind) {
    case 'wake':
      return takeWake(run);
    case 'tick':
      run.pendingStale = true;
      await refreshPending(run);
      return feed(run, { type: 'tick', due: event.due });
    case 'fetched':
      return takeFetched(run, event.fromHeight, event.toHeight);
    case 'snapshot':
      return installSnapshot(run);
    case 'own':
      return takeOwn(run, event.transaction);
    case 'envelope':
      return acceptEnvelope(run, event.envelope, event.sender);
  }
}

/** L17: what was fetched may be old by now: peers are asked for more, also when all is at rest. */
async function takeFetched(run: Run, fromHeight: number, toHeight: number): Promise<void> {
  const before = run.state.head.header.height;
  await replayFetched(run, fromHeight, toHeight);
  // Several fetches may be under way: one that brought nothing new asks for nothing.
  if (run.state.head.header.height === before) return;
  run.state = { ...run.state, catchUpNotBefore: 0 };
  await feed(run, { type: 'tick', due: null });
}

/**
 * L17: blocks from peers' HTTPS, each checked against its certificate before it is executed. Ends
 * early, after one block at least, where they take long: a run that times out saves nothing.
 */
async function replayFetched(run: Run, fromHeight: number, toHeight: number): Promise<void> {
  const { runtime, ledger } = run;
  const before = run.state.head.header.height;
  for (let height = fromHeight; height <= toHeight; height += 1) {
    if (height <= run.state.head.header.height) continue;
    const isLate = runtime.clock() - run.startedAt >= limits.replayMsMax;
    if (isLate && run.state.head.header.height > before) return;
    const block = await runtime.ports.fetched.get(ledger, height);
    if (!block) return;
    await acceptFetched(run, block);
    if (run.state.head.header.height < height) {
      const reason = `fetched ${toHex(block.certificate.hash)}`;
      runtime.log({ event: 'dropped', ledger, reason, from: run.state.self });
      return;
    }
  }
}
