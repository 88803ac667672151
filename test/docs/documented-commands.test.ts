/** Every command that the documents name is one that its program knows, with those options. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { nodeEnvironment } from '../../cli/environment.ts';
import { makeProgram } from '../../cli/program.ts';
import { stories } from '../../local/chaos/stories.ts';

const root = resolve(import.meta.dirname, '..', '..');
const documents = ['README.md', 'CHANGELOG.md', 'local/README.md', ...pagesBelow('docs')];
const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };

function pagesBelow(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return entries.filter((name) => name.endsWith('.md')).map((name) => join(folder, name));
}

function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** What stands in backticks and in blocks of code, a command a line. */
function codeOf(document: string): string[] {
  const text = textOf(document);
  const blocks = [...text.matchAll(/```[a-z]*\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
  const spans = [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`]+)`/g)];
  return [
    ...blocks.flatMap((block) => block.replaceAll(/\\\n/g, ' ').split('\n')),
    ...spans.map((match) => (match[1] ?? '').replaceAll(/\s+/g, ' ')),
  ];
}

function optionsIn(text: string): string[] {
  const isComment = text.indexOf(' # ');
  const typed = isComment < 0 ? text : text.slice(0, isComment);
  return [...typed.matchAll(/(?<=^|[\s[])--[a-z][a-z-]*/g)].map(([option]) => option);
}

/** What is wrong with a command line of `carequorum`, or null; `a|b` stands for two of them. */
function faultOfCarequorum(line: string): string | null {
  const [some = ''] = /\S*\|\S*/.exec(line) ?? [];
  if (some !== '') {
    const faults = some.split('|').map((one) => faultOfCarequorum(line.replace(some, one)));
    return faults.find((fault) => fault !== null) ?? null;
  }
  let command: Command = makeProgram(nodeEnvironment());
  for (const word of line.split(' ')) {
    if (command.commands.length === 0 || !/^[a-z]/.test(word)) break;
    const inner = command.commands.find((one) => one.name() === word);
    if (!inner) return `${line}: no command ${word}`;
    command = inner;
  }
  const known = new Set(['--help', ...command.options.flatMap(({ long }) => long ?? [])]);
  const unknown = optionsIn(line).filter((option) => !known.has(option));
  return unknown.length === 0 ? null : `${line}: no option ${unknown.join(', ')}`;
}

/** The sources of a script of npm: its folder, and the options that local commands share; null for a tool. */
function sourcesOf(script: string): string | null {
  const path = /(?:^| )([a-z/-]+\.ts)/.exec(scripts[script] ?? '')?.[1];
  if (path === undefined) return null;
  const folder = dirname(path);
  const files = readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts'));
  return [...files.map((name) => join(folder, name)), 'local/lib/options.ts'].map(textOf).join('');
}

/** What is wrong with `npm run SCRIPT -- ARGUMENTS`, or null. */
function faultOfScript(script: string, given: string): string | null {
  const sources = sourcesOf(script);
  if (sources === null) return script in scripts ? null : `there is no npm run ${script}`;
  const unknown = optionsIn(given).filter(
    (option) => option !== '--help' && !sources.includes(`'${option}`),
  );
  const [first = ''] = given.trim().split(/[\s,;)]/);
  const isKnown =
    [`'${first}'`, `'${first} <`].some((text) => sources.includes(text)) ||
    (script === 'chaos' && Object.hasOwn(stories, first));
  if (/^[a-z]/.test(first) && !isKnown) unknown.push(first);
  return unknown.length === 0 ? null : `npm run ${script} -- ${given}: no ${unknown.join(', ')}`;
}

describe.each(documents)('%s', (document) => {
  const code = codeOf(document);

  it('names commands of carequorum that are there', () => {
    const lines = code.flatMap(
      (line) => /^\s*(?:npx )?carequorum ([a-z].*)$/.exec(line)?.[1] ?? [],
    );
    expect(lines.map(faultOfCarequorum).filter((fault) => fault !== null)).toEqual([]);
  });

  it('names what scripts of npm take', () => {
    const faults = code.flatMap((line) => {
      const found = /\bnpm (?:run )?(?:--silent )?([a-z:]+) -- (.+)$/.exec(line);
      if (!found) return [];
      const [, script = '', given = ''] = found;
      return faultOfScript(script, given) ?? [];
    });
    expect(faults).toEqual([]);
  });
});

it('would find a command that is not there', () => {
  expect(faultOfCarequorum('governance propose replace-key --bundle FILE')).toBeNull();
  expect(faultOfCarequorum('governance abolish')).toContain('no command abolish');
  expect(faultOfCarequorum('doctor --cure')).toContain('--cure');
  expect(faultOfScript('chaos', 'wipe --validator hospital-b')).toBeNull();
  expect(faultOfScript('chaos', 'kill-leader --write')).toBeNull();
  expect(faultOfScript('chaos', 'earthquake')).toContain('earthquake');
  expect(faultOfScript('network', 'stop hospital-b')).toBeNull();
  expect(faultOfScript('status', '--wach')).toContain('--wach');
  expect(faultOfScript('statsu', '--watch')).toContain('statsu');
  expect(faultOfCarequorum('permission show|narrow')).toBeNull();
  expect(faultOfCarequorum('permission show|widen')).toContain('widen');
});
