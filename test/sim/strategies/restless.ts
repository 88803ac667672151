/** Asking for later views without need, with certificates that nobody made. */
import { headerHash } from '../../../lib/wire/header.ts';
import { type ViewChange, viewChangeDigest } from '../../../lib/wire/messages.ts';
import { quorumSize } from '../../../lib/wire/validators.ts';
import type { Adversary } from '../adversary.ts';
import type { SeededRandom } from '../random.ts';
import type { Strategy } from '../strategies.ts';

export function restless(by: Adversary): Strategy {
  return {
    async act() {
      const random = by.decides('restless', 0.5);
      const state = random && (await by.state());
      if (!random || !state) return;
      const { header, certificate } = state.head;
      const content: Pick<ViewChange, 'head' | 'prepared'> = {
        head: { header, certificate },
        prepared: random.chance(0.5) ? await madeUpPrepared(by, random, header, state.view) : null,
      };
      const view = state.view + 1 + random.below(2);
      const hash = viewChangeDigest(content);
      const height = header.height + 1;
      const vote = await by.sign({ phase: 'view-change', height, view, hash });
      const message = { type: 'view-change' as const, viewChange: { view, ...content, vote } };
      for (const to of by.peers) by.postEnvelope(to, { messages: [message] });
    },
  };
}

/** A block that nobody has seen, prepared by a quorum whose signatures are all its own. */
export async function madeUpPrepared(
  by: Adversary,
  random: SeededRandom,
  head: ViewChange['head']['header'],
  view: number,
): Promise<ViewChange['prepared']> {
  const height = head.height + 1;
  const stateRoot = new Uint8Array(32).fill(random.below(256));
  const previousHash = headerHash(head);
  const header = { ...head, height, view, previousHash, stateRoot, time: by.node.now };
  const hash = headerHash(header);
  const { signature } = await by.sign({ phase: 'prepare', height, view, hash });
  const { ids } = by.node.world;
  const votes = ids.slice(0, quorumSize(ids.length)).map((validator) => ({ validator, signature }));
  return { header, certificate: { phase: 'prepare', height, view, hash, votes } };
}
