/** How far the fetching of a snapshot has come; kept between runs of the timer function. */

import { z } from 'zod';
import { SNAPSHOT_PARTS, snapshotManifestSchema } from '../../lib/ledger/snapshot.ts';
import { limits } from '../../lib/limits.ts';
import { decodeWith } from '../../lib/wire/codec.ts';
import { heightField, timeField, validatorIdField } from '../../lib/wire/fields.ts';

/** Name of the record among those of workers. */
export const SNAPSHOT_WORK = 'snapshot';

const jobSchema = z.strictObject({
  manifest: snapshotManifestSchema,
  /** Parts of the state tree that are held and checked. */
  parts: z.int().min(0).max(SNAPSHOT_PARTS),
  /** The peer whose turn it is. */
  peer: z.int().min(0),
  /** A peer gave what does not fit: from then on all comes from one peer, or starts again. */
  strict: z.boolean(),
  /** Gave wrong pages while all came from them. */
  refused: z.array(validatorIdField).max(limits.validatorsMax),
  /** The head here when it began: pages up to it are this replica's own. */
  ownHeight: heightField,
  /** No other run works on it until then. */
  leaseUntil: timeField,
});
export type SnapshotJob = z.infer<typeof jobSchema>;

export function decodeJob(bytes: Uint8Array): SnapshotJob {
  return decodeWith(jobSchema, bytes, limits.chunkBytesMax);
}

export function isComplete(job: SnapshotJob): boolean {
  return job.parts === SNAPSHOT_PARTS;
}
