/** A hospital's worst days on a real network, as `npm run chaos` plays them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosReport, runChaos } from '../../local/chaos/run.ts';
import { lineProgress } from '../../local/lib/progress.ts';
import { startWorld, type World } from './support/world.ts';

const SCENARIO_MS = 420_000;

let world: World | undefined;

beforeAll(async () => {
  world = await startWorld();
}, 240_000);
afterAll(async () => {
  await world?.close();
}, 90_000);

async function play(name: string, validator: string): Promise<ChaosReport> {
  const lines: string[] = [];
  const options = { folder: world?.layout.root ?? '', validator, ratePerSecond: 4, seconds: 2 };
  const progress = lineProgress((line) => lines.push(line));
  try {
    return await runChaos(name, { ...options, progress, signal: new AbortController().signal });
  } catch (cause) {
    throw new Error(`${name} failed:\n${lines.join('\n')}`, { cause });
  }
}

describe('under load', { timeout: SCENARIO_MS }, () => {
  it('a validator whose tables are emptied comes back by itself, and nothing is missing', async () => {
    const report = await play('wipe', 'hospital-c');
    expect(report.ledger.faults).toEqual([]);
    expect(report.load.errors).toEqual({});
    expect(report).toMatchObject({ isGood: true, validator: 'hospital-c' });
    expect(report.load.committed).toBeGreaterThan(20);
  });

  it('all validators get a new bundle, one at a time, and nothing is missing', async () => {
    const report = await play('upgrade', 'leader');
    expect(report.ledger.faults).toEqual([]);
    expect(report.load.errors).toEqual({});
    expect(report.isGood).toBe(true);
    const upgraded = report.phases.filter(({ title }) => title.includes('runs the new bundle'));
    expect(upgraded).toHaveLength(4);
    for (const { result } of upgraded) expect(result).toMatch(/^votes at \d+/);
  });

  it('a leader that says two things is blamed and suspended, and the others go on', async () => {
    const report = await play('byzantine', 'leader');
    expect(report.ledger.faults).toEqual([]);
    expect(report.load.errors).toEqual({});
    expect(report.isGood).toBe(true);
    expect(report.ledger.validators).toHaveLength(4);
  });
});
