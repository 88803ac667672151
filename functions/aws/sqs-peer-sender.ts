/** Sends consensus messages into peers' FIFO inboxes, in their own accounts. */

import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { PeerSender } from '../../lib/ports.ts';

/** A peer that is away must not hold up a step. */
const SEND_TIMEOUT_MS = 1_000;

/** `peers` maps validator ids to queue URLs; a URL's host decides where a message goes. */
export function sqsPeerSender(
  client: SQSClient,
  peers: Readonly<Record<string, string>>,
): PeerSender {
  return {
    async send(peer, body, { group, deduplicationId }) {
      const url = peers[peer];
      if (url === undefined) throw new RangeError(`${peer} is not a peer of this validator`);
      await client.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: body,
          MessageGroupId: group,
          MessageDeduplicationId: deduplicationId,
        }),
        { abortSignal: AbortSignal.timeout(SEND_TIMEOUT_MS) },
      );
    },
  };
}
