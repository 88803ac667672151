/** The stored record of a replica: consensus state and outbox, saved together by one write. */
import { limits } from '../../../lib/limits.ts';
import { decodeCbor, encodeCbor } from '../../../lib/wire/codec.ts';
import { WireError } from '../../../lib/wire/errors.ts';
import type { Message } from '../../../lib/wire/messages.ts';
import type { ArmedTick } from '../../../lib/ports.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';

/** A message on its way: bodies are attached when it is sent, as they are staged already. */
export interface OutboxMessage {
  message: Message;
  withBody: Uint8Array | null;
}

/** One envelope to one peer, its messages shared with those to others (`Run.said`); the id stays the same when a crash makes it go out again. */
export interface OutboxEntry {
  to: string;
  deduplicationId: string;
  messages: OutboxMessage[];
}

export interface ReplicaRecord {
  state: ReplicaState;
  outbox: OutboxEntry[];
  /** Owed to the timer queue. */
  tick: ArmedTick | null;
}

/** As stored: what goes to many peers is there once, and entries name it by its position. */
interface StoredRecord {
  format: number;
  state: ReplicaState;
  tick: ArmedTick | null;
  messages: OutboxMessage[];
  outbox: { to: string; deduplicationId: string; messages: number[] }[];
}

const format = 4;

/** Throws `too_large` where one item cannot hold it: the bounds of a step keep it far below. */
export function encodeRecord({ state, outbox, tick }: ReplicaRecord): Uint8Array {
  const stored: StoredRecord = { format, state, tick, ...sharedMessages(outbox) };
  const bytes = encodeCbor(stored);
  if (bytes.length > limits.chunkBytesMax) {
    throw new WireError('too_large', `a replica's record of ${bytes.length} bytes`);
  }
  return bytes;
}

function sharedMessages(
  entries: readonly OutboxEntry[],
): Pick<StoredRecord, 'messages' | 'outbox'> {
  const messages: OutboxMessage[] = [];
  const positions = new Map<OutboxMessage, number>();
  const positionOf = (one: OutboxMessage): number => {
    const known = positions.get(one);
    if (known !== undefined) return known;
    positions.set(one, messages.length);
    return messages.push(one) - 1;
  };
  const outbox = entries.map((entry) => ({ ...entry, messages: entry.messages.map(positionOf) }));
  return { messages, outbox };
}

export function decodeRecord(bytes: Uint8Array): ReplicaRecord {
  const { state, tick, ...value } = decodeCbor(bytes, limits.chunkBytesMax) as StoredRecord;
  if (value.format !== format) {
    throw new WireError('unsupported_version', `replica record of format ${value.format}`);
  }
  const outbox = value.outbox.map((entry) => ({
    ...entry,
    messages: entry.messages.flatMap((position) => value.messages[position] ?? []),
  }));
  return { state, outbox, tick };
}
