/** Each difference between emulators and AWS is covered by a test or a command that is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'docs', 'emulators.md'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** Rows of the table of differences: what, on MiniStack, on LocalStack, covered by. */
const rows = text
  .slice(text.indexOf('## Where they differ'))
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .slice(2)
  .map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );

it('has rows, each of which concerns an emulator', () => {
  expect(rows.length).toBeGreaterThan(9);
  for (const [what, ministack, localstack] of rows) {
    expect([what, [ministack, localstack].sort()]).toEqual([what, expect.arrayContaining(['yes'])]);
  }
});

it.each(rows.map(([what = '', , , covered = '']) => ({ what, covered })))(
  '$what',
  ({ covered }) => {
    const files = [...covered.matchAll(/`(test\/[^`]+\.ts)`/g)].map((match) => match[1] ?? '');
    const commands = [...covered.matchAll(/`npm run (test:[a-z]+)`/g)].map(
      (match) => match[1] ?? '',
    );
    expect(files.length + commands.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    expect(commands.filter((name) => !(name in scripts))).toEqual([]);
  },
);
