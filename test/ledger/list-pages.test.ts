/** A page of a history costs the same wherever it is, and however large the ledger is. */
import { describe, expect, it } from 'vitest';
import { randomKey, valueOf } from '../../bench/ledger-keys.ts';
import { benchLists } from '../../bench/ledger-lists.ts';
import { updateTree } from '../../lib/ledger/state-tree.ts';
import { MemoryPages } from './memory-pages.ts';

async function listsAmong(keys: number) {
  const pages = new MemoryPages();
  const writes = Array.from({ length: keys }, (_, n) => ({
    key: randomKey(n),
    value: valueOf(n, 0),
  }));
  const { root, pages: made } = await updateTree(null, 0, writes, pages);
  pages.put(made);
  return benchLists({ height: 0, root }, pages);
}

describe('a page of a long history', () => {
  it('takes few round trips without any cache, in a small ledger and in a larger one', async () => {
    const [small, large] = [await listsAmong(500), await listsAmong(40_000)];
    // Owner, parameters and count, then 50 entries at once: none is read after the other.
    expect(small.coldRoundTrips).toBeLessThanOrEqual(12);
    expect(large.coldRoundTrips).toBeLessThanOrEqual(12);
    expect(large.provenKeys).toBe(small.provenKeys);
    expect(large.coldPages).toBeLessThanOrEqual(2 * small.coldPages);
  });
});
