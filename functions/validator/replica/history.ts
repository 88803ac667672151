/** Keeps the history tree: with each committed block, the subtrees that it completes. */
import { completedNodes, frontierNodes, siblingsOf } from '../../../lib/ledger/history-tree.ts';
import type { Frontier } from '../../../lib/ledger/merkle.ts';
import type { BlockStore } from '../../../lib/ports.ts';
import type { BlockHeader } from '../../../lib/wire/header.ts';

/** Idempotent, like the certified header: written before the head moves. */
export async function keepHistory(
  blocks: BlockStore,
  { ledger, height, previousHash }: BlockHeader,
  headerHash: Uint8Array,
): Promise<void> {
  const beside = siblingsOf(height);
  const siblings = beside.length > 0 ? await blocks.history(ledger, beside) : [];
  const block = { height, headerHash, previousHash };
  await blocks.putHistory(ledger, completedNodes(block, siblings));
}

/** What a snapshot brings of the history before it: the frontier of its `size` headers. */
export async function keepFrontier(
  blocks: BlockStore,
  ledger: string,
  size: number,
  frontier: Frontier,
): Promise<void> {
  const nodes = frontierNodes(size).map((node, at) => ({ ...node, hash: frontier[at] }));
  await blocks.putHistory(
    ledger,
    nodes.flatMap(({ hash, ...node }) => (hash ? [{ ...node, hash }] : [])),
  );
}
