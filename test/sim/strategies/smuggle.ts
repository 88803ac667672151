/** Requests that nobody signed: handed on to a leader, or put into a block by a leader itself. */
import { toHex } from '../../../lib/crypto/bytes.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import type { Message } from '../../../lib/wire/messages.ts';
import type { Adversary, Alternative } from '../adversary.ts';
import { pickOne, type SeededRandom } from '../random.ts';
import type { Strategy } from '../strategies.ts';
import { signed } from '../workload.ts';
import { rebuilt } from './equivocate.ts';

export function smuggle(by: Adversary): Strategy {
  /** By the hash of what its own code proposed: what everybody is shown instead. */
  const blocks = new Map<string, Alternative | null>();
  return {
    async rewrite(_to, envelope) {
      const messages: Message[] = [];
      for (const message of envelope.messages) messages.push(await withMore(by, blocks, message));
      return [{ ...envelope, messages }];
    },
    async act() {
      const random = by.decides('smuggle', 0.3);
      if (!random) return;
      const transactions = [await unsigned(by, random)];
      const waiting = random.chance(0.5) ? { waiting: true as const } : {};
      by.postEnvelope(pickOne(random, by.peers), {
        messages: [{ type: 'forward', transactions, ...waiting }],
      });
    },
  };
}

/** Its own proposal has one request more, and is as true as the first in all else. */
async function withMore(
  by: Adversary,
  blocks: Map<string, Alternative | null>,
  message: Message,
): Promise<Message> {
  if (message.type !== 'pre-prepare' || !message.transactions) return message;
  const { header, transactions, vote } = message;
  if (vote.validator !== by.node.id || header.proposer !== by.node.id) return message;
  const named = toHex(headerHash(header));
  if (!blocks.has(named)) {
    const random = by.decides('smuggle', 0.4);
    const all = random && [...transactions, await unsigned(by, random)];
    blocks.set(named, all && (await rebuilt(by, header, all)));
  }
  const other = blocks.get(named);
  if (!other) return message;
  const own = await by.sign({ ...vote, hash: other.hash });
  return { ...message, header: other.header, transactions: other.transactions, vote: own };
}

/** In the name of another hospital's operator, by the key of its own. */
function unsigned(by: Adversary, random: SeededRandom): Promise<string> {
  const { world, keys } = by.node;
  const label = `smuggled ${random.below(2 ** 31)}`;
  const request = { label, by: pickOne(random, by.peers), fn: 'governance.probe', args: { label } };
  return signed(world, request, keys.operator);
}
