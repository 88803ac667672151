/** Persist, then send: saves a run under its fence, and sends what the saved state owes. */
import { forwardToLeader } from '../../../lib/pbft/timers.ts';
import { peersOf } from '../../../lib/pbft/seats.ts';
import { toHex } from '../../../lib/crypto/bytes.ts';
import { limits } from '../../../lib/limits.ts';
import type { Envelope, Message, MessageOf } from '../../../lib/wire/messages.ts';
import { encodePeerMessage } from '../../aws/inbox-message.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { samePlain } from '../../../lib/wire/codec.ts';
import {
  encodeRecord,
  type OutboxEntry,
  type OutboxMessage,
  type ReplicaRecord,
} from './record.ts';
import type { ArmedTick } from '../../../lib/ports.ts';
import type { CheckedTransaction } from '../runtime.ts';
import type { Run } from './run.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';

/** Saves state, outbox and readers' head in one conditional write; false when fenced out. */
export async function saveRun(run: Run): Promise<boolean> {
  const { runtime, ledger, warm, state } = run;
  const record: ReplicaRecord = { state, outbox: outboxOf(run), tick: armedTick(run) };
  if (needsNoSave(warm.record, record)) {
    warm.record = { ...warm.record, state };
    return true;
  }
  await listActive(run, true);
  const encoded = encodeRecord(record);
  const { header, hash: headerHash, certificate } = state.head;
  const { votedHeight } = state;
  const head = { height: header.height, headerHash, header, certificate, votedHeight };
  const saved = await runtime.ports.replicas.save(ledger, warm.version, encoded, head);
  if (!saved) return false;
  warm.version += 1;
  warm.record = record;
  warm.sent = record.outbox.length === 0 && record.tick === null;
  return true;
}

/** L23: before a case ledger has anything to lose, the schedule is told of it; once, while warm. */
export async function listActive({ runtime, ledger, warm }: Run, isActive: boolean): Promise<void> {
  if (ledger === MAIN_LEDGER || warm.isListed === isActive) return;
  await runtime.ports.replicas.list(ledger, isActive);
  warm.isListed = isActive;
}

/**
 * True when nothing is to be sent and only peers' votes came in that decide nothing yet. These
 * stay in warm memory: lost with the process, they come again by retransmission (L14, L15).
 */
function needsNoSave(stored: ReplicaRecord, next: ReplicaRecord): boolean {
  if (next.outbox.length > 0 || next.tick !== null) return false;
  return samePlain(lasting(stored.state), lasting(next.state));
}

/** The state without votes and the look at the main ledger; an own vote is never among them, as it has a message in the outbox. */
function lasting(state: ReplicaState): ReplicaState {
  const { slot, next } = state;
  return {
    ...state,
    main: null,
    slot: { ...slot, prepares: [], commits: [] },
    next: { ...next, prepares: [], commits: [] },
  };
}

/** Timers are whole seconds on the queue. */
function armedTick({ tickAt: due, runtime }: Run): ArmedTick | null {
  if (due === null) return null;
  return { due, delaySeconds: Math.max(1, Math.ceil((due - runtime.clock()) / 1000)) };
}

/** Votes travel together; each message with a body travels alone. */
function outboxOf(run: Run): OutboxEntry[] {
  const entries: OutboxEntry[] = [];
  for (const [to, messages] of run.outgoing) {
    let small: OutboxMessage[] = [];
    const close = (): void => {
      if (small.length > 0) {
        entries.push({ to, deduplicationId: run.runtime.freshId(), messages: small });
      }
      small = [];
    };
    for (const one of [...messages.values()].slice(0, limits.outboxPerPeerMax)) {
      small.push(one);
      if (one.withBody) close();
    }
    close();
  }
  return entries;
}

/** Sends what the stored outbox holds; a crash before this makes the next run send it again. */
export async function sendOutbox(run: Run): Promise<void> {
  const { warm } = run;
  if (warm.sent) return;
  const byPeer = new Map<string, OutboxEntry[]>();
  for (const entry of warm.record.outbox) {
    byPeer.set(entry.to, [...(byPeer.get(entry.to) ?? []), entry]);
  }
  const { self } = run.runtime.ports;
  const { tick } = warm.record;
  await Promise.all([
    ...[...byPeer.values()].map((entries) => postInOrder(run, entries)),
    ...(tick ? [self.tick(run.ledger, tick)] : []),
  ]);
  warm.sent = true;
}

