/**
 * What a case ledger needs of the main one before a snapshot that was taken here: its blocks are tried
 * outside of the inbox, and the pages of earlier main states that they read are fetched from peers.
 */

import { execute } from '../../lib/chaincode/execute.ts';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { caseLedger } from '../../lib/chaincode/case-ledger.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { verifyP256 } from '../../lib/crypto/p256.ts';
import { PageCache } from '../../lib/ledger/page-cache.ts';
import { emptyRoot } from '../../lib/ledger/state-hash.ts';
import { OverlayView, TreeView } from '../../lib/ledger/state-view.ts';
import type { BlockStore, HeadReader, PageStore } from '../../lib/ports.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { askPages } from './ask-pages.ts';
import type { BlockRange, CatchUpDeps } from './catch-up.ts';
import { type Peer, reasonOf } from './peer-client.ts';
import type { FetchedBlock } from './ports.ts';
import { governsAt, pinnedState } from './replica/main-state.ts';

const CACHE_BYTES_MAX = 16 * 1024 * 1024;

export interface MainStateDeps extends CatchUpDeps {
  readonly blocks: BlockStore;
  readonly pages: PageStore;
  readonly replicas: HeadReader;
}

/** Sees to it that executing these fetched blocks of a case ledger finds the main states it needs. */
export async function bringMainState(deps: MainStateDeps, range: BlockRange): Promise<void> {
  for (const peer of deps.peers) {
    const pages = new MainPages(deps, peer);
    try {
      await tryBlocks(deps, pages, range);
      return await pages.keep();
    } catch (error) {
      // What this peer gave is not kept. A header that is not here yet comes with the backfill.
      deps.log({ peer: peer.id, height: range.fromHeight, reason: reasonOf(error) });
    }
  }
}

async function tryBlocks(
  deps: MainStateDeps,
  pages: MainPages,
  { ledger, fromHeight, toHeight }: BlockRange,
): Promise<void> {
  const { genesis, fetched, replicas } = deps;
  const [main, head] = await Promise.all([replicas.head(MAIN_LEDGER), replicas.head(ledger)]);
  if (!main) return;
  const source = {
    genesis,
    cache: new PageCache(CACHE_BYTES_MAX),
    ports: { blocks: deps.blocks, pages, replicas },
  };
  const state = new TreeView(
    { height: main.height, root: main.header.stateRoot },
    { pages: (ids) => pages.getPages(MAIN_LEDGER, ids) },
  );
  const found = await caseLedger(readerOf(state), ledger);
  if (!found) return;
  let governed = await governsAt(source, head?.header.pin?.height ?? found.height);
  const base = { height: head?.height ?? 0, root: head?.header.stateRoot ?? emptyRoot };
  const own = { pages: (ids: readonly string[]) => deps.pages.getPages(ledger, ids) };
  const overlay = new OverlayView(new TreeView(base, own));
  for (let height = fromHeight; height <= toHeight; height += 1) {
    const block = await fetched.get(ledger, height);
    const pin = block?.header.pin;
    const pinned = pin && (await pinnedState(source, ledger, pin));
    if (!block || !pinned) return;
    await tryBlock(deps, overlay, block, { view: pinned.view, parameters: governed.parameters });
    governed = pinned.governed;
  }
}

type Executing = { view: TreeView; parameters: Parameters<typeof execute>[2]['parameters'] };

/** Its outcome does not matter here: what it reads is what execution will read. */
async function tryBlock(
  { genesis }: MainStateDeps,
  overlay: OverlayView,
  { header, transactions }: FetchedBlock,
  { view, parameters }: Executing,
): Promise<void> {
  const { network } = genesis.document;
  const { ledger, height, time } = header;
  const place = { network, ledger, height, time, parameters, genesisHash: genesis.hash };
  for (const transaction of transactions.map(parseTransaction)) {
    try {
      await resolveKeys(view, transaction, { network, time });
    } catch (error) {
      if (!(error instanceof ChaincodeError)) throw error;
    }
    const done = await execute(overlay, transaction, { ...place, verify: verifyP256, main: view });
    if (done.status === 'COMMITTED') overlay.apply(done.writes);
  }
}

/** Pages that are held here, else of a peer: the hashes that lead to them are checked as they are read. */
class MainPages {
  readonly #deps: MainStateDeps;
  readonly #peer: Peer;
  readonly #fresh = new Map<string, Uint8Array>();

  constructor(deps: MainStateDeps, peer: Peer) {
    this.#deps = deps;
    this.#peer = peer;
  }

  async getPages(ledger: string, ids: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const held = await this.#deps.pages.getPages(ledger, ids);
    const missing = ids.filter((id, at) => !held[at] && !this.#fresh.has(id));
    for (const { id, bytes } of await askPages(this.#deps, this.#peer, missing)) {
      this.#fresh.set(id, bytes);
    }
    return ids.map((id, at) => held[at] ?? this.#fresh.get(id));
  }

  async keep(): Promise<void> {
    const pages = [...this.#fresh].map(([id, bytes]) => ({ id, bytes }));
    if (pages.length > 0) await this.#deps.pages.putPages(MAIN_LEDGER, pages);
  }
}
