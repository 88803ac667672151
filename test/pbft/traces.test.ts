/** Conversations in `test/traces` go as recorded; `npm run traces -- --rewrite` records anew. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { replay } from './conversation.ts';

const folder = resolve(import.meta.dirname, '..', 'traces');
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));

it.each(names)('%s', async (name) => {
  const recorded = readFileSync(join(folder, name), 'utf8');
  expect(await replay(recorded)).toBe(recorded);
});

it('a file without commands would prove nothing', () => {
  expect(names.length).toBeGreaterThanOrEqual(8);
  for (const name of names) expect(readFileSync(join(folder, name), 'utf8')).toContain('\n----\n');
});
