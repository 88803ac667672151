/** New wraps of records that wait until the ledger names one of them. */

import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import type { RecordsContext } from './context.ts';
import type { SealedParts } from './record-state.ts';

/** More tries than this are forgotten. */
const NEXT_MAX = 16;

export async function keepNext(
  context: RecordsContext,
  recordId: string,
  digest: string,
  sealed: SealedParts,
): Promise<void> {
  const key = wrapKeys.nextWrap(recordId, digest);
  const kept = await context.store.list(key.pk, { limit: NEXT_MAX });
  if (kept.length >= NEXT_MAX) await forgetNext(context, recordId);
  await context.store.stage([{ key, value: sealed }]);
}

export async function forgetNext({ store }: RecordsContext, recordId: string): Promise<void> {
  const { pk } = wrapKeys.nextWrap(recordId, '');
  const kept = await store.list(pk, { limit: NEXT_MAX });
  await store.remove(kept.map(({ sk }) => ({ pk, sk })));
}
