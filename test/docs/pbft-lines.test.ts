/** docs/pbft.md and the code that cites its lines name the same lines. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..', '..');
const citingFolders = ['lib/pbft', 'functions/validator'];

/** Lines that the document defines: an `L<number>` at the start of a line of a code block. */
function definedLines(): number[] {
  const document = readFileSync(join(root, 'docs/pbft.md'), 'utf8');
  const blocks = document.split(/^```.*$/m).filter((_, index) => index % 2 === 1);
  return blocks.flatMap((block) =>
    [...block.matchAll(/^L(\d+) /gm)].map((match) => Number(match[1])),
  );
}

/** Where each line is cited, as `file:line`. */
function citations(): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const file of citingFolders.flatMap(sourcesBelow)) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n');
    for (const [index, text] of lines.entries()) {
      for (const match of text.matchAll(/\bL(\d{1,2})\b/g)) {
        const number = Number(match[1]);
        found.set(number, [...(found.get(number) ?? []), `${file}:${index + 1}`]);
      }
    }
  }
  return found;
}

function sourcesBelow(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return entries.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name));
}

describe('docs/pbft.md', () => {
  const defined = definedLines();
  const cited = citations();

  it('numbers its lines from 1 on, each once and in order', () => {
    expect(defined.length).toBeGreaterThan(0);
    expect(defined).toEqual(defined.map((_, index) => index + 1));
  });

  it('defines every line that the code cites', () => {
    const unknown = [...cited].filter(([line]) => !defined.includes(line));
    expect(unknown).toEqual([]);
  });

  it('defines no line that no code cites', () => {
    expect(defined.filter((line) => !cited.has(line))).toEqual([]);
  });
});
