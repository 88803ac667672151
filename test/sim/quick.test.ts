/** A fixed set of seeds of every profile, in every test run. `npm run sim` runs as many as wanted. */
import { describe, expect, it } from 'vitest';
import { profiles } from './profiles.ts';
import { simulate } from './simulate.ts';

/** Seeds of each profile, and the larger networks that are looked at as well. */
const seeds = [1, 2];
const larger = [
  { profile: 'mixed', replicas: 7 },
  { profile: 'twins', replicas: 7 },
  { profile: 'byzantine-equivocate', replicas: 10 },
];

async function check(profile: string, seed: number, replicas: number): Promise<void> {
  const { failure, lines } = await simulate({ profile, seed, replicas, suppressed: [] });
  if (!failure) return;
  const again = `npm run sim -- --profile ${profile} --seed ${seed} --replicas ${replicas} --trace`;
  const tail = lines.slice(-30).join('\n');
  expect.fail(`${failure.checker}: ${failure.message}\n${again}\n${tail}`);
}

describe('every profile holds on a fixed set of seeds', () => {
  it.each(profiles.map(({ name }) => name))('%s', async (profile) => {
    for (const seed of seeds) await check(profile, seed, 4);
  });

  it.each(larger)('$profile with $replicas replicas', async ({ profile, replicas }) => {
    await check(profile, 1, replicas);
  });
});
