/**
 * A view is entered for good reasons: a quorum of those who vote at the height where it starts asked
 * for it, each since this set votes, and no honest one among them has not asked. The same holds for
 * each view-change that a replica counts towards a view which it has not entered.
 */
import { equalBytes, toHex } from '../../../lib/crypto/bytes.ts';
import type { ViewChange } from '../../../lib/wire/messages.ts';
import { type ValidatorSet, validatorsHash } from '../../../lib/wire/validators.ts';
import type { UnsignedVote } from '../../../lib/wire/vote.ts';
import type { SimNode } from '../node.ts';
import type { World } from '../world.ts';
import { quorumOf } from './certificates.ts';
import type { Checker } from './checker.ts';

export function views(world: World): Checker {
  const name = 'views';
  const cast = new Set<string>();
  return {
    name,
    onVote(_node, { vote }) {
      if (vote.phase === 'view-change') cast.add(nameOf(vote));
    },
    onStep(node, state) {
      const { viewChanges, newView, changing, view } = state;
      for (const one of viewChanges) {
        const fault = faultOf(node, one, state.validators, state.head.header.height + 1);
        if (fault) world.fail(name, `${node.name} counts towards view ${one.view}: ${fault}`);
      }
      if (!newView || changing) return;
      const { height } = newView.vote;
      const set = world.setAt(height);
      if (!set) return;
      const from = new Set(newView.viewChanges.map((one) => one.vote.validator));
      const faults = newView.viewChanges.map((one) =>
        one.view === view ? faultOf(node, one, set, height) : `asks for view ${one.view}`,
      );
      if (from.size < quorumOf(set.length)) faults.push('no quorum asked');
      const first = faults.find((fault) => fault !== null);
      if (first) world.fail(name, `${node.name} is in view ${view}: ${first}`);
    },
  };

  /** Why a view-change says nothing at a height on which this set votes, or null. */
  function faultOf(
    node: SimNode,
    { vote }: ViewChange,
    set: ValidatorSet,
    height: number,
  ): string | null {
    const { validator } = vote;
    const seat = set.find(({ id }) => id === validator);
    if (!seat || seat.suspended) return null;
    if (vote.height < since(height, set)) return `${nameOf(vote)} was said to another set`;
    const isKnown = validator === node.id || !world.isJudged(validator, vote.height);
    return isKnown || cast.has(nameOf(vote)) ? null : `${nameOf(vote)} was never cast`;
  }

  /** The height from which a set votes that votes on this one. */
  function since(height: number, set: ValidatorSet): number {
    let from = height;
    for (; from > 1; from -= 1) {
      const before = world.setAt(from - 1);
      if (!before || !equalBytes(validatorsHash(before), validatorsHash(set))) break;
    }
    return from;
  }
}

function nameOf({ validator, height, view, hash }: UnsignedVote): string {
  return `${validator}'s view-change to ${view} at ${height} (${toHex(hash).slice(0, 8)})`;
}
