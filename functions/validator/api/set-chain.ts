/**
 * The set changes up to the set that votes on a header, with the sessions of all sets; on a case
 * ledger, the header before it: what proofs under it need.
 */
import type { ChainSource } from '../../../lib/ledger/receipt.ts';
import { chainOf } from '../../../lib/ledger/stored-link.ts';
import type { BlockHeader } from '../../../lib/wire/header.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { committedBlock } from './committed.ts';
import type { ApiRuntime, RunningNetwork } from './runtime.ts';

/** All of them, also where the set is that of genesis again: who saw one between follows it here. */
export async function setChainTo(
  runtime: ApiRuntime,
  network: RunningNetwork,
  header: BlockHeader,
): Promise<Pick<ChainSource, 'sessions' | 'links' | 'parent'>> {
  const hasParent = network.ofCase !== null && header.height > 0;
  const parent = hasParent
    ? (await committedBlock(runtime, network, header.height - 1)).header
    : null;
  // L23: on a case ledger the height that the block before it pins says who votes.
  const votedAt = (parent ?? header).pin?.height ?? header.height;
  const stored = await runtime.deps.ports.blocks.links(MAIN_LEDGER);
  const { sessions, links } = chainOf(stored.filter(({ fromHeight }) => fromHeight <= votedAt));
  const all = [...network.genesis.sessions, ...sessions];
  return { sessions: all, links: [...links], parent };
}
