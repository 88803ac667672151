/** L23: the main ledger as a case ledger sees it: its head, its state at a pinned block, who votes. */
import { type CaseLedger, caseLedger } from '../../../lib/chaincode/case-ledger.ts';
import { readerOf } from '../../../lib/chaincode/draft.ts';
import { governedOf } from '../../../lib/chaincode/governed.ts';
import { equalBytes } from '../../../lib/crypto/bytes.ts';
import { LedgerError } from '../../../lib/ledger/errors.ts';
import { TreeView } from '../../../lib/ledger/state-view.ts';
import type { BlockStore, CommittedHead, HeadReader, PageStore } from '../../../lib/ports.ts';
import type { Genesis } from '../../../lib/wire/genesis.ts';
import { ACTIVATION_DELAY, type Governed } from '../../../lib/wire/governed.ts';
import { type BlockHeader, headerHash, type Pin } from '../../../lib/wire/header.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { computeGenesisBlock } from '../genesis-block.ts';
import type { ValidatorRuntime } from '../runtime.ts';

type Source = Pick<ValidatorRuntime, 'genesis' | 'cache'> & {
  ports: {
    blocks: Pick<BlockStore, 'certified'>;
    pages: Pick<PageStore, 'getPages'>;
    replicas: Pick<HeadReader, 'head'>;
  };
};

/** What a case ledger needs of the main one in a step. */
export interface MainHead {
  head: CommittedHead;
  /** Its state. */
  view: TreeView;
  /** What that state says of the case. */
  found: CaseLedger;
}

/** The state of the main ledger at a pinned block, and what governs that height. */
export interface PinnedState {
  view: TreeView;
  governed: Governed;
  isOpen: boolean;
}

/** Null where the main ledger has no such case. */
export async function mainHead(runtime: Source, ledger: string): Promise<MainHead | null> {
  const head = await runtime.ports.replicas.head(MAIN_LEDGER);
  if (!head) return null;
  const view = viewOf(runtime, head.header);
  const found = await caseLedger(readerOf(view), ledger);
  return found && { head, view, found };
}

/**
 * Null where another block is committed at that height, or the case is not known there. Throws
 * `MainMissingError`.
 */
export async function pinnedState(
  runtime: Source,
  ledger: string,
  pin: Pin,
): Promise<PinnedState | null> {
  const header = await mainHeader(runtime, pin.height);
  if (!equalBytes(headerHash(header), pin.hash)) return null;
  const view = viewOf(runtime, header);
  const found = await caseLedger(readerOf(view), ledger);
  if (!found) return null;
  const governed = await governsAt(runtime, pin.height);
  return { view, governed, isOpen: found.closed === null };
}

/** A snapshot was taken above what is needed of the main ledger: it is fetched from peers. */
export class MainMissingError extends Error {
  override readonly name = 'MainMissingError';
}

/** Whether execution lacks something of the main ledger that peers have. */
export function isMissing(error: unknown): boolean {
  if (error instanceof LedgerError) return error.code === 'missing_page';
  return error instanceof MainMissingError;
}

/** Who votes on this height of the main ledger, and by which parameters. */
export async function governsAt(runtime: Source, height: number): Promise<Governed> {
  const { validators, sessions, document } = runtime.genesis;
  // What genesis says governs until a block could change it.
  if (height <= ACTIVATION_DELAY) return { validators, sessions, parameters: document.parameters };
  const header = await mainHeader(runtime, height - ACTIVATION_DELAY);
  return governedOf(viewOf(runtime, header));
}

/** The committed header of a height. Throws `MainMissingError`. */
export async function mainHeader({ genesis, ports }: Source, height: number): Promise<BlockHeader> {
  if (height === 0) return (await genesisBlockOf(genesis)).header;
  const found = await ports.blocks.certified(MAIN_LEDGER, height);
  if (found) return found.header;
  throw new MainMissingError(`block ${height} of the main ledger is not kept here`);
}

function viewOf({ ports, cache }: Source, { height, stateRoot }: BlockHeader): TreeView {
  const reader = { pages: (ids: readonly string[]) => ports.pages.getPages(MAIN_LEDGER, ids) };
  return new TreeView({ height, root: stateRoot }, reader, { cache });
}

const genesisBlocks = new WeakMap<Genesis, ReturnType<typeof computeGenesisBlock>>();

function genesisBlockOf(genesis: Genesis): ReturnType<typeof computeGenesisBlock> {
  const block = genesisBlocks.get(genesis) ?? computeGenesisBlock(genesis);
  genesisBlocks.set(genesis, block);
  return block;
}
