/** Agreement, and one certified header per height: no two replicas hold different ones, ever. */
import { toHex } from '../../../lib/crypto/bytes.ts';
import type { BlockHeader } from '../../../lib/wire/header.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function agreement(world: World): Checker {
  const name = 'agreement';
  const committed = new Map<number, { hash: string; who: string }>();
  const agree = (who: string, height: number, hash: Uint8Array): void => {
    const mine = toHex(hash);
    const first = committed.get(height);
    if (!first) committed.set(height, { hash: mine, who });
    else if (first.hash !== mine) {
      world.fail(name, `${who} has another block at ${height} than ${first.who}`);
    }
  };
  return {
    name,
    onBlock(node, { header, hash }) {
      agree(node.name, header.height, hash);
    },
    onWrite(node, { port, method, args }) {
      if (port !== 'blocks' || method !== 'putCertified') return;
      const [, header, hash] = args as [string, BlockHeader, Uint8Array];
      agree(node.name, header.height, hash);
    },
  };
}
