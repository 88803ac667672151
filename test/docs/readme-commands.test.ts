/** Every command of `carequorum` that the README types is one that the command line knows. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { nodeEnvironment } from '../../cli/environment.ts';
import { makeProgram } from '../../cli/program.ts';

const root = resolve(import.meta.dirname, '..', '..');

/** Command lines of the code blocks, continued lines joined, without the program's name. */
function typedCommands(): string[] {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
  const lines = blocks.flatMap((block) => block.replaceAll(/\\\n/g, ' ').split('\n'));
  return lines.flatMap((line) => /^\s*npx carequorum (.+)$/.exec(line)?.[1] ?? []);
}

function commandOf(line: string): Command {
  let command = makeProgram(nodeEnvironment());
  for (const word of line.split(' ')) {
    const inner = command.commands.find((one) => one.name() === word);
    if (!inner) break;
    command = inner;
  }
  return command;
}

const typed = typedCommands();

it('types the whole journey', () => {
  const names = new Set(typed.map((line) => line.split(' ')[0]));
  const journey = ['enrol', 'approve', 'grant', 'upload', 'countersign', 'records', 'read'];
  expect([...names]).toEqual(expect.arrayContaining([...journey, 'revoke', 'history', 'verify']));
});

it.each(typed)('carequorum %s', (line) => {
  const command = commandOf(line);
  expect(command.parent, 'a command of the program').not.toBeNull();
  const known = new Set(command.options.flatMap(({ long }) => long ?? []));
  const given = [...line.matchAll(/(?<= )--[a-z-]+/g)].map(([option]) => option);
  expect(given.filter((option) => !known.has(option))).toEqual([]);
});
