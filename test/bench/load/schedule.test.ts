/** When requests of a load fall due, and of which kind they are. */
import { describe, expect, it } from 'vitest';
import {
  kinds,
  mix,
  queryKinds,
  shareOf,
  transactionKinds,
  turns,
} from '../../../bench/load/mix.ts';
import { dueMs, slicesOf, stepsOf } from '../../../bench/load/schedule.ts';

const flat = (rate: number, seconds: number) =>
  stepsOf({ ratePerSecond: rate, seconds, isRamp: false });
const dues = (slices: ReturnType<typeof slicesOf>): number[] =>
  slices.flatMap((slice) => Array.from({ length: slice.count }, (_, index) => dueMs(slice, index)));

describe('arrivals', () => {
  it('are spread evenly over the whole time', () => {
    const times = dues(slicesOf(flat(5, 3), 1));
    expect(times).toHaveLength(15);
    expect(times.map((ms) => ms / 200)).toEqual(Array.from({ length: 15 }, (_, index) => index));
  });

  it.each([
    [0.4, 10, 4],
    [3.7, 10, 37],
    [7, 13, 91],
  ])('of %s a second come to as many in %s s', (rate, seconds, count) => {
    const times = dues(slicesOf(flat(rate, seconds), 1));
    expect(times).toHaveLength(count);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeLessThan(seconds * 1_000);
  });

  it('of two streams come to all of them', () => {
    const steps = flat(9, 20);
    const counts = [0.68, 0.32].map((share) => dues(slicesOf(steps, share)).length);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(179);
  });

  it('of a ramp rise in ten steps up to the rate', () => {
    const steps = stepsOf({ ratePerSecond: 50, seconds: 20, isRamp: true });
    expect(steps.map(({ ratePerSecond }) => ratePerSecond)).toEqual([
      5, 10, 15, 20, 25, 30, 35, 40, 45, 50,
    ]);
    const times = dues(slicesOf(steps, 1));
    const within = (from: number, to: number) => times.filter((ms) => ms >= from && ms < to).length;
    expect(within(0, 2_000)).toBe(10);
    expect(within(18_000, 20_000)).toBe(100);
    expect(times).toHaveLength(550);
  });
});

describe('the mix', () => {
  it('has weights of a hundred', () => {
    expect(kinds.reduce((sum, kind) => sum + mix[kind].weight, 0)).toBe(100);
    expect(shareOf(transactionKinds) + shareOf(queryKinds)).toBeCloseTo(1);
  });

  it('comes out as the weights say, and never in a lump', () => {
    const order = turns(kinds);
    const seen = Array.from({ length: 200 }, () => order.next().value);
    for (const kind of kinds) {
      expect(seen.filter((one) => one === kind)).toHaveLength(2 * mix[kind].weight);
    }
    for (let from = 0; from + 10 <= seen.length; from += 1) {
      const accesses = seen.slice(from, from + 10).filter((one) => one === 'access').length;
      expect(accesses).toBeGreaterThanOrEqual(1);
      expect(accesses).toBeLessThanOrEqual(4);
    }
  });
});
