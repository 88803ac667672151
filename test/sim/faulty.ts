/** A faulty validator with its real key: it drops, repeats, forges, lies and says two things. */
import type { SeededRandom } from './random.ts';
import { contextOf } from '../../lib/pbft/verify.ts';
import { headerHash } from '../../lib/wire/header.ts';
import {
  type Envelope,
  type Message,
  newViewDigest,
  type ViewChange,
  viewChangeDigest,
} from '../../lib/wire/messages.ts';
import { type UnsignedVote, type Vote, voteSigningBytes } from '../../lib/wire/vote.ts';
import type { TestNetwork } from '../support/network.ts';
import type { Cluster } from './cluster.ts';

export type Signing = (vote: Omit<UnsignedVote, 'validator'>) => Promise<Vote>;

/** Signs whatever it is asked, as this validator. */
export async function signingAs(
  network: TestNetwork,
  cluster: Cluster,
  id: string,
): Promise<Signing> {
  const key = network.validators.find((one) => one.id === id)?.vote;
  if (!key) throw new Error(id);
  const state = await cluster.state(id);
  return async (vote) => {
    const { phase, height, view, hash } = vote;
    const unsigned = { phase, height, view, hash };
    const signature = await key.sign(voteSigningBytes(contextOf(state, height), unsigned));
    return { ...unsigned, validator: id, signature };
  };
}

/** Makes a validator faulty from now on. */
export async function corrupt(network: TestNetwork, cluster: Cluster, id: string): Promise<void> {
  const sign = await signingAs(network, cluster, id);
  const { random } = cluster;
  const heard: Envelope[] = [];
  cluster.faulty.add(id);
  cluster.tamper = async (from, to, envelope) => {
    if (to === id || from === id) heard.push(envelope);
    if (from !== id) return [envelope];
    const pick = random.below(10);
    if (pick < 3) return [envelope];
    if (pick === 3) return [];
    const old = heard[random.below(heard.length)] ?? envelope;
    if (pick === 4) return [envelope, old, { ...old, from: id }];
    const messages: Message[] = [];
    for (const one of envelope.messages) messages.push(...(await lies(random, sign, one)));
    return random.chance(0.5) ? [{ ...envelope, messages }, envelope] : [{ ...envelope, messages }];
  };
}

async function lies(random: SeededRandom, sign: Signing, message: Message): Promise<Message[]> {
  switch (message.type) {
    case 'vote':
      return lyingVotes(random, sign, message.vote);
    case 'pre-prepare': {
      const time = message.header.time + random.below(3) - 1;
      const header = { ...message.header, time };
      const vote = await sign({ ...message.vote, hash: headerHash(header) });
      const transactions = random.chance(0.3) ? null : message.transactions;
      return [{ ...message, header, vote, transactions }];
    }
    case 'view-change':
      return [
        { type: 'view-change', viewChange: await lyingView(random, sign, message.viewChange) },
      ];
    case 'new-view': {
      const viewChanges = [...message.newView.viewChanges].reverse();
      const hash = newViewDigest({ ...message.newView, viewChanges });
      const vote = await sign({ ...message.newView.vote, hash });
      return [{ type: 'new-view', newView: { ...message.newView, viewChanges, vote } }];
    }
    case 'status': {
      const view = Math.max(0, message.view + random.below(5) - 2);
      const height = Math.max(0, message.height + random.below(5) - 2);
      const lie = { ...message, view, height, prepares: [], commits: [], viewChanges: [] };
      return [lie, message, lie, lie];
    }
    case 'decided':
      return [{ ...message, transactions: random.chance(0.5) ? null : [] }];
    case 'forward':
    case 'session':
      return [message];
  }
}

async function lyingVotes(random: SeededRandom, sign: Signing, vote: Vote): Promise<Message[]> {
  const view = vote.view + random.below(3);
  const height = vote.height + random.below(4);
  const hash = random.chance(0.5) ? vote.hash : new Uint8Array(32).fill(random.below(256));
  const phase = random.chance(0.5) ? 'prepare' : 'commit';
  return [{ type: 'vote', vote: await sign({ phase, view, height, hash }) }];
}

async function lyingView(
  random: SeededRandom,
  sign: Signing,
  viewChange: ViewChange,
): Promise<ViewChange> {
  const { header, certificate } = viewChange.head;
  const lie: ViewChange = {
    ...viewChange,
    view: viewChange.view + random.below(3),
    head: { header, certificate: random.chance(0.5) ? null : certificate },
    prepared: random.chance(0.5) ? null : viewChange.prepared,
  };
  const height = header.height + 1;
  const unsigned = { phase: 'view-change' as const, height, view: lie.view };
  return { ...lie, vote: await sign({ ...unsigned, hash: viewChangeDigest(lie) }) };
}
