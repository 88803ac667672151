/** Committed blocks by height, and what to say of one that is not here. */

import type { BlockHeader } from '../../../lib/wire/header.ts';
import type { Certificate } from '../../../lib/wire/vote.ts';
import { HttpError } from '../../aws/problems.ts';
import { isBackfilling } from '../backfill-job.ts';
import type { ApiRuntime, RunningNetwork } from './runtime.ts';

/** What to say of something old that is not here: `history_missing` while blocks are fetched. */
export async function lackingError(
  { deps }: ApiRuntime,
  ledger: string,
  code: 'unknown_block' | 'unknown_transaction',
  detail: string,
): Promise<HttpError> {
  if (!(await isBackfilling(deps.ports.fetched, ledger))) return new HttpError(code, detail);
  return new HttpError('history_missing', 'Ask another validator', { retryAfterSeconds: 5 });
}

/** The certified block of a height up to the head. Throws `unknown_block`, `history_missing`. */
export async function committedBlock(
  runtime: ApiRuntime,
  { genesis, ledger, head, ofCase }: RunningNetwork,
  height: number,
): Promise<{ header: BlockHeader; certificate: Certificate | null }> {
  if (height === 0) {
    const header = ofCase?.first ?? (await runtime.genesisBlock(genesis)).header;
    return { header, certificate: null };
  }
  if (height > head.height) {
    throw new HttpError('unknown_block', `The committed head is at ${head.height}`);
  }
  const block = await runtime.deps.ports.blocks.certified(ledger, height);
  if (block === null)
    throw await lackingError(runtime, ledger, 'unknown_block', 'It is not kept here');
  return block;
}
