/** The fair order: what a flood, a back-dated or a large request can and cannot do to others. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../lib/limits.ts';
import {
  arrange,
  clockAfter,
  compareTurns,
  costOf,
  firstArrived,
  nextTurns,
  NOT_STORED,
  quotaOf,
  TurnBook,
} from '../../lib/pbft/fair-order.ts';
import type { QueuedTransaction } from '../../lib/ports.ts';

const ROOM = 20_000;

function entry(changes: Partial<QueuedTransaction>): QueuedTransaction {
  return { id: 'a', compact: 'x', submitter: 's', expiresAt: 0, arrivedAt: 0, turn: 1, ...changes };
}

/** A validator's queue as the adapters keep it: turns at arrival, blocks from the front. */
class Queue {
  clock = 0;
  waiting: QueuedTransaction[] = [];
  readonly #book = new TurnBook();
  #arrivals = 0;

  submit(submitter: string, bytes = 100): QueuedTransaction | null {
    const room = { clock: this.clock, free: ROOM - this.waiting.length };
    const made = entry({ submitter, compact: 'x'.repeat(bytes) });
    const [turn] = this.#book.claim('main', submitter, [costOf(made)], room);
    if (turn === undefined) return null;
    this.#arrivals += 1;
    const id = String(this.#arrivals).padStart(8, '0');
    const queued = { ...made, id, turn, arrivedAt: this.#arrivals };
    this.waiting.push(queued);
    return queued;
  }

  block(size: number): QueuedTransaction[] {
    const taken = this.waiting.sort(compareTurns).slice(0, size);
    this.waiting = this.waiting.slice(taken.length);
    const last = Math.max(0, ...taken.map(({ turn }) => turn));
    const clock = clockAfter(last, { entries: this.waiting, complete: true });
    this.clock = Math.max(this.clock, clock ?? 0);
    return taken;
  }
}

/** Submissions by small numbers of keys, and blocks between them. */
type Traffic = { key: number; count: number } | { block: number };

const traffic: fc.Arbitrary<Traffic[]> = fc.array(
  fc.oneof(
    fc.record({ key: fc.integer({ min: 0, max: 5 }), count: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ block: fc.integer({ min: 1, max: 20 }) }),
  ),
  { maxLength: 60 },
);

function play(queue: Queue, events: readonly Traffic[]): void {
  for (const event of events) {
    if ('block' in event) queue.block(event.block);
    else for (let i = 0; i < event.count; i += 1) queue.submit(`flooder ${event.key}`);
  }
}

describe('one request of a newcomer', () => {
  it('waits for two of each other submitter at most, whatever came before', () => {
    fc.assert(
      fc.property(traffic, (events) => {
        const queue = new Queue();
        play(queue, events);
        const late = queue.submit('newcomer');
        expect(late).not.toBeNull();
        const ahead = queue.block(ROOM).findIndex(({ id }) => id === late?.id);
        expect(ahead).toBeLessThanOrEqual(2 * 6);
      }),
    );
  });

  it('is taken although fresh keys come without end, and so are older ones', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20 }), (own, rate) => {
        const queue = new Queue();
        const mine = Array.from({ length: own }, () => queue.submit('patient')?.id);
        for (let round = 0; round < own + 2; round += 1) {
          for (let i = 0; i < rate; i += 1) queue.submit(`fresh ${round} ${i}`);
          queue.block(rate + 1);
        }
        const left = queue.waiting.filter(({ id }) => mine.includes(id));
        expect(left).toEqual([]);
      }),
    );
  });
});

describe('any traffic', () => {
  it('keeps each submitter in its own order, and gives nobody a turn twice', () => {
    fc.assert(
      fc.property(traffic, (events) => {
        const queue = new Queue();
        play(queue, events);
        const order = queue.block(ROOM);
        for (const submitter of new Set(order.map((one) => one.submitter))) {
          const own = order.filter((one) => one.submitter === submitter);
          const arrivals = own.map(({ arrivedAt }) => arrivedAt);
          expect(arrivals).toEqual([...arrivals].sort((a, b) => a - b));
          expect(new Set(own.map(({ turn }) => turn)).size).toBe(own.length);
        }
      }),
    );
  });

  it('takes the same number of each, as far as they have some, give or take one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 8 }),
        fc.integer({ min: 1, max: 200 }),
        (sizes, blockSize) => {
          const queue = new Queue();
          for (const [key, size] of sizes.entries()) {
            for (let i = 0; i < size; i += 1) queue.submit(`key ${key}`);
          }
          const taken = queue.block(blockSize);
          const counts = sizes.map(
            (_, k) => taken.filter((t) => t.submitter === `key ${k}`).length,
          );
          const most = Math.max(...counts);
          for (const [key, count] of counts.entries()) {
            expect(count).toBeGreaterThanOrEqual(Math.min(sizes[key] ?? 0, most - 1));
          }
        },
      ),
    );
  });

  it('is refused to no one for ever: an empty queue forgets what it held', () => {
    fc.assert(
      fc.property(traffic, (events) => {
        const queue = new Queue();
        play(queue, events);
        queue.submit('somebody');
        queue.block(ROOM);
        for (let key = 0; key < 6; key += 1) {
          const accepted = Array.from({ length: 16 }, () => queue.submit(`flooder ${key}`));
          expect(accepted).not.toContain(null);
        }
      }),
    );
  });
});

