// The production inbox function behind a queue at its worst: what it did is not acknowledged the first
// time, so that the queue delivers every message again, and copies of all come later, in reverse
// order. Deployed by `npm run chaos -- redelivery` alone; no stack has it.
import { ChangeMessageVisibilityBatchCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { z } from 'zod';
import { sqsClient } from '../../functions/aws/clients.ts';
import { handler as receive } from '../../functions/validator/inbox.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { COPY_PREFIX, type Copy, deliveriesOf, HeldBack } from './deliveries.ts';

/** Messages by which a copy is late, at most. */
const HELD_BACK = 8;

const QueueUrl = z.url().parse(process.env['INBOX_URL']);
const heldBack = new HeldBack(HELD_BACK);

export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const { batchItemFailures } = await receive(event, context);
  const { first, again, copies } = deliveriesOf(event.Records);
  for (const copy of heldBack.add(first)) await sendAgain(copy);
  console.log(JSON.stringify({ redelivery: { again: again.length, late: copies.length } }));
  if (first.length > 0) await showAtOnce(first);
  const failed = new Set([
    ...batchItemFailures.map(({ itemIdentifier }) => itemIdentifier),
    ...first.map(({ messageId }) => messageId),
  ]);
  return { batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) };
}

async function sendAgain({ group, body }: Copy): Promise<void> {
  await sqsClient().send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody: body,
      MessageGroupId: group,
      MessageDeduplicationId: `${COPY_PREFIX}${randomId()}`,
    }),
  );
}

/** Instead of after the visibility time-out, in which the group would stand still. */
async function showAtOnce(records: readonly SQSRecord[]): Promise<void> {
  const Entries = records.map(({ receiptHandle }, index) => ({
    Id: String(index),
    ReceiptHandle: receiptHandle,
    VisibilityTimeout: 0,
  }));
  await sqsClient().send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }));
}
