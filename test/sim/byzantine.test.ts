/** Faulty validators that hold real keys: what they may say, and that it does not help them. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  executeBlock,
  type ExecutedBlock,
} from '../../functions/validator/replica/execute-block.ts';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import { frontierRoot } from '../../lib/ledger/merkle.ts';
import { contextOf } from '../../lib/pbft/verify.ts';
import type { Message } from '../../lib/wire/messages.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { type Phase, type Vote, voteSigningBytes } from '../../lib/wire/vote.ts';
import { makeNetwork, probe, type TestNetwork } from '../support/network.ts';
import { Cluster, startTime } from './cluster.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await makeNetwork(4);
});

const faulty = 'hospital-a';
const honest = ['hospital-b', 'hospital-c', 'hospital-d'];

async function send(cluster: Cluster, to: string, message: Message, from = faulty): Promise<void> {
  const envelope = { genesisHash: network.genesis.hash, ledger: 'main', from, messages: [message] };
  cluster.post(from, to, { kind: 'envelope', envelope });
}

async function sign(
  cluster: Cluster,
  who: string,
  vote: { phase: Phase; height: number; view: number; hash: Uint8Array },
): Promise<Vote> {
  const state = await cluster.state(who);
  const key = network.validators.find((one) => one.id === who)?.vote;
  if (!key) throw new Error(who);
  const signature = await key.sign(voteSigningBytes(contextOf(state, vote.height), vote));
  return { ...vote, validator: who, signature };
}

async function block(
  cluster: Cluster,
  compacts: string[],
  time = cluster.now,
): Promise<ExecutedBlock> {
  const { runtime } = cluster.node(faulty);
  const state = await cluster.state(faulty);
  const plan = {
    view: 0,
    proposer: faulty,
    time,
    historyRoot: frontierRoot(state.frontier),
    pin: null,
  };
  const built = await executeBlock(runtime, state, compacts.map(parseTransaction), plan, true);
  if (!built) throw new Error('empty');
  return built;
}

async function propose(cluster: Cluster, to: string, built: ExecutedBlock): Promise<void> {
  const { header, hash, transactions } = built;
  const vote = await sign(cluster, faulty, {
    phase: 'prepare',
    height: header.height,
    view: 0,
    hash,
  });
  await send(cluster, to, { type: 'pre-prepare', header, transactions, vote });
}

const probeOf = (index: number, label: string) => {
  const key = network.validators[index]?.operator;
  if (!key) throw new Error(String(index));
  return probe(key, label, startTime);
};

describe('a leader that equivocates', () => {
  it('does not fork the ledger, and its victims commit in a later view', async () => {
    const cluster = await Cluster.start(network, { seed: 41 });
    const [one, two] = [await probeOf(1, 'one'), await probeOf(2, 'two')];
    const first = await block(cluster, [one]);
    const second = await block(cluster, [two]);
    expect(equalBytes(first.hash, second.hash)).toBe(false);
    cluster.stop(faulty);
    await propose(cluster, 'hospital-b', first);
    await propose(cluster, 'hospital-c', second);
    await propose(cluster, 'hospital-d', second);
    for (const vote of ['prepare', 'commit'] as const) {
      for (const built of [first, second]) {
        const cast = await sign(cluster, faulty, {
          phase: vote,
          height: 1,
          view: 0,
          hash: built.hash,
        });
        for (const to of honest) await send(cluster, to, { type: 'vote', vote: cast });
      }
    }
    await cluster.submit('hospital-b', [one, two]);
    await cluster.run(startTime + 60_000);
    const [, ...heights] = await cluster.heights();
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(1);
    expect(new Set(heights).size).toBe(1);
  });

  it('cannot have a state root believed that execution does not give', async () => {
    const cluster = await Cluster.start(network, { seed: 42 });
    const built = await block(cluster, [await probeOf(1, 'x')]);
    const { headerHash } = await import('../../lib/wire/header.ts');
    const header = { ...built.header, stateRoot: new Uint8Array(32).fill(7) };
    cluster.stop(faulty);
    for (const to of honest)
      await propose(cluster, to, { ...built, header, hash: headerHash(header) });
    await cluster.run(startTime + 5_000);
    for (const id of honest) {
      expect((await cluster.state(id)).slot.myPrepare).toBeNull();
      expect(cluster.node(id).logs.some((log) => log.event === 'alarm')).toBe(true);
    }
  });

  it('cannot propose a time far from the clocks of others', async () => {
    const cluster = await Cluster.start(network, { seed: 43 });
    const built = await block(cluster, [await probeOf(1, 'x')], startTime + 60_000);
    cluster.stop(faulty);
    for (const to of honest) await propose(cluster, to, built);
    await cluster.run(startTime + 3_000);
    for (const id of honest) expect((await cluster.state(id)).slot.myPrepare).toBeNull();
  });

  it('cannot include a transaction twice', async () => {
    const cluster = await Cluster.start(network, { seed: 44 });
    const tx = await probeOf(1, 'x');
    const built = await block(cluster, [tx]);
    cluster.stop(faulty);
    const twice = { ...built, transactions: [tx, tx] };
    for (const to of honest) await propose(cluster, to, twice);
    await cluster.run(startTime + 3_000);
    for (const id of honest) expect((await cluster.state(id)).slot.myPrepare).toBeNull();
  });
});

describe('votes that do not count', () => {
  it('signed by another key, for another phase, view, height or hash', async () => {
    const cluster = await Cluster.start(network, { seed: 45 });
    const built = await block(cluster, [await probeOf(1, 'x')]);
    cluster.stop(faulty);
    await propose(cluster, 'hospital-b', built);
    const { hash } = built;
    const good = await sign(cluster, faulty, { phase: 'prepare', height: 1, view: 0, hash });
    const stolen = (validator: string): Vote => ({ ...good, validator });
    for (const vote of [
      stolen('hospital-c'),
      stolen('hospital-d'),
      { ...stolen('hospital-c'), phase: 'commit' as const },
      { ...stolen('hospital-d'), phase: 'commit' as const },
      { ...good, phase: 'commit' as const },
      { ...good, view: 3 },
      { ...good, validator: 'hospital-z' },
    ]) {
      await send(cluster, 'hospital-b', { type: 'vote', vote });
    }
    await cluster.run(startTime + 900);
    const { slot } = await cluster.state('hospital-b');
    expect(slot.prepares.map((one) => one.validator).sort()).toEqual([faulty, 'hospital-b']);
    expect(slot.commits).toEqual([]);
  });

  it('a new-view without a quorum of view-changes is not entered', async () => {
    const cluster = await Cluster.start(network, { seed: 46 });
    cluster.stop('hospital-b');
    const { newViewDigest } = await import('../../lib/wire/messages.ts');
    const hash = newViewDigest({ view: 1, viewChanges: [] });
    const vote = await sign(cluster, 'hospital-b', { phase: 'new-view', height: 0, view: 1, hash });
    const message: Message = { type: 'new-view', newView: { view: 1, viewChanges: [], vote } };
    await send(cluster, 'hospital-c', message, 'hospital-b');
    await cluster.run(startTime + 1_000);
    expect((await cluster.state('hospital-c')).view).toBe(0);
  });

  it('an envelope of another network is dropped', async () => {
    const cluster = await Cluster.start(network, { seed: 47 });
    const built = await block(cluster, [await probeOf(1, 'x')]);
    const { header, hash, transactions } = built;
    const vote = await sign(cluster, faulty, { phase: 'prepare', height: 1, view: 0, hash });
    const messages: Message[] = [{ type: 'pre-prepare', header, transactions, vote }];
    const genesisHash = new Uint8Array(32);
    const envelope = { genesisHash, ledger: 'main', from: faulty, messages };
    cluster.post(faulty, 'hospital-b', { kind: 'envelope', envelope });
    await cluster.run(startTime + 1_000);
    expect((await cluster.state('hospital-b')).slot.proposal).toBeNull();
  });
});

describe('two runs of one replica that overlap', () => {
  it('only one of them is stored, and its votes are the only ones sent', async () => {
    const cluster = await Cluster.start(network, { seed: 48 });
    const { step } = await import('../../functions/validator/step.ts');
    const node = cluster.node('hospital-a');
    const { VerifiedTransactions } = await import('../../functions/validator/runtime.ts');
    const twin = { ...node.runtime, warm: new Map(), verified: new VerifiedTransactions() };
    const sent = [await probeOf(0, 'one'), await probeOf(1, 'two')];
    await cluster.submit('hospital-a', sent);
    await Promise.all([
      step(node.runtime, 'main', [{ kind: 'wake' }]),
      step(twin, 'main', [{ kind: 'wake' }]),
    ]);
    await cluster.run(startTime + 30_000);
    expect(await cluster.heights()).toEqual([1, 1, 1, 1]);
  });
});
