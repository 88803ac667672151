/** Timers: a tick goes into the serial inbox; catching up is done here, outside of it. */

import type { EventBridgeEvent, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { limits } from '../../lib/limits.ts';
import { WireError } from '../../lib/wire/errors.ts';
import { decodeTimerMessage, type TimerMessage } from '../aws/timer-message.ts';
import type { BackfillOutcome } from './backfill.ts';
import type { BlockRange } from './catch-up.ts';
import type { InboxSender } from './ports.ts';
import type { SnapshotOutcome } from './snapshot-worker.ts';

/** By then the replica has installed what it was told of. */
const INSTALL_SECONDS = 5;

/** From the timer queue, or from the schedule that re-arms a broken chain. */
export type TimerEvent = SQSEvent | EventBridgeEvent<string, unknown>;

export interface TimerDeps {
  readonly inbox: InboxSender;
  /** Case ledgers that have work, or had some lately. */
  readonly listed: () => Promise<string[]>;
  /** Fetches blocks; null where none came. */
  readonly catchUp: (wanted: BlockRange) => Promise<BlockRange | null>;
  /** Works on a snapshot of a ledger. */
  readonly snapshot: (ledger: string) => Promise<SnapshotOutcome>;
  /** Fetches blocks before a snapshot. */
  readonly backfill: (ledger: string) => Promise<BackfillOutcome>;
  /** Comes back to this in another run. */
  readonly later: (message: TimerMessage, delaySeconds: number) => Promise<void>;
  readonly log: (line: { event: string; error?: unknown }) => void;
}

export async function handleTimer(deps: TimerDeps, event: TimerEvent): Promise<SQSBatchResponse> {
  if (!('Records' in event)) {
    await deps.inbox.send({ kind: 'tick', ledger: MAIN_LEDGER, due: null });
    for (const ledger of await deps.listed()) {
      await deps.inbox.send({ kind: 'tick', ledger, due: null });
    }
    await goOnFilling(deps, MAIN_LEDGER);
    return { batchItemFailures: [] };
  }
  const failed: SQSBatchResponse['batchItemFailures'] = [];
  for (const record of event.Records) {
    try {
      const message = readMessage(deps, record);
      if (message) await handleMessage(deps, message);
    } catch (error) {
      deps.log({ event: 'timer failed', error });
      failed.push({ itemIdentifier: record.messageId });
    }
  }
  return { batchItemFailures: failed };
}

/** Malformed content is counted and acknowledged: it would be as malformed the next time. */
function readMessage(deps: TimerDeps, record: SQSRecord): TimerMessage | null {
  try {
    return decodeTimerMessage(record.body);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    deps.log({ event: 'message dropped', error });
    return null;
  }
}

async function handleMessage(deps: TimerDeps, message: TimerMessage): Promise<void> {
  const { ledger } = message;
  if (message.kind === 'tick') {
    await deps.inbox.send({ kind: 'tick', ledger, due: message.due });
    return;
  }
  if (message.kind === 'backfill') return goOnFilling(deps, ledger);
  const isFar =
    message.kind === 'snapshot' ||
    message.toHeight - message.fromHeight + 1 >= limits.snapshotBehindMin;
  if (isFar && (await takeSnapshot(deps, ledger))) return;
  if (message.kind === 'snapshot') return;
  const fetched = await deps.catchUp(message);
  if (fetched) await deps.inbox.send({ kind: 'fetched', ...fetched });
}

/** What nobody has now is looked for again by the schedule. */
async function goOnFilling(deps: TimerDeps, ledger: string): Promise<void> {
  const outcome = await deps.backfill(ledger);
  if (outcome === 'again') await deps.later({ kind: 'backfill', ledger }, 1);
}

/** Whether a snapshot is on its way, so that blocks are not needed. */
async function takeSnapshot(deps: TimerDeps, ledger: string): Promise<boolean> {
  const outcome = await deps.snapshot(ledger);
  if (outcome === 'complete') {
    await deps.inbox.send({ kind: 'snapshot', ledger });
    await deps.later({ kind: 'backfill', ledger }, INSTALL_SECONDS);
  }
  if (outcome === 'again') await deps.later({ kind: 'snapshot', ledger }, 0);
  return outcome !== 'none';
}
