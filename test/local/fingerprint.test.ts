// What a second start must do again is decided by content, not by time stamps.
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sourceFingerprint, templateFingerprint } from '../../local/lib/fingerprint.ts';
import { temporaryFolder } from './temporary-folder.ts';

test('sources: a touched file changes nothing, a changed or moved one does', () => {
  const root = temporaryFolder();
  const config = join(root, 'config.json');
  const file = join(root, 'lib', 'a.ts');
  mkdirSync(join(root, 'lib'));
  writeFileSync(config, '{}');
  writeFileSync(file, 'one');
  const before = sourceFingerprint(config, root);
  utimesSync(file, 0, 0);
  expect(sourceFingerprint(config, root)).toBe(before);
  writeFileSync(file, 'two');
  const changed = sourceFingerprint(config, root);
  expect(changed).not.toBe(before);
  writeFileSync(file, '');
  writeFileSync(join(root, 'lib', 'b.ts'), 'two');
  expect(sourceFingerprint(config, root)).not.toBe(changed);
  writeFileSync(config, '{"network":"other"}');
  expect(sourceFingerprint(config, root)).not.toBe(before);
});

test('templates: the hashes of the assets count', () => {
  const assembly = temporaryFolder();
  const write = (asset: string): string => {
    writeFileSync(join(assembly, 's.template.json'), '{}');
    writeFileSync(join(assembly, 's.assets.json'), JSON.stringify({ files: { [asset]: {} } }));
    return templateFingerprint(assembly, 's');
  };
  expect(write('a')).toBe(write('a'));
  expect(write('a')).not.toBe(write('b'));
});
