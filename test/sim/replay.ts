/** Replay files: what makes a failing run again, and what it is expected to fail with. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { RunOutcome } from './simulate.ts';

const replaySchema = z.strictObject({
  format: z.literal('carequorum-simulation-1'),
  profile: z.string(),
  seed: z.int().min(0),
  replicas: z.int().min(4),
  suppressed: z.array(z.string()),
  expected: z.strictObject({ checker: z.string(), message: z.string() }).nullable(),
});
export type Replay = z.infer<typeof replaySchema>;

export function replayOf({ spec, failure }: RunOutcome): Replay {
  const { profile, seed, replicas, suppressed } = spec;
  const expected = failure && { checker: failure.checker, message: failure.message };
  const format = 'carequorum-simulation-1';
  return { format, profile, seed, replicas, suppressed: [...suppressed], expected };
}

/** Answers the path of the file. */
export function writeReplay(folder: string, outcome: RunOutcome): string {
  mkdirSync(folder, { recursive: true });
  const { profile, seed, replicas } = outcome.spec;
  const path = join(folder, `${profile}-${replicas}-${seed}.json`);
  writeFileSync(path, `${JSON.stringify(replayOf(outcome), null, 2)}\n`);
  return path;
}

/** Throws where the file is not a replay. */
export function readReplay(path: string): Replay {
  return replaySchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}
