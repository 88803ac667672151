/**
 * Case ledgers: what an honest replica prepares afresh pins a block that is not far below the head that
 * its main ledger had when the step began. What a new-view binds it to was fresh in an earlier view.
 */
import { decodeRecord } from '../../../functions/validator/replica/record.ts';
import { equalBytes, toHex } from '../../../lib/crypto/bytes.ts';
import { limits } from '../../../lib/limits.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import { type BlockHeader, headerHash } from '../../../lib/wire/header.ts';
import type { Message } from '../../../lib/wire/messages.ts';
import type { SimNode } from '../node.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function lag(world: World): Checker {
  const name = 'lag';
  /** A vote is saved again whenever it is said again: the first time counts. */
  const seen = new Set<string>();
  return {
    name,
    onCaseWrite(node, { port, method, args }, result) {
      if (port !== 'replicas' || method !== 'save' || result !== true) return;
      const { state, outbox } = decodeRecord(args[2] as Uint8Array);
      const said = outbox.flatMap(({ messages }) => messages.map(({ message }) => message));
      for (const header of said.flatMap((message) => preparedBy(node, state, message))) {
        const { ledger, height, view, pin } = header;
        const place = `${node.name} at ${height} of ${ledger.slice(0, 6)}`;
        const named = `${place} ${view} ${toHex(headerHash(header))}`;
        const behind = node.mainAtStep - (pin?.height ?? 0);
        if (!seen.has(named) && behind > limits.pinLagMax) {
          world.fail(name, `${place}: pins ${pin?.height}, ${behind} blocks below its main head`);
        }
        seen.add(named);
      }
    },
  };
}

/** The header that a message prepares in the view in which it was first proposed. */
function preparedBy(node: SimNode, { slot, head }: ReplicaState, message: Message): BlockHeader[] {
  if (message.type !== 'vote' && message.type !== 'pre-prepare') return [];
  const { vote } = message;
  if (vote.phase !== 'prepare' || vote.validator !== node.id) return [];
  const known = [slot.proposal, slot.decided, head].flatMap((one) => one?.header ?? []);
  const all = message.type === 'vote' ? known : [message.header];
  return all.filter(
    (header) => header.view === vote.view && equalBytes(headerHash(header), vote.hash),
  );
}
