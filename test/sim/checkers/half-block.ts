/** No half block is readable: whenever the readers' head moves, all that it names can be read. */
import { cells } from '../../../lib/chaincode/cells.ts';
import { equalBytes, toHex } from '../../../lib/crypto/bytes.ts';
import { merkleRoot } from '../../../lib/ledger/merkle.ts';
import { TreeView } from '../../../lib/ledger/state-view.ts';
import { limits } from '../../../lib/limits.ts';
import type { CommittedHead } from '../../../lib/ports.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { parseTransaction } from '../../../lib/wire/transaction.ts';
import { ledger, type SimNode } from '../node.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function halfBlock(world: World): Checker {
  const name = 'half-block';
  const seen = new Map<SimNode, number>();
  /** By header hash: the pages that reading its state took. */
  const readPages = new Map<string, Map<string, Uint8Array>>();
  return {
    name,
    async onWrite(node, { port, method, args }, result) {
      if (port !== 'replicas' || method !== 'save' || result !== true) return;
      const head = args[3] as CommittedHead;
      const stored = (args[2] as Uint8Array).length;
      if (stored > limits.chunkBytesMax) world.fail(name, `a record of ${stored} bytes`);
      if (seen.get(node) === head.height) return;
      seen.set(node, head.height);
      if (head.height > 0) await readable(node, head);
    },
  };

  async function readable(node: SimNode, head: CommittedHead): Promise<void> {
    const { blocks } = node.tables;
    const at = `${node.name} at ${head.height}`;
    const certified = await blocks.certified(ledger, head.height);
    if (!certified) world.fail(name, `${at}: no certified header`);
    if (!equalBytes(headerHash(certified.header), head.headerHash)) {
      world.fail(name, `${at}: the header under the height is another than the head`);
    }
    const body = await blocks.body(ledger, head.headerHash);
    if (!body) world.fail(name, `${at}: no body`);
    if (!equalBytes(merkleRoot(body.results), head.header.resultsRoot)) {
      world.fail(name, `${at}: the results are not those of the header`);
    }
    const first = body.transactions[0];
    if (first) {
      const places = await blocks.locations(ledger, parseTransaction(first).id);
      if (!places.some((one) => equalBytes(one.headerHash, head.headerHash))) {
        world.fail(name, `${at}: a transaction cannot be found by its id`);
      }
    }
    await stateReadable(node, head, at);
  }

  /** The first replica at a height reads the tree; the others must hold the same pages. */
  async function stateReadable(node: SimNode, head: CommittedHead, at: string): Promise<void> {
    const { pages } = node.tables;
    const known = readPages.get(toHex(head.headerHash));
    if (known) {
      const held = await pages.getPages(ledger, [...known.keys()]);
      const same = [...known.values()].every((bytes, index) => {
        const mine = held[index];
        return mine !== undefined && equalBytes(mine, bytes);
      });
      if (!same) world.fail(name, `${at}: a page of its state is missing or another`);
      return;
    }
    const read = new Map<string, Uint8Array>();
    const reader = {
      async pages(ids: readonly string[]): Promise<(Uint8Array | undefined)[]> {
        const found = await pages.getPages(ledger, ids);
        for (const [index, id] of ids.entries()) {
          const bytes = found[index];
          if (bytes) read.set(id, bytes);
        }
        return found;
      },
    };
    const view = new TreeView({ height: head.height, root: head.header.stateRoot }, reader);
    for (const key of [cells.parameters.key, cells.validators.key]) {
      const value = await view.get(key).catch(() => null);
      if (!value) world.fail(name, `${at}: no ${key} in its state`);
    }
    readPages.set(toHex(head.headerHash), read);
  }
}
