/** Saying what is not so: small changes to own messages, lies about others, made-up certificates. */
import { headerHash } from '../../../lib/wire/header.ts';
import {
  type Envelope,
  type Message,
  newViewDigest,
  type ViewChange,
  viewChangeDigest,
} from '../../../lib/wire/messages.ts';
import { quorumSize } from '../../../lib/wire/validators.ts';
import type { Vote } from '../../../lib/wire/vote.ts';
import type { Adversary } from '../adversary.ts';
import { pickOne, type SeededRandom } from '../random.ts';
import type { Strategy } from '../strategies.ts';
import { madeUpPrepared } from './restless.ts';

/** ByzzFuzz: view ±1, height ±1, another phase, a digest of earlier; signed anew. */
export function mutate(by: Adversary): Strategy {
  return rewriting(by, 'mutate', 0.35, async (random, message, heard) => {
    if (message.type === 'vote') {
      return { type: 'vote', vote: await by.sign(nudged(random, message.vote, heard)) };
    }
    if (message.type === 'pre-prepare') {
      const time = message.header.time + random.below(3) - 1;
      const view = Math.max(0, message.vote.view + random.below(3) - 1);
      const header = random.chance(0.5) ? { ...message.header, time } : message.header;
      const vote = await by.sign({ ...message.vote, view, hash: headerHash(header) });
      const transactions = random.chance(0.3) ? null : message.transactions;
      return { ...message, header, vote, transactions };
    }
    if (message.type === 'decided') return { ...message, transactions: [] };
    return message;
  });
}

function nudged(random: SeededRandom, vote: Vote, heard: readonly Vote[]): Vote {
  const step = random.chance(0.5) ? 1 : -1;
  const kind = random.below(4);
  if (kind === 0) return { ...vote, view: Math.max(0, vote.view + step) };
  if (kind === 1) return { ...vote, height: Math.max(0, vote.height + step) };
  if (kind === 2) return { ...vote, phase: vote.phase === 'prepare' ? 'commit' : 'prepare' };
  const old = heard.length > 0 ? pickOne(random, heard).hash : vote.hash;
  return { ...vote, hash: old };
}

/** View-changes and new-views that leave out or choose, and statuses that say anything. */
export function lie(by: Adversary): Strategy {
  return rewriting(by, 'lie', 0.5, async (random, message) => {
    if (message.type === 'view-change') {
      return { type: 'view-change', viewChange: await lyingView(by, random, message.viewChange) };
    }
    if (message.type === 'new-view') {
      const state = await by.state();
      const held = state?.viewChanges.filter((one) => one.view === message.newView.view) ?? [];
      const all = [...message.newView.viewChanges, ...held];
      const distinct = [...new Map(all.map((one) => [one.vote.validator, one])).values()];
      const count = random.chance(0.4) ? 1 : message.newView.viewChanges.length;
      const viewChanges = distinct.reverse().slice(0, count);
      const hash = newViewDigest({ ...message.newView, viewChanges });
      const vote = await by.sign({ ...message.newView.vote, hash });
      return { type: 'new-view', newView: { ...message.newView, viewChanges, vote } };
    }
    if (message.type === 'status') {
      const view = Math.max(0, message.view + random.below(5) - 2);
      const height = Math.max(0, message.height + random.below(5) - 2);
      return { ...message, view, height, prepares: [], commits: [], viewChanges: [] };
    }
    return message;
  });
}

async function lyingView(
  by: Adversary,
  random: SeededRandom,
  viewChange: ViewChange,
): Promise<ViewChange> {
  const { header, certificate } = viewChange.head;
  const madeUp = random.chance(0.3)
    ? await madeUpPrepared(by, random, header, Math.max(0, viewChange.view - 1))
    : viewChange.prepared;
  const lied: ViewChange = {
    ...viewChange,
    view: viewChange.view + random.below(3),
    head: { header, certificate: random.chance(0.3) ? null : certificate },
    prepared: random.chance(0.5) ? null : madeUp,
  };
  const vote = { ...viewChange.vote, view: lied.view, hash: viewChangeDigest(lied) };
  return { ...lied, vote: await by.sign(vote) };
}

/** Speaks as others, and shows certificates whose votes nobody cast. */
export function forge(by: Adversary): Strategy {
  return {
    async rewrite(_to, envelope) {
      const random = by.decides('forge', 0.3);
      if (!random) return [envelope];
      const from = pickOne(random, by.node.world.ids);
      const forged: Message[] = [];
      for (const message of envelope.messages) {
        if (message.type !== 'vote') continue;
        const vote = await by.sign(message.vote);
        forged.push({ type: 'vote', vote: { ...vote, validator: from } });
      }
      const decided = await madeUp(by, random);
      if (decided) forged.push(decided);
      return [envelope, { ...envelope, from, messages: forged }];
    },
  };
}

/** A block that nobody voted for, with votes of a quorum that it signed all by itself. */
async function madeUp(by: Adversary, random: SeededRandom): Promise<Message | null> {
  const state = await by.state();
  if (!state) return null;
  const { ids } = by.node.world;
  const height = state.head.header.height + 1;
  const previousHash = state.head.hash;
  const stateRoot = new Uint8Array(32).fill(random.below(256));
  const header = { ...state.head.header, height, previousHash, stateRoot, time: by.node.now };
  const hash = headerHash(header);
  const view = state.view;
  const vote = await by.sign({ phase: 'commit', height, view, hash });
  const double = random.chance(0.3);
  const voters = ids.slice(0, quorumSize(ids.length));
  const votes = voters.map((id) => ({
    validator: double ? by.node.id : id,
    signature: vote.signature,
  }));
  const certificate = { phase: 'commit' as const, height, view, hash, votes };
  return { type: 'decided', header, certificate, transactions: [] };
}

type Rewrite = (random: SeededRandom, message: Message, heard: readonly Vote[]) => Promise<Message>;

/** Changes each message with some chance; sometimes the true one goes out as well. */
function rewriting(
  by: Adversary,
  kind: 'mutate' | 'lie',
  probability: number,
  change: Rewrite,
): Strategy {
  return {
    async rewrite(_to, envelope) {
      const random = by.decides(kind, probability);
      if (!random) return [envelope];
      const heard = by
        .heardEnvelopes()
        .flatMap((one) => one.messages.flatMap((each) => (each.type === 'vote' ? each.vote : [])));
      const messages: Message[] = [];
      for (const message of envelope.messages) messages.push(await change(random, message, heard));
      const changed: Envelope = { ...envelope, messages };
      return random.chance(0.4) ? [changed, envelope] : [changed];
    },
  };
}
