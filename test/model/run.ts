/** Runs checks side by side and compares what Spin found with what was expected. */
import { availableParallelism } from 'node:os';
import type { Check } from './checks.ts';
import { check } from './tools.ts';

export interface Result extends Check {
  readonly verdict: 'holds' | 'refuted';
  readonly isGood: boolean;
  readonly states: number;
  readonly depth: number;
  readonly seconds: number;
  /** The property that was violated. */
  readonly detail: string;
}

/** As many at once as there are processors, two at most: each may need a GB. */
export async function runChecks(
  chosen: readonly Check[],
  tell: (result: Result, count: number) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = [...chosen];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const result = await runCheck(next);
      results.push(result);
      tell(result, results.length);
    }
  };
  const workers = Math.min(2, availableParallelism(), chosen.length);
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

async function runCheck(one: Check): Promise<Result> {
  const folder = one.name.replaceAll(/[^a-z0-9]+/gi, '-');
  const optimise = one.expected === 'holds' ? 2 : 1;
  const outcome = await check({ name: folder, file: one.file, flags: one.flags, optimise });
  const verdict = outcome.violated === null ? 'holds' : 'refuted';
  const { states, depth, seconds } = outcome;
  const detail = outcome.violated === null ? 'every state was seen' : outcome.violated;
  return { ...one, verdict, isGood: verdict === one.expected, states, depth, seconds, detail };
}
