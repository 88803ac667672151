/** The simulated FIFO queue does what SQS documents: order, groups, deduplication, visibility. */
import { describe, expect, it } from 'vitest';
import { deduplicationMs, FifoQueue } from './queue.ts';

const sender = 'AROA-a:session';

function filled(...messages: readonly (readonly [body: string, group?: string])[]): FifoQueue {
  const queue = new FifoQueue();
  for (const [body, group = 'main'] of messages) {
    queue.send(0, { body, group, deduplicationId: `id ${body}`, sender });
  }
  return queue;
}

const bodies = (batch: readonly { body: string }[]): string[] => batch.map((one) => one.body);

describe('deduplication', () => {
  it('drops an id for five minutes, also after its message was consumed', () => {
    const queue = filled(['one']);
    const again = { body: 'two', group: 'main', deduplicationId: 'id one', sender };
    queue.delete(queue.receive(0, 10));
    expect(queue.length).toBe(0);
    expect(queue.send(deduplicationMs - 1, again)).toBe(false);
    expect(queue.length).toBe(0);
    expect(queue.send(deduplicationMs, again)).toBe(true);
    expect(queue.length).toBe(1);
  });

  it('counts from when the id was taken, not from when it was tried again', () => {
    const queue = filled(['one']);
    const again = { body: 'two', group: 'main', deduplicationId: 'id one', sender };
    expect(queue.send(deduplicationMs / 2, again)).toBe(false);
    expect(queue.send(deduplicationMs, again)).toBe(true);
  });

  it('is over all groups and senders, and survives a purge', () => {
    const queue = filled(['one']);
    queue.purge();
    const other = { body: 'x', group: 'other', deduplicationId: 'id one', sender: 'else' };
    expect(queue.send(1, other)).toBe(false);
  });
});

describe('a group', () => {
  it('gives out no more while messages of it are in flight; another group does', () => {
    const queue = filled(['one'], ['two'], ['else', 'other']);
    expect(bodies(queue.receive(0, 1))).toEqual(['one']);
    expect(bodies(queue.receive(0, 10))).toEqual(['else']);
    expect(queue.receive(0, 10)).toEqual([]);
  });

  it('keeps its order, and mixes with others in one batch', () => {
    const queue = filled(['one'], ['else', 'other'], ['two']);
    expect(bodies(queue.receive(0, 10))).toEqual(['one', 'else', 'two']);
  });

  it('is visible again in order when the time is over', () => {
    const queue = filled(['one'], ['two']);
    queue.receive(0, 1);
    expect(queue.readyAt(0)).toBe(20_000);
    expect(queue.receive(19_999, 10)).toEqual([]);
    expect(bodies(queue.receive(20_000, 10))).toEqual(['one', 'two']);
  });

  it('is visible at once when the receiver says so', () => {
    const queue = filled(['one'], ['two']);
    queue.release(queue.receive(0, 10), 5);
    expect(queue.readyAt(1)).toBe(5);
    const second = queue.receive(5, 10);
    expect(second.map((one) => one.receives)).toEqual([2, 2]);
  });
});

describe('a receive that is over', () => {
  it('acknowledges nothing that was given to another', () => {
    const queue = filled(['one']);
    const late = queue.receive(0, 10);
    const second = queue.receive(20_000, 10);
    queue.delete(late);
    expect(queue.length).toBe(1);
    queue.release(late, 20_001);
    expect(queue.readyAt(20_001)).toBe(40_000);
    queue.delete(second);
    expect(queue.length).toBe(0);
  });

  it('gives a message up after ten times', () => {
    const queue = filled(['poison'], ['good']);
    let now = 0;
    for (let count = 0; count < 10; count += 1) {
      expect(bodies(queue.receive(now, 1))).toEqual(['poison']);
      now += 20_000;
    }
    expect(bodies(queue.receive(now, 10))).toEqual(['good']);
    expect(queue.dead).toBe(1);
  });
});
