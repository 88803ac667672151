import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { BUNDLE_BYTES_MAX, BundleError, FUNCTIONS, bundleFunctions } from '../../cdk/bundle.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'cq-bundle-'));
  writeFileSync(join(root, 'package-lock.json'), '{}');
  for (const { service, fn } of FUNCTIONS) {
    mkdirSync(join(root, 'functions', service), { recursive: true });
    writeFileSync(
      join(root, 'functions', service, `${fn}.ts`),
      `import { name } from './name.ts';\nexport const handler = (): string => name + '${fn}';\n`,
    );
    writeFileSync(
      join(root, 'functions', service, 'name.ts'),
      `export const name: string = '${service}-';\n`,
    );
  }
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

describe('bundleFunctions', () => {
  it('makes an ES module with a linked map for each function', async () => {
    const bundles = await bundleFunctions({ root });
    for (const { service, fn } of FUNCTIONS) {
      const path = join(bundles.folderOf(service, fn), 'index.mjs');
      const { handler } = (await import(pathToFileURL(path).href)) as { handler: () => string };
      expect(handler()).toBe(`${service}-${fn}`);
      expect(readFileSync(path, 'utf8')).toContain('sourceMappingURL=index.mjs.map');
      expect(statSync(`${path}.map`).isFile()).toBe(true);
    }
    expect(Object.keys(bundles.digests)).toHaveLength(FUNCTIONS.length);
  });

  it('does nothing when no source has changed', async () => {
    const first = await bundleFunctions({ root });
    const path = join(first.folderOf('validator', 'inbox'), 'index.mjs');
    const made = statSync(path).mtimeMs;
    const second = await bundleFunctions({ root });
    expect(statSync(path).mtimeMs).toBe(made);
    expect(second.digest).toBe(first.digest);
  });

  it.each([
    ['a source', 'functions/validator/name.ts', "export const name = 'other-';\n"],
    ['the lock file', 'package-lock.json', '{"changed":true}'],
    ['a bundle', 'dist/functions/validator-api/index.mjs', 'tampered'],
  ])('bundles again when %s has changed', async (_name, file, text) => {
    const first = await bundleFunctions({ root });
    const bundle = join(first.folderOf('validator', 'api'), 'index.mjs');
    const before = readFileSync(bundle, 'utf8');
    writeFileSync(join(root, file), text);
    const second = await bundleFunctions({ root });
    const after = readFileSync(bundle, 'utf8');
    expect(after === before).toBe(file !== 'functions/validator/name.ts');
    expect(second.digest === first.digest).toBe(after === before);
  });

  it('gives the same digest wherever the project is', async () => {
    const outdir = mkdtempSync(join(tmpdir(), 'cq-bundle-out-'));
    const [first, second] = [
      await bundleFunctions({ root }),
      await bundleFunctions({ root, outdir }),
    ];
    expect(second.digest).toBe(first.digest);
    rmSync(outdir, { recursive: true });
  });

  it('refuses a bundle above its budget', async () => {
    const filler = JSON.stringify('x'.repeat(BUNDLE_BYTES_MAX));
    writeFileSync(
      join(root, 'functions', 'records', 'api.ts'),
      `export const handler = (): string => ${filler};\n`,
    );
    await expect(bundleFunctions({ root })).rejects.toBeInstanceOf(BundleError);
  });
});
