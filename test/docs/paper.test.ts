/** docs/paper.md names only scripts, scenarios and commands that exist (paths: references.test.ts). */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodeEnvironment } from '../../cli/environment.ts';
import { makeProgram } from '../../cli/program.ts';
import { scenarios } from '../../local/scenarios/index.ts';

const root = resolve(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'docs/paper.md'), 'utf8');
const quoted = [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts,
);

describe('docs/paper.md', () => {
  const runs = quoted.filter((one) => /^npm (?:run )?[a-z]/.test(one));
  it.each([...new Set(runs)])('names the command %s, which is one', (command) => {
    const name = command.replace(/^npm (?:run )?/, '').split(' ')[0] ?? '';
    expect(scripts).toContain(name);
    const scenario = /--scenario (\S+)/.exec(command)?.[1];
    if (scenario) expect(scenarios.map((one) => one.name)).toContain(scenario);
  });

  const typed = quoted.filter((one) => one.startsWith('npx carequorum '));
  it.each([...new Set(typed)])('types %s, which the command line knows', (command) => {
    const known = makeProgram(nodeEnvironment()).commands.map((one) => one.name());
    expect(known).toContain(command.split(' ')[2]);
  });

  it('has what shows it in every row', () => {
    const rows = text.split('\n').filter((line) => line.startsWith('| ') && !/^\| -+/.test(line));
    for (const row of rows) {
      const cells = row.split('|').map((cell) => cell.trim());
      expect(cells.filter((cell) => cell !== '').length, row).toBe(3);
    }
  });
});
