/** Arrivals that wait for nobody: a request that hangs delays no later one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { fire } from '../../../bench/load/open-loop.ts';

const ORIGIN = 'http://127.0.0.1:9';

it('sends each when it is due, although none is answered before the last', async () => {
  const begun: number[] = [];
  const started = performance.now();
  await fire(ORIGIN, { startMs: 0, count: 10, intervalMs: 30 }, () => async () => {
    begun.push(performance.now() - started);
    await sleep(600);
    return 200;
  });
  expect(begun).toHaveLength(10);
  // All were sent while the first still hung; a closed loop would have needed six seconds.
  expect(Math.max(...begun)).toBeLessThan(600);
  expect((begun[9] ?? 0) - (begun[0] ?? 0)).toBeGreaterThan(200);
});

it('goes on where one fails, and waits for all', async () => {
  const ended: number[] = [];
  await fire(ORIGIN, { startMs: 0, count: 6, intervalMs: 5 }, (index) => async () => {
    await sleep(20);
    ended.push(index);
    if (index % 2 === 1) throw new Error('no answer');
    return index === 2 ? 429 : 202;
  });
  expect(ended.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
});
