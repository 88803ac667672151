/** Seeded bugs still fit the code that they break; `npm run sim:bugs` shows that each is caught. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { applyEdit } from './bug.ts';
import { seededBugs } from './catalogue.ts';

it('there are thirty at least, each with a name of its own', () => {
  expect(new Set(seededBugs.map((bug) => bug.name)).size).toBe(seededBugs.length);
  expect(seededBugs.length).toBeGreaterThanOrEqual(30);
});

it.each(seededBugs.map((bug) => [bug.name, bug] as const))('%s fits', (_name, { edits }) => {
  const files = new Map<string, string>();
  for (const edit of edits) {
    const before = files.get(edit.file) ?? readFileSync(edit.file, 'utf8');
    files.set(edit.file, applyEdit(before, edit));
  }
  expect(files.size).toBeGreaterThan(0);
});
