/** `npm run traces`: shows where recorded conversations differ; `--rewrite` records them anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { replay } from './conversation.ts';

const folder = resolve(import.meta.dirname, '..', 'traces');
const isRewrite = process.argv.includes('--rewrite');
for (const name of readdirSync(folder).filter((one) => one.endsWith('.txt'))) {
  const path = join(folder, name);
  const recorded = readFileSync(path, 'utf8');
  const now = await replay(recorded);
  if (now === recorded) continue;
  if (isRewrite) writeFileSync(path, now);
  else process.exitCode = 1;
  process.stdout.write(`${isRewrite ? 'rewritten' : 'differs'}: ${name}\n`);
}
