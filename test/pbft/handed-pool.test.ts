/** What a leader keeps of its peers' requests: bounded, fair, and forgotten with the view. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../lib/limits.ts';
import { costOf, quotaOf } from '../../lib/pbft/fair-order.ts';
import { HandedPool } from '../../lib/pbft/handed-pool.ts';
import type { QueuedTransaction } from '../../lib/ports.ts';

function requests(submitter: string, count: number, bytes = 100): QueuedTransaction[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `${submitter}-${index}`,
    compact: 'x'.repeat(bytes),
    submitter,
    expiresAt: 0,
    arrivedAt: index,
    turn: 0,
  }));
}

const MUCH = 2 ** 30;

const turnsOf = (pool: HandedPool<QueuedTransaction>): number[] =>
  pool.entries().map(({ turn }) => turn);

describe('HandedPool', () => {
  it('gives each submitter turns of its own, none before what was taken', () => {
    const pool = new HandedPool<QueuedTransaction>();
    pool.enter(0);
    pool.add('main', requests('a', 40), MUCH);
    pool.remove(pool.entries().map(({ id }) => id));
    pool.add('main', [...requests('b', 2), ...requests('c', 2)], MUCH);
    expect(turnsOf(pool)).toEqual([41, 42, 41, 42]);
  });

  it('keeps each request once, with the turn that it got first', () => {
    const pool = new HandedPool<QueuedTransaction>();
    pool.enter(0);
    pool.add('main', requests('a', 3), MUCH);
    pool.add('main', requests('a', 3), MUCH);
    expect(turnsOf(pool)).toEqual([1, 2, 3]);
    expect(pool.has('a-2')).toBe(true);
    expect(pool.has('a-3')).toBe(false);
  });

  it('forgets all that belongs to another view, and makes room again', () => {
    const pool = new HandedPool<QueuedTransaction>();
    pool.enter(3);
    pool.add('main', requests('a', 5), MUCH);
    pool.enter(3);
    expect(pool.entries()).toHaveLength(5);
    pool.enter(4);
    expect(pool.entries()).toHaveLength(0);
    pool.add('main', requests('b', 2_000), MUCH);
    expect(pool.entries()).toHaveLength(quotaOf(limits.handedTurnsMax));
  });

  it('holds no more of one submitter than its quota, until some are taken', () => {
    const pool = new HandedPool<QueuedTransaction>();
    const quota = quotaOf(limits.handedTurnsMax);
    pool.enter(0);
    pool.add('main', requests('a', 2 * quota), MUCH);
    expect(pool.entries()).toHaveLength(quota);
    pool.remove(requests('a', quota).map(({ id }) => id));
    expect(pool.entries()).toHaveLength(0);
    pool.add('main', requests('a', 2 * quota).slice(quota), MUCH);
    expect(pool.entries()).toHaveLength(quota);
  });

  it('gives a submitter its whole quota again in a later view', () => {
    const pool = new HandedPool<QueuedTransaction>();
    const quota = quotaOf(limits.handedTurnsMax);
    for (const view of [0, 1, 2]) {
      pool.enter(view);
      pool.add('main', requests('a', 2 * quota), MUCH);
      expect(pool.entries()).toHaveLength(quota);
    }
  });

  it('takes no more bytes than it is given', () => {
    const pool = new HandedPool<QueuedTransaction>();
    pool.enter(0);
    pool.add('main', requests('a', 9, 1_000), 4_500);
    expect([pool.entries().length, pool.bytes]).toEqual([4, 4_000]);
    pool.remove(['a-0', 'a-1']);
    expect(pool.bytes).toBe(2_000);
    pool.enter(1);
    expect(pool.bytes).toBe(0);
  });

  it('lets a newcomer in however much others have handed on', () => {
    const pool = new HandedPool<QueuedTransaction>();
    pool.enter(0);
    for (let greedy = 0; greedy < 60; greedy += 1) {
      pool.add('main', requests(`greedy-${greedy}`, 2_000), MUCH);
    }
    pool.add('main', requests('newcomer', 1), MUCH);
    expect(pool.has('newcomer-0')).toBe(true);
  });

  it('never holds more turns than its bound, and lets nothing in before what was taken (property)', () => {
    const moves = fc.array(
      fc.oneof(
        fc.record({
          submitter: fc.integer({ min: 0, max: 40 }),
          count: fc.integer({ min: 1, max: 1_500 }),
          bytes: fc.integer({ min: 1, max: limits.transactionBytesMax }),
        }),
        fc.record({ taken: fc.integer({ min: 1, max: 2_000 }) }),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(moves, (all) => {
        const pool = new HandedPool<QueuedTransaction>();
        pool.enter(0);
        let taken = 0;
        all.forEach((move, at) => {
          if ('taken' in move) {
            const sorted = pool.entries().sort((a, b) => a.turn - b.turn);
            const front = sorted.slice(0, move.taken);
            pool.remove(front.map(({ id }) => id));
            taken = Math.max(taken, front.at(-1)?.turn ?? 0);
          } else {
            const made = requests(`s${move.submitter}`, move.count, move.bytes);
            const fresh = made.map((one) => ({ ...one, id: `${at}-${one.id}` }));
            pool.add('main', fresh, MUCH);
          }
          const cost = pool.entries().reduce((sum, entry) => sum + costOf(entry), 0);
          expect(cost).toBeLessThanOrEqual(limits.handedTurnsMax);
          for (const { turn } of pool.entries()) expect(turn).toBeGreaterThanOrEqual(taken);
        });
      }),
      { numRuns: 40 },
    );
  });
});