describe('the quota', () => {
  it('leaves room for those who come later, however many are greedy', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), (greedy) => {
        let held = 0;
        for (let key = 0; key < greedy; key += 1) {
          const room = () => ({ clock: 0, free: ROOM - held });
          let last: number | null = null;
          for (;;) {
            const [turn]: number[] = nextTurns(last, [1], room());
            if (turn === undefined) break;
            last = turn;
            held += 1;
          }
        }
        expect(ROOM - held).toBeGreaterThan(500);
        expect(quotaOf(ROOM - held)).toBeGreaterThan(limits.submitterTurnsMin);
      }),
      { numRuns: 30 },
    );
  });

  it('lets the largest request through where nothing of its submitter waits', () => {
    const compact = 'x'.repeat(limits.transactionBytesMax);
    expect(nextTurns(null, [costOf({ compact })], { clock: 5, free: 1 })).toEqual([13]);
    expect(nextTurns(2, [8, 8, 8], { clock: 5, free: 1 })).toEqual([13, 21]);
  });
});

describe('candidates', () => {
  it('are the oldest, what waits longest at peers, then all by turn, each once', () => {
    const entries = ['d', 'b', 'c', 'a'].map((id, turn) => entry({ id, turn: turn + 1 }));
    const waited = [entry({ id: 'w', turn: NOT_STORED }), entry({ id: 'c', turn: NOT_STORED })];
    const order = arrange([entries], { oldest: { id: 'a', since: 0 }, waited });
    expect(order.map(({ id }) => id)).toEqual(['a', 'w', 'c', 'd', 'b']);
    expect(order[2]?.turn).toBe(3);
  });

  it('are of each queue by turn, however far on its clock is', () => {
    const stored = [7_001, 7_002, 7_003].map((turn) => entry({ id: `s${turn}`, turn }));
    const handed = [12, 13, 14].map((turn) => entry({ id: `h${turn}`, turn, arrivedAt: 1 }));
    const order = arrange([stored, handed], { oldest: null, waited: [] });
    const ids = order.map(({ id }) => id);
    expect(ids).toEqual(['s7001', 'h12', 's7002', 'h13', 's7003', 'h14']);
  });

  it('are one where a request is in two queues: the first of them', () => {
    const order = arrange([[entry({ turn: 9 })], [entry({ turn: 2 })]], {
      oldest: null,
      waited: [],
    });
    expect(order.map(({ turn }) => turn)).toEqual([9]);
  });

  it('are first what has been the oldest somewhere for longest, as a block may hold one', () => {
    const entries = ['a', 'b'].map((id) => entry({ id }));
    const waited = [
      entry({ id: 'late', turn: NOT_STORED, arrivedAt: 30 }),
      entry({ id: 'early', turn: NOT_STORED, arrivedAt: 10 }),
    ];
    const order = arrange([entries], { oldest: { id: 'b', since: 20 }, waited });
    expect(order.map(({ id }) => id)).toEqual(['early', 'b', 'late', 'a']);
  });

  it('are not filled by what peers say waits', () => {
    const compact = 'x'.repeat(limits.transactionBytesMax);
    const waited = Array.from({ length: 30 }, (_, i) =>
      entry({ id: `w${i}`, turn: NOT_STORED, compact }),
    );
    const order = arrange([[entry({})]], { oldest: null, waited });
    expect(order).toHaveLength(limits.waitedBytesMax / limits.transactionBytesMax + 1);
  });

  it('give the timer to the first that arrived, whatever its turn and its dates', () => {
    const entries = [
      entry({ id: 'c', turn: 1, arrivedAt: 7 }),
      entry({ id: 'b', turn: 9, arrivedAt: 5 }),
      entry({ id: 'a', turn: 12, arrivedAt: 5 }),
    ];
    expect(firstArrived(entries)?.id).toBe('b');
    expect(firstArrived([])).toBeNull();
  });
});

describe('the clock', () => {
  it('is the lowest stored turn, passes all when nothing waits, else is not known', () => {
    const entries = [entry({ turn: NOT_STORED }), entry({ turn: 9 }), entry({ turn: 8 })];
    expect(clockAfter(40, { entries, complete: false })).toBe(8);
    expect(clockAfter(40, { entries: [], complete: true })).toBe(40 + limits.submitterTurnsMax);
    expect(clockAfter(40, { entries: [], complete: false })).toBeNull();
    expect(clockAfter(0, { entries: [], complete: true })).toBeNull();
  });
});
