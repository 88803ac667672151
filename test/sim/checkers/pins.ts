/**
 * Case ledgers: what they pin is a committed block of the main ledger and never goes back; who votes on
 * a block is the set of the main height that the block before it pins; and nobody keeps anything of a
 * ledger that was not opened. No vote of an honest replica is contradicted there either.
 */
import { equalBytes, toHex } from '../../../lib/crypto/bytes.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { leaderOffset } from '../../../lib/wire/ledger.ts';
import { leaderOf, validatorsHash } from '../../../lib/wire/validators.ts';
import type { World } from '../world.ts';
import { quorumOf } from './certificates.ts';
import type { Checker } from './checker.ts';

export function pins(world: World): Checker {
  const name = 'pins';
  const cast = new Map<string, string>();
  return {
    name,
    onCaseBlock(node, { header, certificate }) {
      const { ledger, height, pin } = header;
      const at = `${node.name} at ${height} of ${ledger.slice(0, 6)}`;
      const opening = world.cases.openings.get(ledger);
      if (!opening) world.fail(name, `${at}: the main ledger has not opened it`);
      const { headers } = world.cases;
      const before = height > 1 ? headers.get(ledger)?.get(height - 1)?.pin : null;
      const from = before?.height ?? opening.height;
      if (!pin || pin.height < from) world.fail(name, `${at}: pins ${pin?.height}, after ${from}`);
      const main = headers.get('main')?.get(pin.height);
      if (!main || !equalBytes(headerHash(main), pin.hash)) {
        world.fail(name, `${at}: what it pins at ${pin.height} is not committed`);
      }
      const set = world.setAt(from) ?? world.network.genesis.validators;
      if (!equalBytes(header.validatorsHash, validatorsHash(set))) {
        world.fail(name, `${at}: not the set of the main height ${from}`);
      }
      const voters = new Set(certificate.votes.map((one) => one.validator));
      const mayVote = set.filter(({ id, suspended }) => voters.has(id) && !suspended);
      if (mayVote.length < quorumOf(set.length)) world.fail(name, `${at}: not a quorum`);
      const leader = leaderOf(set, header.view, leaderOffset(ledger)).id;
      if (header.proposer !== leader) world.fail(name, `${at}: ${leader} leads, not the proposer`);
    },
    onCaseVote(node, ledger, { vote }) {
      const { phase, height, view, hash } = vote;
      const incarnation = node.keyring.keys?.incarnation ?? 0;
      const slot = `${vote.validator} ${ledger} ${phase} ${height} ${view} ${incarnation}`;
      const before = cast.get(slot);
      if (before === undefined) cast.set(slot, toHex(hash));
      else if (before !== toHex(hash)) world.fail(name, `${slot} is contradicted`);
    },
    onCaseWrite(node, { port, method, args }) {
      if (port !== 'replicas' || method !== 'save') return;
      const ledger = args[0] as string;
      if (!world.cases.opened.has(ledger)) {
        world.fail(name, `${node.name} keeps a ledger that nobody opened`);
      }
    },
  };
}
