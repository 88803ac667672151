/** Takes everything out of a partition of the wrap store, however much it is. */

import type { ItemStore, StoredItem } from '../aws/item-store.ts';

const PAGE_ITEMS = 50;

/** `first` is done for each item before it goes, so that an interruption leaves what is not done. */
export async function emptyPartition(
  store: Pick<ItemStore, 'list' | 'remove'>,
  pk: string,
  first?: (item: StoredItem) => Promise<void>,
): Promise<void> {
  for (;;) {
    const page = await store.list(pk, { limit: PAGE_ITEMS });
    if (first) {
      for (const item of page) {
        await first(item);
        await store.remove([{ pk, sk: item.sk }]);
      }
    } else {
      await store.remove(page.map(({ sk }) => ({ pk, sk })));
    }
    if (page.length < PAGE_ITEMS) return;
  }
}
