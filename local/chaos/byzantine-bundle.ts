// The bundle of a lying replica: the production inbox function with another step in its place.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';
import { bundleEntry } from '../../cdk/bundle.ts';
import { PROJECT_ROOT } from '../lib/layout.ts';
import { zipOf } from '../lib/zip.ts';

const INBOX = join(PROJECT_ROOT, 'functions', 'validator', 'inbox.ts');
const LYING_STEP = join(PROJECT_ROOT, 'local', 'byzantine', 'step.ts');

/** Built into `folder`; answers the archive that Lambda takes. */
export async function byzantineBundle(folder: string): Promise<Buffer> {
  let isReplaced = false;
  const lie: Plugin = {
    name: 'lying-step',
    setup(context) {
      context.onResolve({ filter: /^\.\/step\.ts$/ }, ({ importer }) => {
        if (importer !== INBOX) return undefined;
        isReplaced = true;
        return { path: LYING_STEP };
      });
    },
  };
  await bundleEntry(INBOX, folder, [lie]);
  if (!isReplaced) throw new Error('the inbox function no longer imports ./step.ts');
  return zipOf('index.mjs', readFileSync(join(folder, 'index.mjs')));
}
