import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeSampleDocuments } from '../../local/sample-documents.ts';

it('makes the same documents every time, a category each', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cq-samples-'));
  try {
    const first = await writeSampleDocuments(join(folder, 'one'));
    const second = await writeSampleDocuments(join(folder, 'two'));
    expect(second).toEqual(first);
    expect(first.map(({ path }) => path.split('/')[0]).sort()).toEqual([
      'history-and-physical',
      'laboratory',
      'radiation-dose',
      'treatment-summary',
    ]);
    for (const { path, bytes } of first) {
      const file = await readFile(join(folder, 'one', path));
      expect(file.subarray(0, 5).toString()).toBe('%PDF-');
      expect(file).toHaveLength(bytes);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
