/** docs/compliance.md: each hazard has a control and tests that are there; each duty, too. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chaincodeFunctions } from '../../lib/chaincode/table.ts';
import { SUBSTANCE_USE_CATEGORY } from '../../sdk/categories.ts';

const root = resolve(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'docs/compliance.md'), 'utf8');

function cellsOf(row: string): string[] {
  return row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

const hazards = text
  .split('\n')
  .filter((line) => /^\| H\d+/.test(line))
  .map(cellsOf);

describe('the hazard log', () => {
  it('numbers its hazards without a gap', () => {
    expect(hazards.length).toBeGreaterThanOrEqual(20);
    expect(hazards.map(([id]) => id)).toEqual(hazards.map((_, at) => `H${at + 1}`));
  });

  it.each(hazards)('%s: %s', (...row) => {
    const [, hazard, severity, before, after, control, tests] = row;
    expect(row).toHaveLength(7);
    expect(hazard?.length).toBeGreaterThan(10);
    expect(control?.length).toBeGreaterThan(20);
    for (const mark of [severity, before, after]) expect(mark).toMatch(/^[1-5]$/);
    // A control that makes nothing less likely is none.
    expect(Number(after)).toBeLessThanOrEqual(Number(before));
    const paths = [...(tests ?? '').matchAll(/`(test\/[^`]+\.test\.ts)`/g)].map(([, path]) => path);
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect(existsSync(join(root, path ?? '')), path).toBe(true);
  });
});

describe('the duties', () => {
  const rows = text.split('## Duties')[1]?.split('\n## ')[0]?.split('\n') ?? [];
  const duties = rows.filter((line) => /^\| (?!-|duty)/.test(line)).map(cellsOf);

  it.each(duties)('%s', (...row) => {
    expect(row).toHaveLength(4);
    const path = /^`(test\/[^`]+\.test\.ts)`$/.exec(row[3] ?? '')?.[1];
    expect(existsSync(join(root, path ?? 'nothing')), row[3]).toBe(true);
  });
});

it('names functions and categories that there are', () => {
  expect(text).toContain(`\`${SUBSTANCE_USE_CATEGORY}\``);
  const names = chaincodeFunctions.map(({ name }) => name);
  expect(names).toContain('record.retract');
  for (const topic of ['record.corrected', 'record.doubted', 'record.retracted']) {
    expect(text).toContain(`\`${topic}\``);
  }
});
