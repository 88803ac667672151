// The folders of a network, made before its processes start.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from './layout.ts';

/** Makes the folders that processes write to, and marks them as CommonJS. */
export function prepareFolder(layout: Layout): void {
  for (const folder of [layout.logs, layout.home, layout.accounts]) {
    mkdirSync(folder, { recursive: true });
  }
  // Under this project's package.json of "type": "module" the emulator's Lambda worker, which is
  // CommonJS, would end without a word.
  writeFileSync(join(layout.root, 'package.json'), '{ "type": "commonjs" }\n');
}

/** Removes what a network knows of itself: nothing is left of its ledgers and keys. */
export function forgetNetwork(layout: Layout): void {
  rmSync(layout.networkFile, { force: true });
  rmSync(layout.accounts, { recursive: true, force: true });
  rmSync(layout.deployed, { force: true });
}
