/** No honest vote is contradicted: two votes of one slot are what evidence is made of. */
import { toHex } from '../../../lib/crypto/bytes.ts';
import { nameOfVote } from '../links.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function votes(world: World): Checker {
  const name = 'votes';
  const cast = new Map<string, string>();
  return {
    name,
    onVote(node, sent) {
      const { validator, phase, height, view, hash } = sent.vote;
      const slot = `${validator} ${phase} ${height} ${view} ${node.keyring.keys?.incarnation ?? 0}`;
      const mine = toHex(hash);
      const before = cast.get(slot);
      if (before === undefined) {
        cast.set(slot, mine);
        world.tellVote(node, sent);
      } else if (before !== mine) {
        world.fail(name, `${nameOfVote(sent)} contradicts an earlier vote for ${before}`);
      }
    },
  };
}
