/** What a hospital keeps of a record: laid out as at the custodian, in a table without backup. */

import { z } from 'zod';
import type { SealedText } from '../../../lib/records/sealed.ts';
import { wrapKeys } from '../../../lib/records/wrap-keys.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import type { ItemKey, ItemStore } from '../../aws/item-store.ts';
import type { ObjectStore } from '../../records/object-store.ts';

const PAGE_ITEMS = 100;

const copySchema = z.strictObject({
  recordId: z.string(),
  /** `open` while bytes come; `verified`: they are there and right; `held`: the ledger says so. */
  status: z.enum(['open', 'verified', 'held']),
  pseudonym: z.string(),
  categoryTag: z.string(),
  dataMonth: z.string(),
  /** Of the bytes as the ledger names them now, base64url; a new layer has another. */
  objectDigest: z.string(),
  length: z.int(),
  /** Random name of the object. */
  objectKey: z.string(),
  uploadId: z.string(),
  /** SHA-256 of the parts that are here, one after the other, and their entity tags. */
  checksums: z.instanceof(Uint8Array),
  etags: z.array(z.string()),
});
export type Copy = z.infer<typeof copySchema>;

export interface StoredCopy {
  copy: Copy;
  version: number;
}

export async function findCopy(
  store: Pick<ItemStore, 'get'>,
  recordId: string,
): Promise<StoredCopy | null> {
  const item = await store.get(wrapKeys.record(recordId));
  return item && { copy: parseWith(copySchema, item.value), version: item.version };
}

/** Begins a copy: its place in the list first, so that nothing is ever here that nobody finds. */
export async function beginCopy(
  store: ItemStore,
  copy: Copy,
  { wrap, sealedMetadata }: { wrap: SealedText; sealedMetadata: SealedText },
): Promise<StoredCopy> {
  const { recordId, pseudonym, categoryTag, dataMonth } = copy;
  await store.stage([
    {
      key: wrapKeys.listed(pseudonym, categoryTag, recordId),
      value: { recordId, categoryTag, dataMonth },
    },
    { key: wrapKeys.wrap(recordId), value: wrap },
    { key: wrapKeys.metadata(recordId), value: sealedMetadata },
    { key: wrapKeys.record(recordId), value: copy },
  ]);
  return { copy, version: 1 };
}

/** Throws RangeError where another run was first: copying is done by one at a time. */
export async function saveCopy(
  store: ItemStore,
  { version }: StoredCopy,
  copy: Copy,
): Promise<StoredCopy> {
  if (!(await store.replace(wrapKeys.record(copy.recordId), version, copy))) {
    throw new RangeError('two runs copy at once');
  }
  return { copy, version: version + 1 };
}

/** Everything of a patient that is here. */
export async function copiesOf(
  store: ItemStore,
  pseudonym: string,
): Promise<{ recordId: string; listed: ItemKey; stored: StoredCopy | null }[]> {
  const { pk } = wrapKeys.listed(pseudonym, '', '');
  const found: { recordId: string; listed: ItemKey; stored: StoredCopy | null }[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await store.list(pk, {
      limit: PAGE_ITEMS,
      ...(after === undefined ? {} : { after }),
    });
    for (const { sk } of page) {
      const recordId = sk.slice(sk.indexOf('#') + 1);
      const stored = await findCopy(store, recordId);
      found.push({ recordId, listed: { pk, sk }, stored });
      after = sk;
    }
    if (page.length < PAGE_ITEMS) return found;
  }
}

/** Bytes first, then what would open them, its name last: a crash leaves what is found again. */
export async function deleteCopy(
  { store, objects }: { store: ItemStore; objects: ObjectStore },
  { recordId, listed, stored }: Awaited<ReturnType<typeof copiesOf>>[number],
): Promise<void> {
  if (stored) {
    const { objectKey, uploadId } = stored.copy;
    if (uploadId !== '') await objects.abort(objectKey, uploadId);
    await objects.remove(objectKey);
  }
  await store.remove([wrapKeys.wrap(recordId), wrapKeys.metadata(recordId)]);
  await store.remove([wrapKeys.record(recordId)]);
  await store.remove([listed]);
}
