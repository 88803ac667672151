/** A batch of queue messages as steps: one fenced step per ledger, poison acknowledged. */
import type { SQSBatchItemFailure, SQSRecord } from 'aws-lambda';
import { WireError } from '../../lib/wire/errors.ts';
import { decodeInboxMessage, type InboxMessage } from '../aws/inbox-message.ts';
import type { RecoveryMessage } from '../../lib/wire/recovery.ts';
import { senderOf, type SenderQuota } from './sender-quota.ts';
import type { StepEvent } from './step.ts';

export interface LedgerBatch {
  ledger: string;
  events: StepEvent[];
  /** The validator's keys are to be made, once. */
  bootstrap: boolean;
  /** About the genesis document, outside of consensus. */
  recovery: RecoveryMessage[];
  records: SQSRecord[];
}

export interface ReadBatch {
  batches: LedgerBatch[];
  /** Messages that nobody can take; they are counted, acknowledged and gone. */
  poisoned: { messageId: string; senderId: string; reason: string }[];
  /** How many were acknowledged unread, by sender: it is cut off, or sent too much at once. */
  unread: Map<string, number>;
}

/**
 * Sorts a batch by message group; content never throws. Notes to itself count only from
 * `selfSenders`: ids of the own roles, as SQS names them before the colon.
 */
export function readBatch(
  records: readonly SQSRecord[],
  selfSenders: readonly string[],
  quota: SenderQuota,
): ReadBatch {
  const batches = new Map<string, LedgerBatch>();
  const poisoned: ReadBatch['poisoned'] = [];
  const admitted = quota.admit(records);
  for (const record of admitted.read) {
    const group = record.attributes.MessageGroupId ?? '';
    const read = readRecord(record, group, selfSenders);
    if (typeof read === 'string') {
      const { messageId } = record;
      quota.malformed(record);
      poisoned.push({ messageId, senderId: record.attributes.SenderId, reason: read });
      continue;
    }
    const batch = batches.get(group) ?? {
      ledger: group,
      events: [],
      bootstrap: false,
      recovery: [],
      records: [],
    };
    batches.set(group, batch);
    batch.records.push(record);
    if (read.kind === 'bootstrap') batch.bootstrap = true;
    else if (read.kind === 'recovery') batch.recovery.push(read.message);
    else batch.events.push(eventOf(read, senderOf(record)));
  }
  return { batches: [...batches.values()], poisoned, unread: countBySender(admitted.unread) };
}

function countBySender(records: readonly SQSRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const sender of records.map(senderOf)) counts.set(sender, (counts.get(sender) ?? 0) + 1);
  return counts;
}

/** The message, or why it cannot be taken. */
function readRecord(
  record: SQSRecord,
  group: string,
  selfSenders: readonly string[],
): InboxMessage | string {
  let message: InboxMessage;
  try {
    message = decodeInboxMessage(record.body);
  } catch (error) {
    // A message may quote what was sent: the code says enough.
    return error instanceof WireError ? error.code : 'malformed';
  }
  const isNote = message.kind !== 'envelope' && message.kind !== 'recovery';
  if (isNote && !selfSenders.includes(senderOf(record))) return 'a note from elsewhere';
  return message.ledger === group ? message : 'the message group is not the ledger';
}

function eventOf(
  message: Exclude<InboxMessage, { kind: 'bootstrap' | 'recovery' }>,
  sender: string,
): StepEvent {
  switch (message.kind) {
    case 'wake':
      return { kind: 'wake' };
    case 'tick':
      return { kind: 'tick', due: message.due };
    case 'fetched':
      return { kind: 'fetched', fromHeight: message.fromHeight, toHeight: message.toHeight };
    case 'snapshot':
      return { kind: 'snapshot' };
    case 'envelope':
      return { kind: 'envelope', envelope: message.envelope, sender };
  }
}

/** All records of a ledger whose step failed are delivered again, in their order. */
export function failuresOf(batch: LedgerBatch): SQSBatchItemFailure[] {
  return batch.records.map(({ messageId }) => ({ itemIdentifier: messageId }));
}
