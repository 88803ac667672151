/** Destroys all that the custodian has of one record; safe to repeat. */

import { z } from 'zod';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { RecordsContext } from './context.ts';
import { forgetNext } from './next-wraps.ts';
import type { RecordState } from './record-state.ts';
import { discardUpload } from './uploads.ts';

const jobSchema = z.looseObject({ objectKey: z.string(), uploadId: z.string() });

/** Every version of the bytes, its wraps and metadata, its place in the list; the state last. */
export async function discardRecord(context: RecordsContext, state: RecordState): Promise<void> {
  const { store, objects } = context;
  const { recordId, layering } = state;
  if (layering) {
    await objects.abort(layering.objectKey, layering.uploadId);
    await objects.remove(layering.objectKey);
    if (layering.oldKey !== null) await objects.remove(layering.oldKey);
  }
  const restore = await store.get(wrapKeys.restore(recordId));
  if (restore) {
    const { objectKey, uploadId } = parseWith(jobSchema, restore.value);
    await objects.abort(objectKey, uploadId);
    await objects.remove(objectKey);
    await store.remove([wrapKeys.restore(recordId)]);
  }
  await store.remove([wrapKeys.listed(state.pseudonym, state.categoryTag, recordId)]);
  await forgetNext(context, recordId);
  await discardUpload(context, state);
}
