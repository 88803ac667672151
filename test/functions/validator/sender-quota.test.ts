/** Accounts that flood an inbox: counted, cut off for a while, never at the cost of others. */
import type { SQSRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { encodePeerMessage } from '../../../functions/aws/inbox-message.ts';
import { readBatch } from '../../../functions/validator/inbox-batch.ts';
import { SenderQuota } from '../../../functions/validator/sender-quota.ts';
import { limits } from '../../../lib/limits.ts';

const start = 1_700_000_100_000;
const own = ['AROASELF', '111111111111'];

function message(sender: string, changes: { sent?: number; received?: string; body?: string }) {
  const { sent = start, received = '1', body = 'peer:AAAA' } = changes;
  const attributes = {
    ApproximateReceiveCount: received,
    SentTimestamp: String(sent),
    SenderId: `${sender}:session`,
    ApproximateFirstReceiveTimestamp: String(sent),
    MessageGroupId: 'main',
  };
  return { messageId: 'm', receiptHandle: 'r', body, attributes } as unknown as SQSRecord;
}

/** How many of so many messages are read, in batches of ten. */
function readOf(
  quota: SenderQuota,
  sender: string,
  count: number,
  changes: { sent?: number; received?: string; body?: string } = {},
): number {
  let read = 0;
  for (let left = count; left > 0; left -= 10) {
    const size = Math.min(10, left);
    read += quota.admit(Array.from({ length: size }, () => message(sender, changes))).read.length;
  }
  return read;
}

const most = limits.inboxMessagesPerSenderMax;

describe('an account', () => {
  it('is read up to its quota, then cut off with one alarm, and read again later', () => {
    let now = start;
    const quota = new SenderQuota(own, () => now);
    expect(readOf(quota, 'AROAPEER', most + 500)).toBe(most);
    expect(quota.takeCutOffs()).toEqual([
      expect.objectContaining({ senderId: 'AROAPEER', until: now + limits.inboxCutOffMs }),
    ]);
    expect(quota.takeCutOffs()).toEqual([]);
    now += limits.inboxCutOffMs - 1;
    expect(readOf(quota, 'AROAPEER', 10, { sent: now })).toBe(0);
    now += 1;
    expect(readOf(quota, 'AROAPEER', 10, { sent: now })).toBe(10);
    expect(quota.takeCutOffs()).toEqual([]);
  });

  it('costs no other account anything, in the same batch either', () => {
    const quota = new SenderQuota(own, () => start);
    readOf(quota, 'AROAPEER', most + 1);
    const mixed = [message('AROAPEER', {}), message('AROAGOOD', {}), message('AROAPEER', {})];
    expect(quota.admit(mixed).read).toEqual([mixed[1]]);
    expect(quota.admit(mixed).unread).toEqual([mixed[0], mixed[2]]);
  });

  it('is counted by bytes too', () => {
    const quota = new SenderQuota(own, () => start);
    const body = 'x'.repeat(1024 * 1024);
    const fits = limits.inboxBytesPerSenderMax / body.length;
    let read = 0;
    for (let index = 0; index < fits + 5; index += 1) read += readOf(quota, 'A', 1, { body });
    expect(read).toBe(fits);
    expect(quota.takeCutOffs()).toHaveLength(1);
  });

  it('has a bound in one batch, which a process that remembers nothing keeps as well', () => {
    const quota = new SenderQuota(own, () => start);
    const body = 'x'.repeat(1024 * 1024);
    expect(readOf(quota, 'AROAPEER', 10, { body })).toBe(4);
    expect(quota.takeCutOffs()).toEqual([]);
  });

  it('is not blamed for a backlog, nor for steps that failed', () => {
    const quota = new SenderQuota(own, () => start);
    for (let window = 0; window < 20; window += 1) {
      const sent = start + window * limits.inboxWindowMs;
      expect(readOf(quota, 'AROAPEER', most, { sent })).toBe(most);
    }
    expect(readOf(quota, 'AROAPEER', 3 * most, { received: '2' })).toBe(3 * most);
    expect(quota.takeCutOffs()).toEqual([]);
  });

  it('that is the own one is exempt', () => {
    const quota = new SenderQuota(own, () => start);
    expect(readOf(quota, 'AROASELF', 3 * most)).toBe(3 * most);
    expect(readOf(quota, '111111111111', 3 * most)).toBe(3 * most);
  });
});

describe('a batch of the inbox', () => {
  const good = encodePeerMessage({
    genesisHash: new Uint8Array(32),
    ledger: 'main',
    from: 'hospital-b',
    messages: [],
  });

  it('leaves what is cut off unread, and says how much', () => {
    const quota = new SenderQuota(own, () => start);
    readOf(quota, 'AROAPEER', most + 1);
    const records = [
      message('AROAPEER', { body: 'no message' }),
      message('AROAGOOD', { body: good }),
    ];
    const { batches, poisoned, unread } = readBatch(records, own, quota);
    expect(batches.map(({ events }) => events.length)).toEqual([1]);
    expect(poisoned).toEqual([]);
    expect([...unread]).toEqual([['AROAPEER', 1]]);
  });

  it('counts malformed content as many messages', () => {
    const quota = new SenderQuota(own, () => start);
    let poisoned = 0;
    for (let index = 0; index < most; index += 1) {
      poisoned += readBatch([message('AROAPEER', {})], own, quota).poisoned.length;
    }
    expect(poisoned).toBe(most / 10);
    expect(quota.takeCutOffs()).toHaveLength(1);
  });
});
