/** Single steps of the production step: what stops none of them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeRecord, encodeRecord } from '../../functions/validator/replica/record.ts';
import { decodeInboxMessage } from '../../functions/aws/inbox-message.ts';
import { step } from '../../functions/validator/step.ts';
import { headerHash } from '../../lib/wire/header.ts';
import { contextOf } from '../../lib/pbft/verify.ts';
import type { Message } from '../../lib/wire/messages.ts';
import { voteSigningBytes } from '../../lib/wire/vote.ts';
import { makeNetwork, probe, type TestNetwork } from '../support/network.ts';
import { Cluster, startTime } from './cluster.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await makeNetwork(4);
});

it('L17: who has no seat follows by the blocks that it fetches', async () => {
  const cluster = await Cluster.start(network, { seed: 1 });
  const key = network.validators[1]?.operator;
  if (!key) throw new Error('no operator');
  await cluster.submit('hospital-b', [await probe(key, 'x', startTime)]);
  await cluster.run(startTime + 2_000);
  const { ports } = cluster.node('hospital-b');
  const block = await ports.blocks.certified('main', 1);
  const body = block && (await ports.blocks.body('main', headerHash(block.header)));
  if (!body) throw new Error('nothing was committed');

  const fresh = await Cluster.start(network, { seed: 1 });
  const joiner = fresh.node('hospital-d');
  const stored = await joiner.ports.replicas.load('main');
  if (!stored) throw new Error('no replica');
  const record = decodeRecord(stored.state);
  const state = { ...record.state, self: 'hospital-e', session: null, learner: true };
  const { header, hash } = state.head;
  const head = { height: 0, headerHash: hash, header, certificate: null, votedHeight: 0 };
  const bytes = encodeRecord({ ...record, state });
  expect(await joiner.ports.replicas.save('main', stored.version, bytes, head)).toBe(true);
  await joiner.ports.fetched.put('main', 1, { ...block, transactions: body.transactions });
  const runtime = { ...joiner.runtime, self: 'hospital-e', signer: null };
  await step(runtime, 'main', [{ kind: 'fetched', fromHeight: 1, toHeight: 1 }]);
  expect((await fresh.state('hospital-d')).head.header.height).toBe(1);
});

it('L15: a suspended validator that is behind is told so, and nothing else of it is heard', async () => {
  const cluster = await Cluster.start(network, { seed: 3 });
  const key = network.validators[1]?.operator;
  if (!key) throw new Error('no operator');
  await cluster.submit('hospital-b', [await probe(key, 'x', startTime)]);
  await cluster.run(startTime + 2_000);
  const { runtime, ports } = cluster.node('hospital-b');
  const stored = await ports.replicas.load('main');
  if (!stored) throw new Error('no replica');
  const record = decodeRecord(stored.state);
  const validators = record.state.validators.map((seat) =>
    seat.id === 'hospital-d' ? { ...seat, suspended: true } : seat,
  );
  const state = { ...record.state, validators };
  const { header, hash, certificate } = state.head;
  const head = { height: 1, headerHash: hash, header, certificate, votedHeight: 1 };
  const bytes = encodeRecord({ ...record, state });
  expect(await ports.replicas.save('main', stored.version, bytes, head)).toBe(true);
  const said: string[] = [];
  const peers = {
    send: async (to: string, body: string) => {
      const sent = decodeInboxMessage(body);
      if (sent.kind !== 'envelope') return;
      said.push(...sent.envelope.messages.map(({ type }) => `${type} to ${to}`));
    },
  };
  const quiet = { ...runtime, warm: new Map(), ports: { ...runtime.ports, peers } };
  const status = (height: number, view: number): Message => ({
    ...{ type: 'status', view, changing: false, height, prepares: [], commits: [] },
    ...{ viewChanges: [], proposal: null, wanted: null },
  });
  const from = (messages: Message[]) => ({
    kind: 'envelope' as const,
    sender: 'd',
    envelope: { genesisHash: network.genesis.hash, ledger: 'main', from: 'hospital-d', messages },
  });
  await step(quiet, 'main', [from([status(1, 0), status(5, 9)])]);
  expect(said).toEqual([]);
  await step(quiet, 'main', [from([status(0, 0)])]);
  expect(said).toEqual(['decided to hospital-d']);
});

it('L21: a KMS that does not answer stops no step, though there is somebody to accuse', async () => {
  const cluster = await Cluster.start(network, { seed: 2 });
  const { runtime, logs } = cluster.node('hospital-b');
  const state = await cluster.state('hospital-b');
  const culprit = network.validators.find(({ id }) => id === 'hospital-c');
  if (!culprit) throw new Error('no culprit');
  const messages: Message[] = [];
  for (const fill of [1, 2]) {
    const hash = new Uint8Array(32).fill(fill);
    const vote = { phase: 'prepare' as const, height: 1, view: 0, hash, validator: culprit.id };
    const signature = await culprit.vote.sign(voteSigningBytes(contextOf(state, 1), vote));
    messages.push({ type: 'vote', vote: { ...vote, signature } });
  }
  const { hash: genesisHash } = network.genesis;
  const envelope = { genesisHash, ledger: 'main', from: culprit.id, messages };
  const silent = { ...runtime, identity: () => Promise.reject(new Error('KMS is away')) };
  await step(silent, 'main', [{ kind: 'envelope', envelope }]);
  expect((await cluster.state('hospital-b')).contradictions).toHaveLength(1);
  expect(logs.some((log) => log.event === 'send_failed' && log.to === 'accuse')).toBe(true);
});

describe('what is sent in the name of another validator', () => {
  const signature = new Uint8Array(64);
  const hash = new Uint8Array(32).fill(7);
  /** Small, and dear by what it may hold: the budget of one step is soon spent. */
  const dear = (validator: string): Message[] => {
    const vote = { phase: 'new-view' as const, height: 1, view: 1, hash, validator, signature };
    const newView = { view: 1, viewChanges: [], vote };
    return Array.from({ length: 256 }, () => ({ type: 'new-view', newView }));
  };

  it('uses up no budget of the validator itself', async () => {
    const cluster = await Cluster.start(network, { seed: 3 });
    const { runtime, logs } = cluster.node('hospital-b');
    const state = await cluster.state('hospital-b');
    const named = network.validators.find(({ id }) => id === 'hospital-c');
    if (!named) throw new Error('no validator');
    const { id: from } = named;
    const unsigned = { phase: 'prepare' as const, height: 1, view: 0, hash, validator: from };
    const signed = await named.vote.sign(voteSigningBytes(contextOf(state, 1), unsigned));
    const genuine: Message = { type: 'vote', vote: { ...unsigned, signature: signed } };
    const { hash: genesisHash } = network.genesis;
    const envelopeOf = (messages: Message[]) => ({ genesisHash, ledger: 'main', from, messages });
    await step(runtime, 'main', [
      { kind: 'envelope', envelope: envelopeOf(dear(from)), sender: 'AROALIAR' },
      { kind: 'envelope', envelope: envelopeOf([genuine]), sender: 'AROAPEER' },
    ]);
    expect(logs.some((log) => log.event === 'dropped' && /too much/.test(log.reason))).toBe(true);
    // A vote that decides nothing yet stays in memory.
    const slot = runtime.warm.get('main')?.record.state.slot;
    expect(slot?.prepares.map(({ validator }) => validator)).toEqual([from]);
  });

  it('is dropped unread where the name is the own one', async () => {
    const cluster = await Cluster.start(network, { seed: 4 });
    const { runtime, logs } = cluster.node('hospital-b');
    const { hash: genesisHash } = network.genesis;
    const from = 'hospital-b';
    const envelope = { genesisHash, ledger: 'main', from, messages: dear(from) };
    await step(runtime, 'main', [{ kind: 'envelope', envelope, sender: 'AROALIAR' }]);
    const dropped = logs.filter((log) => log.event === 'dropped').map(({ reason }) => reason);
    expect(dropped).toEqual(['sender']);
  });
});
