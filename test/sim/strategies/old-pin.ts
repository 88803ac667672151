/** As leader of a case ledger it pins the oldest block of the main ledger that it may. */
import { headerHash } from '../../../lib/wire/header.ts';
import type { CommittedHead } from '../../../lib/ports.ts';
import type { Adversary } from '../adversary.ts';
import { ledger } from '../node.ts';
import type { Strategy } from '../strategies.ts';

/** Its own code is shown the head at which the last case was opened: it knows all of them there. */
export function oldPin(by: Adversary): Strategy {
  const { cases, profile } = by.node.world;
  return {
    read({ port, method, args }, found) {
      if (port !== 'replicas' || method !== 'head' || args[0] !== ledger || !found) return found;
      const opened = [...cases.openings.values()].sort((a, b) => b.height - a.height);
      const [header] = opened;
      const head = found as CommittedHead;
      if (!header || opened.length < profile.cases || header.height > head.height) return found;
      if (!by.decides('old-pin', 0.7)) return found;
      return { ...head, height: header.height, headerHash: headerHash(header), header };
    },
  };
}
