/** The own validator's ledger, as its stores hold it: nothing is asked of anybody. */

import { readerOf } from '../../../lib/chaincode/draft.ts';
import { ledgerBounds } from '../../../lib/ledger/bounds.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import type { PageCache } from '../../../lib/ledger/page-cache.ts';
import { TreeView } from '../../../lib/ledger/state-view.ts';
import type { BlockStore, HeadReader, PageStore } from '../../../lib/ports.ts';
import { decodeWith } from '../../../lib/wire/codec.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { resultSchema } from '../../../lib/wire/result.ts';
import type { LedgerFeed } from './context.ts';

export function ledgerFeed(stores: {
  replicas: Pick<HeadReader, 'head'>;
  blocks: Pick<BlockStore, 'certified' | 'body'>;
  pages: Pick<PageStore, 'getPages'>;
  cache: PageCache;
}): LedgerFeed {
  const { replicas, blocks, pages, cache } = stores;
  return {
    async head() {
      const head = await replicas.head(MAIN_LEDGER);
      if (!head) return null;
      const reader = { pages: (ids: readonly string[]) => pages.getPages(MAIN_LEDGER, ids) };
      const base = { height: head.height, root: head.header.stateRoot };
      return { height: head.height, state: readerOf(new TreeView(base, reader, { cache })) };
    },
    async results(height) {
      const certified = await blocks.certified(MAIN_LEDGER, height);
      const body = certified && (await blocks.body(MAIN_LEDGER, headerHash(certified.header)));
      if (!body) return null;
      return body.results.map((one) => decodeWith(resultSchema, one, ledgerBounds.resultBytesMax));
    },
  };
}
