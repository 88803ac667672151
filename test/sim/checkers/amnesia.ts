/**
 * Who is shown votes of its own that it knows nothing of promises nothing more: a replica that commits
 * a block by a certificate with such a vote in it is a learner from then on.
 */
import { toHex } from '../../../lib/crypto/bytes.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import type { Certificate, Vote } from '../../../lib/wire/vote.ts';
import { ledger, type SimNode } from '../node.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

/** Reading the state before each step costs time: looked at where a replica can forget. */
export function amnesia(world: World): Checker {
  const name = 'amnesia';
  const { restore = 0, clone = 0, twins = 0 } = world.profile.timeline;
  if (restore + clone + twins === 0) return { name };
  /** By signature: in which incarnation it was cast, and the count of votes at its first time. */
  const cast = new Map<string, { incarnation: number; at: number }>();
  /** By instance and height: the count of votes when it last left. */
  const said = new Map<string, number>();
  let count = 0;
  return {
    name,
    onOwnVote(node, vote) {
      count += 1;
      said.set(slotOf(node, vote), count);
      const signature = toHex(vote.signature);
      const incarnation = node.keyring.keys?.incarnation ?? 0;
      if (!cast.has(signature)) cast.set(signature, { incarnation, at: count });
    },
    async beforeStep(node) {
      const before = await node.state();
      if (!before || before.learner || before.session === null) return null;
      const begun = count;
      return async () => {
        const after = await node.state();
        if (!after || after.learner || after.session !== before.session) return;
        const first = before.head.header.height + 1;
        for (let height = first; height <= after.head.header.height; height += 1) {
          const found = await node.tables.blocks.certified(ledger, height);
          if (!found || !showsForgotten(node, before, found.certificate, begun)) continue;
          world.fail(name, `${node.name} votes on, having forgotten its vote at ${height}`);
        }
      };
    },
  };

  /** Its own vote, cast before the step began, unknown to its state, and not cast again meanwhile. */
  function showsForgotten(
    node: SimNode,
    before: ReplicaState,
    { votes, ...statement }: Certificate,
    begun: number,
  ): boolean {
    const own = votes.find((one) => one.validator === node.id);
    if (!own) return false;
    const vote: Vote = { ...statement, ...own };
    const known = cast.get(toHex(own.signature));
    if (!known || known.at > begun || known.incarnation !== before.session) return false;
    if ((said.get(slotOf(node, vote)) ?? 0) > begun) return false;
    const { myCommit } = before.slot;
    const isNext = vote.height === before.head.header.height + 1;
    return !(isNext && myCommit && myCommit.view >= vote.view);
  }
}

function slotOf({ name }: SimNode, { phase, height }: Vote): string {
  return `${name} ${phase} ${height}`;
}
