/** The stored record of a replica: consensus state and outbox, saved together by one write. */
import { decodeCbor, encodeCbor } from '../../../lib/wire/codec.ts';
import { WireError } from '../../../lib/wire/errors.ts';
import type { Message } from '../../../lib/wire/messages.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';

/** A message on its way: bodies are attached when it is sent, as they are staged already. */
export interface OutboxMessage {
  message: Message;
  withBody: Uint8Array | null;
}

/** One envelope to one peer; the id stays the same when a crash makes it go out again. */
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

/** Stored state is our own; the bound only keeps it inside one item. */
const recordBytesMax = 390 * 1024;
const format = 1;

export function encodeRecord(record: ReplicaRecord): Uint8Array {
  const bytes = encodeCbor({ format, ...record });
  if (bytes.length > recordBytesMax) {
    throw new WireError('too_large', `a replica's record of ${bytes.length} bytes`);
  }
  return bytes;
}

export function decodeRecord(bytes: Uint8Array): ReplicaRecord {
  const value = decodeCbor(bytes, recordBytesMax) as { format: number } & ReplicaRecord;
  if (value.format !== format) {
    throw new WireError('unsupported_version', `replica record of format ${value.format}`);
  }
  return { state: value.state, outbox: value.outbox, tickSeconds: value.tickSeconds };
}
