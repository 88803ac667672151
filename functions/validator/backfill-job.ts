/** How far the blocks before a snapshot have been fetched; kept between runs. */

import { z } from 'zod';
import { limits } from '../../lib/limits.ts';
import type { Head } from '../../lib/pbft/state.ts';
import { decodeWith, encodeCbor } from '../../lib/wire/codec.ts';
import { hashField, heightField, timeField } from '../../lib/wire/fields.ts';
import type { FetchedStore } from './ports.ts';

/** Name of the record among those of workers. */
export const BACKFILL_WORK = 'backfill';

const jobSchema = z.strictObject({
  /** Height of the next block, and hash of the header before it. */
  next: heightField,
  hash: hashField,
  /** Height of the snapshot. */
  until: heightField,
  /** No other run works on it until then. */
  leaseUntil: timeField,
});
export type BackfillJob = z.infer<typeof jobSchema>;

export function decodeBackfill(bytes: Uint8Array): BackfillJob {
  return decodeWith(jobSchema, bytes, limits.chunkBytesMax);
}

/** Whether blocks below the head are still lacking here. */
export async function isBackfilling(
  fetched: Pick<FetchedStore, 'work'>,
  ledger: string,
): Promise<boolean> {
  const stored = await fetched.work(ledger, BACKFILL_WORK);
  if (stored === null) return false;
  const { next, until } = decodeBackfill(stored.bytes);
  return next <= until;
}

const ATTEMPTS_MAX = 3;

/** Before a snapshot moves the head from `head`: what lies between is to be fetched. */
export async function planBackfill(
  fetched: FetchedStore,
  ledger: string,
  { header, hash }: Pick<Head, 'header' | 'hash'>,
  until: number,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const stored = await fetched.work(ledger, BACKFILL_WORK);
    const before = stored && decodeBackfill(stored.bytes);
    const isUnderWay = before && before.next <= before.until;
    const start = isUnderWay ? before : { next: header.height + 1, hash, leaseUntil: 0 };
    const bytes = encodeCbor({ ...start, until });
    if (await fetched.saveWork(ledger, BACKFILL_WORK, stored?.version ?? null, bytes)) return;
  }
  throw new Error('the record of lacking blocks is being written by others');
}
