/** Records whose bytes a reader found damaged at the custodian: the replicator looks into it. */

import { wrapKeys } from '../../../lib/records/wrap-keys.ts';
import type { ItemStore } from '../../aws/item-store.ts';

export async function reportDamaged(
  store: Pick<ItemStore, 'insert'>,
  recordId: string,
): Promise<void> {
  await store.insert(keyOf(recordId), {});
}

export async function isDamaged(store: Pick<ItemStore, 'get'>, recordId: string): Promise<boolean> {
  return (await store.get(keyOf(recordId))) !== null;
}

/** It was looked into. */
export async function settleDamaged(
  store: Pick<ItemStore, 'remove'>,
  recordId: string,
): Promise<void> {
  await store.remove([keyOf(recordId)]);
}

function keyOf(recordId: string): { pk: string; sk: string } {
  return { pk: wrapKeys.record(recordId).pk, sk: 'damaged' };
}
