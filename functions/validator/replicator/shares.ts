/** Sealed shares at a hospital: under their holder, as at the custodian, and by patient. */

import { z } from 'zod';
import type { SealedText } from '../../../lib/records/sealed.ts';
import { wrapKeys } from '../../../lib/records/wrap-keys.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import type { ItemStore } from '../../aws/item-store.ts';

const keptSchema = z.strictObject({
  permissionId: z.string(),
  holder: z.string(),
  shareDigest: z.string(),
});
type KeptShare = z.infer<typeof keptSchema>;

const SHARES_MAX = 1_000;

/** All shares of a patient that are here. */
export async function keptShares(store: ItemStore, pseudonym: string): Promise<KeptShare[]> {
  const page = await store.list(indexOf(pseudonym, '').pk, { limit: SHARES_MAX });
  return page.map(({ value }) => parseWith(keptSchema, value));
}

/** Its place in the list first: what would open records is never here unseen. */
export async function rememberShare(
  store: ItemStore,
  pseudonym: string,
  kept: KeptShare,
  share: SealedText,
): Promise<void> {
  const { holder, permissionId } = kept;
  await store.stage([{ key: indexOf(pseudonym, permissionId), value: kept }]);
  await store.stage([{ key: wrapKeys.share(holder, permissionId), value: share }]);
}

export async function removeShare(
  store: ItemStore,
  pseudonym: string,
  { holder, permissionId }: KeptShare,
): Promise<void> {
  await store.remove([wrapKeys.share(holder, permissionId)]);
  await store.remove([indexOf(pseudonym, permissionId)]);
}

function indexOf(pseudonym: string, permissionId: string): { pk: string; sk: string } {
  return { pk: `kept-shares#${pseudonym}`, sk: permissionId };
}
