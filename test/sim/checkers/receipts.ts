/** Receipts always verify: of one transaction of each block, by the offline verifier. */
import { buildReceipt, encodeReceipt } from '../../../lib/ledger/receipt.ts';
import { verifyReceipt } from '../../../lib/ledger/verify-receipt.ts';
import { chainOf } from '../../../lib/ledger/stored-link.ts';
import { ledger } from '../node.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function receipts(world: World): Checker {
  const name = 'receipts';
  const { genesis, verify } = world.network;
  let checked = 0;
  return {
    name,
    async onBlock(node, { header, certificate, body }) {
      // One height at one replica in turn: what each of them serves is sampled over a run.
      if (header.height !== checked + 1) return;
      const turn = world.honest()[header.height % world.honest().length];
      if (turn !== node) return;
      checked = header.height;
      const index = header.height % body.results.length;
      const kept = await node.tables.blocks.links(ledger);
      const links = kept.filter(({ fromHeight }) => fromHeight <= header.height);
      const receipt = buildReceipt({
        genesis,
        header,
        certificate,
        results: body.results,
        index,
        ...chainOf(links),
      });
      try {
        await verifyReceipt(encodeReceipt(receipt), genesis, { verify });
      } catch (error) {
        world.fail(name, `${node.name} at ${header.height}: ${(error as Error).message}`);
      }
    },
  };
}
