/** The quick set of `npm run model`: small worlds hold, and Spin refutes each broken variant. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checks } from './checks.ts';
import { findTools } from './model.setup.ts';
import { runChecks } from './run.ts';

const folder = import.meta.dirname;
const quick = checks.filter((one) => one.isQuick);

describe.skipIf(!(await findTools()))('npm run model -- --quick', () => {
  it('finds every world and every broken variant as expected', { timeout: 240_000 }, async () => {
    const results = await runChecks(quick, () => undefined);
    expect(results.filter((one) => !one.isGood)).toEqual([]);
    expect(results).toHaveLength(quick.length);
  });
});

it('every broken variant of the models is among the checks', () => {
  const worlds = ['pbft.pml', 'rejoin.pml', 'governance.pml', 'cases.pml'];
  const files = ['core.pml', 'replica.pml', ...worlds];
  const text = files.map((one) => readFileSync(join(folder, one), 'utf8')).join('\n');
  const written = new Set(text.match(/MUTANT_[A-Z_]+/g));
  const checked = new Set(
    checks.flatMap((one) => one.flags.join(' ').match(/MUTANT_[A-Z_]+/g) ?? []),
  );
  expect([...written].sort()).toEqual([...checked].sort());
});
