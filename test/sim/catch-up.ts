/** The catch-up worker, over the tables of peers in the place of their HTTPS. */
import type { BlockRange } from '../../functions/validator/catch-up.ts';
import type { FetchedBlock } from '../../functions/validator/ports.ts';
import { limits } from '../../lib/limits.ts';
import { headerHash } from '../../lib/wire/header.ts';
import { shortName } from './describe.ts';
import type { SimNode } from './node.ts';

/** Blocks from whichever peers can be reached, until one is missing. */
export async function fetchBlocks(node: SimNode, wanted: BlockRange): Promise<BlockRange | null> {
  const { ledger, fromHeight } = wanted;
  const last = Math.min(wanted.toHeight, fromHeight + limits.catchUpBlocksMax - 1);
  let height = fromHeight;
  for (; height <= last; height += 1) {
    const block = await fromAny(node, ledger, height);
    if (!block) break;
    await node.perform({ port: 'fetched', method: 'put', args: [ledger, height, block] });
  }
  if (height === fromHeight) return null;
  node.trace(`fetched blocks ${fromHeight}–${height - 1}`);
  return { ledger, fromHeight, toHeight: height - 1 };
}

async function fromAny(
  node: SimNode,
  ledger: string,
  height: number,
): Promise<FetchedBlock | null> {
  for (const peer of node.world.nodes.values()) {
    if (peer.id === node.id || !peer.up || node.world.links.isCut(node, peer)) continue;
    // As its API does: what is above the committed head is not given out, certified or not.
    const head = await peer.tables.replicas.head(ledger);
    if (!head || head.height < height) continue;
    const found = await peer.tables.blocks.certified(ledger, height);
    if (!found) continue;
    const body = await peer.tables.blocks.body(ledger, headerHash(found.header));
    if (!body) continue;
    const block = { ...found, transactions: body.transactions };
    if (!peer.adversary) return block;
    if (peer.adversary.servesBlocks(height)) return block;
    node.trace(`${shortName(peer.name)} serves no block ${height}`);
  }
  return null;
}
