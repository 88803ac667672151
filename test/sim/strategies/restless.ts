/** Asking for views that it would lead, or entering them all alone, with certificates that nobody made. */
import { headerHash } from '../../../lib/wire/header.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import {
  type Message,
  type NewView,
  newViewDigest,
  type ViewChange,
  viewChangeDigest,
} from '../../../lib/wire/messages.ts';
import { leaderOf, quorumSize } from '../../../lib/wire/validators.ts';
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
      const view = nextOwnView(state);
      const hash = viewChangeDigest(content);
      const height = header.height + 1;
      const vote = await by.sign({ phase: 'view-change', height, view, hash });
      const viewChange = { view, ...content, vote };
      const message: Message = random.chance(0.3)
        ? { type: 'new-view', newView: await aloneInto(by, viewChange) }
        : { type: 'view-change', viewChange };
      for (const to of by.peers) by.postEnvelope(to, { messages: [message] });
    },
  };
}

/** The next view in which it leads: whoever follows it there waits for a new-view in vain. */
function nextOwnView(state: ReplicaState): number {
  const { validators, view, self, leaderOffset } = state;
  const later = validators.map((_, step) => view + 1 + step);
  return later.find((one) => leaderOf(validators, one, leaderOffset).id === self) ?? view + 1;
}

/** A new-view that nobody but itself asked for. */
async function aloneInto(by: Adversary, viewChange: ViewChange): Promise<NewView> {
  const { view, vote } = viewChange;
  const viewChanges = [viewChange];
  const hash = newViewDigest({ view, viewChanges });
  const own = await by.sign({ phase: 'new-view', height: vote.height, view, hash });
  return { view, viewChanges, vote: own };
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
