/**
 * Runs the general profiles in turn at rising seeds until a checker fails. It is run inside a copy of
 * the code that has a bug; its last line is JSON.
 */
import { parseArgs } from 'node:util';
import { profiles } from '../profiles.ts';
import { simulate } from '../simulate.ts';

/** What a hunt comes back with. */
export interface Catch {
  readonly runs: number;
  readonly seconds: number;
  readonly virtualMs: number;
  readonly found: {
    readonly profile: string;
    readonly seed: number;
    readonly checker: string;
    readonly message: string;
  } | null;
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '20' },
    replicas: { type: 'string', default: '4' },
    /** `profile:seed` of runs that fail without any bug. */
    skip: { type: 'string', multiple: true, default: [] as string[] },
  },
});
const first = Number(values.seed);
const replicas = Number(values.replicas);
/** Real keys are slow and show nothing more. */
const general = profiles.filter(({ keys }) => keys === 'simulated');

process.stdout.write(`${JSON.stringify(await hunt())}\n`);

async function hunt(): Promise<Catch> {
  const started = performance.now();
  let runs = 0;
  let virtualMs = 0;
  const seconds = (): number => Math.round(performance.now() - started) / 1000;
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const { name: profile } of general) {
      const seed = first + round;
      if (values.skip.includes(`${profile}:${seed}`)) continue;
      const { failure, ...outcome } = await simulate({ profile, seed, replicas, suppressed: [] });
      runs += 1;
      virtualMs += outcome.virtualMs;
      if (!failure) continue;
      const { checker, message } = failure;
      const found = { profile, seed, checker, message: message.split('\n')[0] ?? '' };
      return { runs, seconds: seconds(), virtualMs, found };
    }
  }
  return { runs, seconds: seconds(), virtualMs, found: null };
}