async function postInOrder(run: Run, entries: readonly OutboxEntry[]): Promise<void> {
  for (const entry of entries) {
    const messages = await Promise.all(entry.messages.map((one) => withBody(run, one)));
    await post(run, entry.to, messages, entry.deduplicationId);
  }
}

/** Sends what may be lost without harm: requests handed on, catch-up. */
export async function sendVolatile(run: Run): Promise<void> {
  const { runtime, ledger } = run;
  const { self } = runtime.ports;
  const waits: Promise<void>[] = [handOn(run)];
  if (run.catchUp) waits.push(self.catchUp(ledger, run.catchUp));
  if (run.main && run.mainWanted > run.main.head.height) {
    const fromHeight = run.main.head.height + 1;
    waits.push(self.catchUp(MAIN_LEDGER, { fromHeight, toHeight: run.mainWanted }));
  }
  await Promise.all(waits);
}

async function handOn(run: Run): Promise<void> {
  await Promise.all([tellAll(run), handToLeader(run)]);
}

/** L8: the oldest to everyone; all that waits, where no leader is known to take it. */
async function tellAll(run: Run): Promise<void> {
  if (!run.forwardToAll) return;
  const { state, warm } = run;
  const { entries } = warm.pending;
  const oldest = entries.filter(({ id }) => id === state.oldest?.id);
  const others = state.changing ? entries.filter(({ id }) => id !== state.oldest?.id) : [];
  const message: Message = { ...forwardOf([...oldest, ...others]), waiting: true };
  await Promise.all(peersOf(state).map((to) => post(run, to, [message], run.runtime.freshId())));
}

/** L2: new requests to the leader, and those again that it has had for a third of a time-out. */
async function handToLeader(run: Run): Promise<void> {
  const { state, warm, runtime } = run;
  if (warm.forwardedView !== state.view) {
    warm.forwarded.clear();
    warm.forwardedView = state.view;
  }
  const leader = forwardToLeader(state);
  if (!leader) return;
  const now = runtime.clock();
  const isDue = ({ id }: CheckedTransaction): boolean => {
    const handed = warm.forwarded.get(id);
    return handed === undefined || Math.abs(now - handed) >= state.parameters.requestTimeoutMs / 3;
  };
  const due = warm.pending.entries.filter(isDue);
  if (due.length === 0) return;
  const message = forwardOf(due);
  const { length } = message.transactions;
  for (const entry of due.slice(0, length)) warm.forwarded.set(entry.id, now);
  await post(run, leader, [message], runtime.freshId());
}

/** As many as one message holds, in their order. */
function forwardOf(entries: readonly CheckedTransaction[]): MessageOf<'forward'> {
  const taken: CheckedTransaction[] = [];
  let bytes = 0;
  for (const entry of entries) {
    bytes += entry.compact.length;
    if (bytes > limits.forwardBytesMax || taken.length >= limits.blockTransactionsMax) break;
    taken.push(entry);
  }
  const transactions = taken.map(({ compact }) => compact);
  const correlationIds = taken.map(({ correlationId }) => correlationId ?? null);
  const isTraced = correlationIds.some((id) => id !== null);
  return { type: 'forward', transactions, ...(isTraced ? { correlationIds } : {}) };
}

async function withBody(run: Run, { message, withBody: hash }: OutboxMessage): Promise<Message> {
  if (!hash || (message.type !== 'pre-prepare' && message.type !== 'decided')) return message;
  const transactions =
    run.warm.bodies.get(toHex(hash)) ??
    (await run.runtime.ports.blocks.body(run.ledger, hash))?.transactions;
  return transactions ? { ...message, transactions } : message;
}

/** A peer that cannot be reached is not waited for: retransmission is the protocol's. */
async function post(
  run: Run,
  to: string,
  messages: Message[],
  deduplicationId: string,
): Promise<void> {
  const { runtime, ledger } = run;
  const envelope: Envelope = {
    genesisHash: runtime.genesis.hash,
    ledger,
    from: run.state.self,
    messages,
  };
  try {
    const body = encodePeerMessage(envelope);
    await runtime.ports.peers.send(to, body, { group: ledger, deduplicationId });
  } catch (error) {
    const reason = error instanceof Error ? error.name : 'unknown';
    runtime.log({ event: 'send_failed', ledger, to, reason });
  }
}
