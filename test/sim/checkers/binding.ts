/**
 * What may be decided binds: once those who have committed to a block in some view are, with the
 * faulty, a quorum, no honest replica prepares another block of that height in a later view.
 */
import { toHex } from '../../../lib/crypto/bytes.ts';
import type { World } from '../world.ts';
import { quorumOf } from './certificates.ts';
import type { Checker } from './checker.ts';

interface Choice {
  view: number;
  hash: string;
  /** Honest validators that voted so. */
  by: Set<string>;
}

interface Height {
  prepare: Choice[];
  commit: Choice[];
}

export function binding(world: World): Checker {
  const name = 'binding';
  const heights = new Map<number, Height>();
  return {
    name,
    onVote(_node, { vote }) {
      const { phase, height } = vote;
      if (phase !== 'prepare' && phase !== 'commit') return;
      const slot = heights.get(height) ?? { prepare: [], commit: [] };
      heights.set(height, slot);
      if (!note(slot[phase], vote.view, toHex(vote.hash), vote.validator)) return;
      for (const committed of slot.commit) {
        const other = slot.prepare.find(
          ({ view, hash }) => view > committed.view && hash !== committed.hash,
        );
        if (!other || !mayBeDecided(height, committed)) continue;
        const who = [...other.by].join(', ');
        const what = `at ${height} in view ${other.view}, but one of view ${committed.view}`;
        world.fail(name, `${who} prepared a block ${what} may be decided`);
      }
    },
  };

  function mayBeDecided(height: number, { by }: Choice): boolean {
    const set = world.setAt(height);
    if (!set) return false;
    const willing = set.filter(({ id }) => by.has(id) || world.isFaulty(id));
    return willing.length >= quorumOf(set.length);
  }
}

/** Whether that is new. */
function note(choices: Choice[], view: number, hash: string, validator: string): boolean {
  const found = choices.find((one) => one.view === view && one.hash === hash);
  if (found?.by.has(validator)) return false;
  if (found) found.by.add(validator);
  else choices.push({ view, hash, by: new Set([validator]) });
  return true;
}
