/** A run that is over leaves nothing behind: long campaigns must not slow down as they go on. */
import { queryObjects } from 'node:v8';
import { expect, it } from 'vitest';
import { simulate } from './simulate.ts';
import { World } from './world.ts';

it.each(['crashes', 'overlap', 'mixed'])('forgets a run of %s', async (profile) => {
  const { steps } = await simulate({ profile, seed: 1, replicas: 4, suppressed: [] });
  expect(steps).toBeGreaterThan(0);
  // What the last step set going may still be on its way out.
  await new Promise((resolve) => setImmediate(resolve));
  expect(queryObjects(World, { format: 'count' })).toBe(0);
});
