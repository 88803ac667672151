/** docs/chaincode.md says what the tables say. `UPDATE_DOCS=1` writes it anew. */
import { readFile, writeFile } from 'node:fs/promises';
import { format } from 'prettier';
import { expect, it } from 'vitest';
import { chaincodeCodes, chaincodeTable } from '../../lib/chaincode/describe.ts';
import { keys, lists } from '../../lib/chaincode/keys.ts';

const file = new URL('../../docs/chaincode.md', import.meta.url);

function replaced(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [before, rest] = text.split(start);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`no ${name} in the document`);
  return `${before}${start}\n\n${content}\n\n${end}${after}`;
}

it('lists every function and code as they are', async () => {
  const found = await readFile(file, 'utf8');
  const made = replaced(replaced(found, 'functions', chaincodeTable()), 'codes', chaincodeCodes());
  const wanted = await format(made, { parser: 'markdown', printWidth: 100 });
  if (process.env['UPDATE_DOCS']) await writeFile(file, wanted);
  else expect(found).toBe(wanted);
});

it('lists every kind of key', async () => {
  const found = await readFile(file, 'utf8');
  const named = [
    ...Object.values(keys).map((one) =>
      typeof one === 'string' ? one : (one as (...parts: unknown[]) => string)('X', 'X'),
    ),
    ...Object.values(lists).map((one) => one('X', 'X', 'X').count),
  ];
  const kinds = new Set(named.map((key) => key.split('/')[0]));
  for (const kind of kinds) expect(found).toContain(`\`${kind}/`);
});
