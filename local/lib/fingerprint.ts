// Fingerprints that decide what a start must do again: of the sources, and of each template.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile } from './json-file.ts';
import { PROJECT_ROOT } from './layout.ts';

/** All that a synthesized template and its bundles are made from, besides the configuration. */
const SOURCES = ['cdk', 'functions', 'lib', 'cdk.json', 'package-lock.json', 'tsconfig.json'];

/** Digest over the content of every source file and of the configuration. */
export function sourceFingerprint(configFile: string, root: string = PROJECT_ROOT): string {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    const path = join(root, source);
    if (existsSync(path)) addPath(hash, path, source);
  }
  hash.update(readFileSync(configFile));
  return hash.digest('hex');
}

const assetsSchema = z.object({ files: z.record(z.string(), z.unknown()).default({}) });

/** Digest of a synthesized template; the hashes of its assets stand in its text. */
export function templateFingerprint(cloudAssembly: string, stack: string): string {
  const hash = createHash('sha256');
  hash.update(readFileSync(join(cloudAssembly, `${stack}.template.json`)));
  const assets = readJsonFile(join(cloudAssembly, `${stack}.assets.json`), assetsSchema);
  hash.update(
    Object.keys(assets?.files ?? {})
      .sort()
      .join(),
  );
  return hash.digest('hex');
}

function addPath(hash: ReturnType<typeof createHash>, path: string, name: string): void {
  if (statSync(path).isDirectory()) {
    for (const entry of readdirSync(path).sort())
      addPath(hash, join(path, entry), `${name}/${entry}`);
    return;
  }
  const content = readFileSync(path);
  hash.update(`${name}\0${content.length}\0`);
  hash.update(content);
}
