// The bundle of an inbox behind a queue at its worst, and what it says of what it got.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { bundleEntry } from '../../cdk/bundle.ts';
import { PROJECT_ROOT } from '../lib/layout.ts';
import { zipOf } from '../lib/zip.ts';

const INBOX = join(PROJECT_ROOT, 'local', 'redelivery', 'inbox.ts');

export interface Redelivered {
  /** Messages that the queue delivered again. */
  readonly again: number;
  /** Copies that came late and out of order. */
  readonly late: number;
}

const lineSchema = z.object({
  redelivery: z.object({ again: z.int(), late: z.int() }),
});
/** What stands before the line's own text in an account's log. */
const LINE = /\{"redelivery":.*\}/;

/** Built into `folder`; answers the archive that Lambda takes. */
export async function redeliveryBundle(folder: string): Promise<Buffer> {
  await bundleEntry(INBOX, folder, []);
  return zipOf('index.mjs', readFileSync(join(folder, 'index.mjs')));
}

/** Sums what the lines of an account's log say. */
export function redeliveredIn(log: string): Redelivered {
  const sum = { again: 0, late: 0 };
  for (const line of log.split('\n')) {
    const [text] = LINE.exec(line) ?? [];
    if (text === undefined) continue;
    const { redelivery } = lineSchema.parse(JSON.parse(text));
    sum.again += redelivery.again;
    sum.late += redelivery.late;
  }
  return sum;
}
