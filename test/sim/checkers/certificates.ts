/**
 * Certificates are what they say: by a quorum of those who may vote at that height, as the state of
 * two heights before has it, and no honest one among them has not cast its vote. And nobody commits to
 * what a quorum cannot have prepared.
 */
import { governedOf } from '../../../lib/chaincode/governed.ts';
import { equalBytes, toHex } from '../../../lib/crypto/bytes.ts';
import { TreeView } from '../../../lib/ledger/state-view.ts';
import { validatorsHash } from '../../../lib/wire/validators.ts';
import type { UnsignedVote } from '../../../lib/wire/vote.ts';
import { ledger, type SimNode } from '../node.ts';
import type { NewBlock } from '../observe.ts';
import { activationDelay, type World } from '../world.ts';
import type { Checker } from './checker.ts';

export function certificates(world: World): Checker {
  const name = 'certificates';
  const cast = new Set<string>();
  const { sets } = world;
  return {
    name,
    onVote(node, { vote }) {
      cast.add(nameOf(vote));
      const set = world.setAt(vote.height);
      if (vote.phase !== 'commit' || !set) return;
      const ids = set.map((one) => one.id);
      const prepared = ids.filter(
        (validator) =>
          validator === node.id ||
          !world.isJudged(validator, vote.height) ||
          cast.has(nameOf({ ...vote, phase: 'prepare', validator })),
      );
      if (prepared.length < quorumOf(ids.length)) {
        world.fail(name, `${nameOf(vote)}: only ${prepared.join(', ')} may have prepared it`);
      }
    },
    async onBlock(node, block) {
      const { header, certificate } = block;
      const set = world.setAt(header.height) ?? world.network.genesis.validators;
      const at = `${node.name} at ${header.height}`;
      if (!equalBytes(header.validatorsHash, validatorsHash(set))) {
        world.fail(name, `${at}: not the set that governs this height`);
      }
      const voters = new Set(certificate.votes.map((one) => one.validator));
      const mayVote = set.filter(({ id, suspended }) => voters.has(id) && !suspended);
      if (mayVote.length < quorumOf(set.length)) {
        world.fail(name, `${at}: ${mayVote.length} who may vote are not a quorum`);
      }
      const { votes, ...statement } = certificate;
      for (const { validator } of votes) {
        if (!world.isJudged(validator, header.height)) continue;
        const vote = nameOf({ ...statement, validator });
        // The own vote is stored before it is sent, and counts here before anybody hears it.
        if (validator === node.id) cast.add(vote);
        if (!cast.has(vote)) {
          world.fail(name, `${at}: ${validator} has cast no such vote`);
        }
      }
      if (!sets.has(header.height + activationDelay)) await remember(node, block);
    },
  };

  /** Read from the tables of whoever has the block first; all have the same by agreement. */
  async function remember(node: SimNode, { header }: NewBlock): Promise<void> {
    const pages = (ids: readonly string[]) => node.tables.pages.getPages(ledger, ids);
    const view = new TreeView({ height: header.height, root: header.stateRoot }, { pages });
    const { validators } = await governedOf(view);
    sets.set(header.height + activationDelay, validators);
  }
}

/** Counted here once more: more than half of all but the faulty, so that two share an honest one. */
export function quorumOf(n: number): number {
  return Math.floor((n + Math.floor((n - 1) / 3)) / 2) + 1;
}

function nameOf({ validator, phase, height, view, hash }: UnsignedVote): string {
  return `${validator} ${phase} ${height} ${view} ${toHex(hash)}`;
}
