/** Batches of queue messages: mixed, malformed, in the wrong group. */
import type { SQSRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { encodePeerMessage, encodeSelfMessage } from '../../../functions/aws/inbox-message.ts';
import { failuresOf, readBatch } from '../../../functions/validator/inbox-batch.ts';
import { SenderQuota } from '../../../functions/validator/sender-quota.ts';

const envelope = {
  genesisHash: new Uint8Array(32),
  ledger: 'main',
  from: 'hospital-b',
  messages: [],
};

const own = ['AROASELF'];
const quota = () => new SenderQuota(own, () => 0);

function record(
  body: string,
  group = 'main',
  id = body.slice(0, 12),
  sender = 'AROASELF:api',
): SQSRecord {
  return {
    messageId: id,
    receiptHandle: id,
    body,
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: '0',
      SenderId: sender,
      ApproximateFirstReceiveTimestamp: '0',
      MessageGroupId: group,
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: '',
    awsRegion: '',
  };
}

describe('a batch', () => {
  it('becomes one list of events per ledger, in order', () => {
    const wake = encodeSelfMessage({ kind: 'wake', ledger: 'main' });
    const tick = encodeSelfMessage({ kind: 'tick', ledger: 'case-1', due: 1_000 });
    const read = readBatch(
      [
        record(wake, 'main', '1'),
        record(tick, 'case-1', '2'),
        record(encodePeerMessage(envelope), 'main', '3', 'AROAPEER:inbox'),
      ],
      own,
      quota(),
    );
    expect(read.poisoned).toEqual([]);
    expect(
      read.batches.map((batch) => [batch.ledger, batch.events.map((event) => event.kind)]),
    ).toEqual([
      ['main', ['wake', 'envelope']],
      ['case-1', ['tick']],
    ]);
    // Whoever may send can write any name: what counts is whom SQS names.
    expect(read.batches[0]?.events[1]).toEqual({ kind: 'envelope', envelope, sender: 'AROAPEER' });
    expect(read.batches[0] && failuresOf(read.batches[0])).toEqual([
      { itemIdentifier: '1' },
      { itemIdentifier: '3' },
    ]);
  });

  it('takes notes to itself from its own roles alone', () => {
    const wake = encodeSelfMessage({ kind: 'wake', ledger: 'main' });
    const read = readBatch([record(wake, 'main', 'forged', 'AROAPEER:inbox')], own, quota());
    expect(read.batches).toEqual([]);
    expect(read.poisoned).toEqual([
      { messageId: 'forged', senderId: 'AROAPEER:inbox', reason: 'a note from elsewhere' },
    ]);
  });

  const poison: [string, string, string?][] = [
    ['nothing', ''],
    ['bare JSON', '{"kind":"wake"}'],
    ['a note that is not JSON', 'self:AAAA'],
    ['an unknown note', `self:${Buffer.from('{"kind":"halt"}').toString('base64url')}`],
    ['an envelope that is not CBOR', 'peer:AAAA'],
    ['an envelope with padding', `${encodePeerMessage(envelope)}=`],
    ['an envelope in the wrong group', encodePeerMessage(envelope), 'case-9'],
    ['a huge envelope', `peer:${'A'.repeat(2_000_000)}`],
  ];
  it.each(poison)('acknowledges %s and keeps the rest', (_name, body, group = 'main') => {
    const wake = encodeSelfMessage({ kind: 'wake', ledger: 'main' });
    const read = readBatch(
      [record(body, group, 'bad'), record(wake, 'main', 'good')],
      own,
      quota(),
    );
    expect(read.poisoned.map((one) => one.messageId)).toEqual(['bad']);
    expect(read.batches.map((batch) => batch.events)).toEqual([[{ kind: 'wake' }]]);
  });
});
