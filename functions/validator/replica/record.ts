/** The stored record of a replica: consensus state and outbox, saved together by one write. */
import { limits } from '../../../lib/limits.ts';
import { decodeCbor, encodeCbor } from '../../../lib/wire/codec.ts';
import { WireError } from '../../../lib/wire/errors.ts';
import type { Message } from '../../../lib/wire/messages.ts';
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
  /** A tick owed to the timer queue, in whole seconds; 0 for none. */
  tickSeconds: number;
}

/** As stored: what goes to many peers is there once, and entries name it by its position. */
interface StoredRecord {
  format: number;
  state: ReplicaState;
  tickSeconds: number;
  messages: OutboxMessage[];
  outbox: { to: string; deduplicationId: string; messages: number[] }[];
}

const format = 2;

/** Throws `too_large` where one item cannot hold it: the bounds of a step keep it far below. */
export function encodeRecord({ state, outbox, tickSeconds }: ReplicaRecord): Uint8Array {
  const stored: StoredRecord = { format, state, tickSeconds, ...sharedMessages(outbox) };
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
  const { state, tickSeconds, ...value } = decodeCbor(bytes, limits.chunkBytesMax) as StoredRecord;
  if (value.format !== format) {
    throw new WireError('unsupported_version', `replica record of format ${value.format}`);
  }
  const outbox = value.outbox.map((entry) => ({
    ...entry,
    messages: entry.messages.flatMap((position) => value.messages[position] ?? []),
  }));
  return { state, outbox, tickSeconds };
}
