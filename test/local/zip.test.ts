/** The archive that carries a bundle to Lambda: Python's own reader opens it, as the emulator does. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { zipOf } from '../../local/lib/zip.ts';

const READ =
  'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; ' +
  'i = z.infolist()[0]; ' +
  'sys.stdout.write(f"{len(z.infolist())} {i.filename} {i.external_attr >> 16:o} " + z.read(i).hex())';

it('is what another reader takes for one readable file with that content', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cq-zip-'));
  try {
    const content = Buffer.from('export const handler = () => "é";\n'.repeat(40));
    const path = join(folder, 'code.zip');
    writeFileSync(path, zipOf('index.mjs', content));
    const read = execFileSync('python3', ['-c', READ, path], { encoding: 'utf8' });
    expect(read).toBe(`1 index.mjs 100644 ${content.toString('hex')}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('is the same for the same content', () => {
  const [first, second] = [zipOf('a', Buffer.from('x')), zipOf('a', Buffer.from('x'))];
  expect(first).toEqual(second);
});
