/** The set changes up to a header, with the sessions of all sets: what proofs under it need. */
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import type { ReceiptSource } from '../../../lib/ledger/receipt.ts';
import { chainOf } from '../../../lib/ledger/stored-link.ts';
import type { Genesis } from '../../../lib/wire/genesis.ts';
import type { BlockHeader } from '../../../lib/wire/header.ts';
import type { ApiRuntime } from './runtime.ts';

/** All of them, also where the set is that of genesis again: who saw one between follows it here. */
export async function setChainTo(
  runtime: ApiRuntime,
  genesis: Genesis,
  header: BlockHeader,
): Promise<Pick<ReceiptSource, 'sessions' | 'links'>> {
  const stored = await runtime.deps.ports.blocks.links(MAIN_LEDGER);
  const until = stored.filter(({ fromHeight }) => fromHeight <= header.height);
  const { sessions, links } = chainOf(until);
  return { sessions: [...genesis.sessions, ...sessions], links: [...links] };
}
