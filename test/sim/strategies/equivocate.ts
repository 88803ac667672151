/** Saying two things: two blocks for one height and view, votes for both, each to its own half. */
import {
  VerifiedTransactions,
  type ValidatorRuntime,
} from '../../../functions/validator/runtime.ts';
import { executeBlock } from '../../../functions/validator/replica/execute-block.ts';
import { equalBytes, toHex } from '../../../lib/crypto/bytes.ts';
import { PageCache } from '../../../lib/ledger/page-cache.ts';
import { type BlockHeader, headerHash } from '../../../lib/wire/header.ts';
import type { Envelope, Message, MessageOf } from '../../../lib/wire/messages.ts';
import { parseTransaction } from '../../../lib/wire/transaction.ts';
import type { Adversary, Alternative } from '../adversary.ts';
import type { Strategy } from '../strategies.ts';

/** As leader: a valid second block, shown to half of the peers; and it votes for both. */
export function equivocate(by: Adversary): Strategy {
  return {
    async rewrite(to, envelope) {
      for (const message of envelope.messages) {
        if (message.type === 'pre-prepare') await makeSecond(by, message);
      }
      return shown(by, to, envelope);
    },
  };
}

/** As leader: both blocks to everybody, one after the other. */
export function insist(by: Adversary): Strategy {
  return {
    async rewrite(_to, envelope) {
      const second: Message[] = [];
      for (const message of envelope.messages) {
        if (message.type !== 'pre-prepare') continue;
        await makeSecond(by, message);
        const other = by.alternatives.get(toHex(headerHash(message.header)));
        if (other) second.push(await proposalOf(by, message, other));
      }
      return second.length > 0 ? [envelope, { ...envelope, messages: second }] : [envelope];
    },
  };
}

/** Not as leader: half of the peers hear it vote for another block, or for both. */
export function splitVotes(by: Adversary): Strategy {
  return {
    async rewrite(to, envelope) {
      const shownHere = await shown(by, to, envelope);
      const random = by.decides('split-votes', 0.3);
      if (!random) return shownHere;
      const hash = new Uint8Array(32).fill(random.below(256));
      const messages: Message[] = [];
      for (const message of envelope.messages) {
        if (message.type !== 'vote' || message.vote.validator !== by.node.id) continue;
        messages.push({ type: 'vote', vote: await by.sign({ ...message.vote, hash }) });
      }
      const second = { ...envelope, messages };
      return random.chance(0.5) ? [second, ...shownHere] : [...shownHere, second];
    },
  };
}

/** The alternatives' half of the peers sees them in the place of what they are alternatives to. */
async function shown(by: Adversary, to: string, envelope: Envelope): Promise<Envelope[]> {
  const messages: Message[] = [];
  for (const message of envelope.messages) messages.push(await swapped(by, to, message));
  return [{ ...envelope, messages }];
}

async function swapped(by: Adversary, to: string, message: Message): Promise<Message> {
  if (message.type === 'vote') {
    const second = secondFor(by, to, message.vote.hash);
    if (!second || message.vote.validator !== by.node.id) return message;
    return { type: 'vote', vote: await by.sign({ ...message.vote, hash: second.hash }) };
  }
  if (message.type !== 'pre-prepare') return message;
  const second = secondFor(by, to, headerHash(message.header));
  if (!second || message.vote.validator !== by.node.id) return message;
  return proposalOf(by, message, second);
}

async function proposalOf(
  by: Adversary,
  { vote }: MessageOf<'pre-prepare'>,
  { header, hash, transactions }: Alternative,
): Promise<Message> {
  return { type: 'pre-prepare', header, transactions, vote: await by.sign({ ...vote, hash }) };
}

/** The block that this peer is shown instead, the same whoever of the faulty shows it. */
function secondFor(by: Adversary, to: string, hash: Uint8Array): Alternative | null {
  const second = by.alternatives.get(toHex(hash));
  if (!second) return null;
  const [low, high] = [toHex(hash), toHex(second.hash)].sort();
  const world = by.node.world;
  const seesHigh = world.plan.random(`side ${low} ${to}`).chance(0.5);
  const wanted = seesHigh ? high : low;
  return wanted === toHex(second.hash) ? second : null;
}

/** Builds a second block of the same requests at another time, as valid as the first. */
async function makeSecond(by: Adversary, message: MessageOf<'pre-prepare'>): Promise<void> {
  const { header, transactions, vote } = message;
  if (vote.validator !== by.node.id || header.proposer !== by.node.id || !transactions) return;
  const hash = headerHash(header);
  if (by.alternatives.has(toHex(hash)) || !by.decides('equivocate', 0.7)) return;
  const other = await rebuilt(by, { ...header, time: header.time + 1 }, transactions);
  if (other) by.pair({ header, hash, transactions }, other);
}

/** Another block in the place of one that it has proposed: of these requests, executed. */
export async function rebuilt(
  by: Adversary,
  { height, previousHash, view, proposer, time, historyRoot }: BlockHeader,
  transactions: readonly string[],
): Promise<Alternative | null> {
  const state = await by.state();
  if (!state || state.head.header.height + 1 !== height) return null;
  if (!equalBytes(state.head.hash, previousHash)) return null;
  const plan = { view, proposer, time, historyRoot, pin: null };
  return executeBlock(runtimeOf(by), state, transactions.map(parseTransaction), plan, true);
}

/** Enough of a runtime to execute with. */
function runtimeOf(by: Adversary): ValidatorRuntime {
  const { node } = by;
  const { genesis, verify } = node.world.network;
  return {
    self: node.id,
    genesis,
    ports: by.ports,
    signer: null,
    identity: async () => node.keys.kms,
    verify,
    clock: () => node.now,
    freshId: () => node.freshId(),
    log: () => undefined,
    warm: new Map(),
    cache: new PageCache(1024 * 1024),
    verified: new VerifiedTransactions(),
  };
}
