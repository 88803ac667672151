/** The shrinker keeps what a failure needs and no more, within its bounds; replay files hold it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FaultPlan } from './fault-plan.ts';
import { readReplay, replayOf, writeReplay } from './replay.ts';
import { shrink } from './shrink.ts';
import type { RunOutcome, RunSpec } from './simulate.ts';

const all = [
  ...Array.from({ length: 20 }, (_, index) => `loss:${index}`),
  ...Array.from({ length: 7 }, (_, index) => `crash:${index}`),
  ...Array.from({ length: 8 }, (_, index) => `submit:${index}`),
];
const spec: RunSpec = { profile: 'mixed', seed: 1, replicas: 4, suppressed: [] };

/** A made-up run that fails exactly when these faults happen together. */
function failing(needed: readonly string[], calls: RunSpec[] = []) {
  return async (wanted: RunSpec): Promise<RunOutcome> => {
    calls.push(wanted);
    const plan = new FaultPlan(1, wanted.suppressed);
    for (const id of all) {
      const [kind = '', key = ''] = id.split(':');
      plan.certain(kind, key);
    }
    const fails = needed.every((id) => plan.occurred.includes(id));
    const failure = fails ? { checker: 'agreement', message: 'forked', at: 5 } : null;
    const figures = {
      digest: '',
      lines: [],
      steps: 1,
      blocks: 0,
      virtualMs: 1,
      servedAfterMs: 0,
      liveAfterMs: 0,
    };
    return { spec: wanted, failure, faults: plan.occurred, ...figures };
  };
}

const unbounded = { runsMax: 1_000, goesOn: () => true };

describe('shrinking', () => {
  it('finds the faults that a failure needs, and nothing else', async () => {
    const needed = ['loss:3', 'loss:17', 'submit:5'];
    const run = failing(needed);
    const { outcome } = await shrink(await run(spec), unbounded, run);
    expect(outcome.failure?.checker).toBe('agreement');
    expect(outcome.faults).toEqual(needed);
  });

  it('leaves whole kinds out in one run each', async () => {
    const calls: RunSpec[] = [];
    const run = failing(['submit:0'], calls);
    const { outcome, runs } = await shrink(await run(spec), unbounded, run);
    expect(outcome.faults).toEqual(['submit:0']);
    expect(outcome.spec.suppressed).toContain('loss:*');
    expect(runs).toBeLessThan(16);
  });

  it('does not take another failure for the same', async () => {
    const run = failing(['crash:1']);
    const other = async (wanted: RunSpec): Promise<RunOutcome> => {
      const outcome = await run(wanted);
      const failure = { checker: 'liveness', message: 'stuck', at: 9 };
      return outcome.failure ? outcome : { ...outcome, failure };
    };
    const { outcome } = await shrink(await other(spec), unbounded, other);
    expect(outcome.failure?.checker).toBe('agreement');
    expect(outcome.faults).toEqual(['crash:1']);
  });

  it('stops at its bounds', async () => {
    const calls: RunSpec[] = [];
    const run = failing(['loss:3'], calls);
    const first = await run(spec);
    await shrink(first, { runsMax: 4, goesOn: () => true }, run);
    expect(calls.length).toBe(5);
    await shrink(first, { runsMax: 100, goesOn: () => false }, run);
    expect(calls.length).toBe(5);
  });
});

describe('a replay file', () => {
  it('says what it takes to run a failure again, and is refused when it is something else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'replay-'));
    try {
      const run = failing(['loss:3']);
      const outcome = await run({ ...spec, suppressed: ['crash:*'] });
      const path = writeReplay(folder, outcome);
      expect(readReplay(path)).toEqual(replayOf(outcome));
      expect(readReplay(path).expected?.checker).toBe('agreement');
      const bad = join(folder, 'bad.json');
      writeFileSync(bad, JSON.stringify({ ...replayOf(outcome), seed: 'one' }));
      expect(() => readReplay(bad)).toThrow();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
