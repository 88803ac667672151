/** The block of height 0, as the genesis document determines it. */

import { genesisWrites } from '../../lib/chaincode/genesis-state.ts';
import { LedgerError } from '../../lib/ledger/errors.ts';
import { genesisHeader } from '../../lib/ledger/genesis-header.ts';
import { updateTree, type PageReader, type TreeUpdate } from '../../lib/ledger/state-tree.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { BlockHeader } from '../../lib/wire/header.ts';

export interface GenesisBlock {
  readonly header: BlockHeader;
  readonly update: TreeUpdate;
}

export async function computeGenesisBlock(genesis: Genesis): Promise<GenesisBlock> {
  const nothing: PageReader = {
    pages: () => Promise.reject(new LedgerError('missing_page', 'the first tree has no pages')),
  };
  const update = await updateTree(null, 0, genesisWrites(genesis), nothing);
  return { header: genesisHeader(genesis, update.root), update };
}
