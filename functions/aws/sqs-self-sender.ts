/** A validator's messages to its own queues: timers with a delay, and notes to its inbox. */

import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { toHex, utf8 } from '../../lib/crypto/bytes.ts';
import { hmacSha256 } from '../../lib/crypto/hash.ts';
import { randomId } from '../../lib/crypto/random.ts';
import type { SelfSender } from '../../lib/ports.ts';
import type { InboxSender } from '../validator/ports.ts';
import { encodeSelfMessage, type SelfMessage } from './inbox-message.ts';
import { encodeTimerMessage, type TimerMessage } from './timer-message.ts';

/** What SQS delays at most, seconds. */
const DELAY_SECONDS_MAX = 900;

/** Sends to the own timer queue. */
export function sqsTimerSender(
  client: SQSClient,
  timerUrl: string,
): (message: TimerMessage, delaySeconds: number) => Promise<void> {
  return async (message, delaySeconds) => {
    await client.send(
      new SendMessageCommand({
        QueueUrl: timerUrl,
        MessageBody: encodeTimerMessage(message),
        DelaySeconds: Math.min(DELAY_SECONDS_MAX, Math.max(0, Math.ceil(delaySeconds))),
      }),
    );
  };
}

/** Timers are hints against stored deadlines: a repeated or lost one does no harm. */
export function sqsSelfSender(client: SQSClient, timerUrl: string): SelfSender {
  const send = sqsTimerSender(client, timerUrl);
  return {
    async tick(ledger, { due, delaySeconds }) {
      await send({ kind: 'tick', ledger, due }, delaySeconds);
    },
    async catchUp(ledger, { fromHeight, toHeight }) {
      await send({ kind: 'catch-up', ledger, fromHeight, toHeight }, 0);
    },
  };
}

/**
 * Notes to the own inbox. Wake messages under one `wakeSeq` share an id, so that SQS drops all but
 * the first; the secret keeps others from sending that id before.
 */
export function sqsInboxSender(
  client: SQSClient,
  inboxUrl: string,
  wakeSecret: () => Promise<Uint8Array | null>,
): InboxSender {
  const send = async (message: SelfMessage, deduplicationId: string): Promise<void> => {
    await client.send(
      new SendMessageCommand({
        QueueUrl: inboxUrl,
        MessageBody: encodeSelfMessage(message),
        MessageGroupId: message.ledger,
        MessageDeduplicationId: deduplicationId,
      }),
    );
  };
  return {
    async wake(ledger, wakeSeq) {
      const secret = await wakeSecret();
      const named = utf8(JSON.stringify([ledger, wakeSeq]));
      const id = secret === null ? randomId() : toHex(hmacSha256(secret, named));
      await send({ kind: 'wake', ledger }, id);
    },
    async send(message) {
      await send(message, randomId());
    },
  };
}
