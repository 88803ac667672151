/** Attacks on liveness and storage by one faulty validator or client, each of which must fail. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  executeBlock,
  transactionFault,
  headView,
} from '../../functions/validator/replica/execute-block.ts';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { limits } from '../../lib/limits.ts';
import { frontierRoot } from '../../lib/ledger/merkle.ts';
import { type Message, type ViewChange, viewChangeDigest } from '../../lib/wire/messages.ts';
import { jwsTypes, parseTransaction } from '../../lib/wire/transaction.ts';
import { makeNetwork, probe, type TestNetwork } from '../support/network.ts';
import { Cluster, startTime } from './cluster.ts';
import { signingAs } from './faulty.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await makeNetwork(4);
});

const [a, b, c, d] = ['hospital-a', 'hospital-b', 'hospital-c', 'hospital-d'] as const;

function probeBy(index: number, label: string, overrides: Record<string, unknown> = {}) {
  const key = network.validators[index]?.operator;
  if (!key) throw new Error(String(index));
  return probe(key, label, startTime, overrides);
}

function send(cluster: Cluster, from: string, to: string, messages: Message[]): void {
  const genesisHash = cluster.network.genesis.hash;
  const envelope = { genesisHash, ledger: 'main', from, messages };
  cluster.post(from, to, { kind: 'envelope', envelope });
}

const status = (view: number, height: number): Message => ({
  type: 'status',
  view,
  changing: false,
  height,
  prepares: [],
  commits: [],
  viewChanges: [],
  proposal: null,
  wanted: null,
});

/** A network whose first leader is gone, so that the others have entered view 1. */
async function afterViewChange(of: TestNetwork, seed: number): Promise<Cluster> {
  const cluster = await Cluster.start(of, { seed });
  cluster.stop(a);
  const key = of.validators[0]?.operator;
  if (!key) throw new Error('no operator');
  await cluster.submit(c, [await probe(key, 'first', startTime)]);
  await cluster.run(startTime + 20_000);
  expect((await cluster.state(c)).view).toBe(1);
  return cluster;
}

describe('one record holds a step', () => {
  it('however many statuses a peer sends', async () => {
    const cluster = await afterViewChange(network, 51);
    const messages = Array.from({ length: limits.envelopeMessagesMax }, () => status(0, 1));
    for (const from of [a, b, d, b, d]) send(cluster, from, c, messages);
    await cluster.run(cluster.now + 1_000);
    const stored = await cluster.node(c).ports.replicas.load('main');
    expect(stored?.state.length).toBeLessThan(64 * 1024);
  });

  it('and statuses in the name of another push no vote out of it', async () => {
    const cluster = await afterViewChange(network, 52);
    const { outbox } = await floodedStep(cluster);
    expect(outbox).toContain('prepare');
  });

  it('also at the largest size of network', { timeout: 120_000 }, async () => {
    const of = await makeNetwork(limits.validatorsMax);
    const cluster = await afterViewChange(of, 53);
    for (const { id } of of.validators.slice(1, 3)) {
      const stored = await cluster.node(id).ports.replicas.load('main');
      expect(stored?.state.length, id).toBeLessThan(limits.chunkBytesMax);
    }
    expect(cluster.largestState).toBeLessThan(limits.chunkBytesMax);
  });
});

/** What d gets of c in a step that also answers 256 statuses in d's name. */
async function floodedStep(cluster: Cluster): Promise<{ outbox: string[] }> {
  const seen: string[] = [];
  cluster.tamper = async (from, to, envelope) => {
    if (from === c && to === d) {
      seen.push(
        ...envelope.messages.map((one) => (one.type === 'vote' ? one.vote.phase : one.type)),
      );
    }
    if (from === b && to === c) {
      const lies = Array.from({ length: 200 }, () => status(0, 1));
      return [{ ...envelope, from: d, messages: [...lies, ...envelope.messages] }];
    }
    return [envelope];
  };
  await cluster.submit(b, [await probeBy(1, 'second')]);
  await cluster.run(cluster.now + 900);
  return { outbox: seen };
}

describe('a view-change whose head proves nothing', () => {
  it('does not count, so that a replica behind can enter the view', async () => {
    const cluster = await Cluster.start(network, { seed: 54 });
    await cluster.submit(a, [await probeBy(0, 'first')]);
    await cluster.run(startTime + 5_000);
    const { head } = await cluster.state(c);
    const content = { head: { header: head.header, certificate: null }, prepared: null };
    const sign = await signingAs(network, cluster, a);
    const hash = viewChangeDigest(content);
    const vote = await sign({ phase: 'view-change', height: 1, view: 1, hash });
    const viewChange: ViewChange = { view: 1, ...content, vote };
    send(cluster, a, b, [{ type: 'view-change', viewChange }]);
    await cluster.run(cluster.now + 1_000);
    const { viewChanges } = await cluster.state(b);
    expect(viewChanges.length).toBe(0);
  });
});

describe('a store that fails for a moment', () => {
  it('makes no good transaction a bad one', async () => {
    const cluster = await Cluster.start(network, { seed: 55 });
    const { runtime } = cluster.node(d);
    runtime.ports.pages = {
      putPages: async () => undefined,
      getPages: async () => Promise.reject(new Error('the table does not answer')),
    };
    const state = await cluster.state(d);
    const view = headView(runtime, state);
    const good = parseTransaction(await probeBy(3, 'mine'));
    const judged = transactionFault(runtime, view, good, { time: startTime, state, people: null });
    await expect(judged).rejects.toThrow('the table does not answer');
  });
});

async function committed(cluster: Cluster, id: string): Promise<string[]> {
  const { head } = await cluster.state(id);
  const found: string[] = [];
  for (let height = 1; height <= head.header.height; height += 1) {
    const block = await cluster.node(id).ports.blocks.certified('main', height);
    const hash = block?.certificate.hash;
    const body = hash ? await cluster.node(id).ports.blocks.body('main', hash) : null;
    found.push(...(body?.transactions ?? []));
  }
  return found;
}

describe('a mempool whose oldest entries are dead', () => {
  it('is read on to those that live', async () => {
    const of = await makeNetwork(4, { blockTransactionsMax: 2 });
    const cluster = await Cluster.start(of, { seed: 56 });
    const key = of.validators[0]?.operator;
    if (!key) throw new Error('no operator');
    const dead = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((index) =>
        probe(key, `dead ${index}`, startTime - 60_000, { expiresAt: startTime - 1 }),
      ),
    );
    const alive = await probe(key, 'alive', startTime);
    await cluster.submit(c, [...dead, alive]);
    await cluster.run(startTime + 10_000);
    expect(await committed(cluster, c)).toEqual([alive]);
  });
});

describe('a transaction that the next block is too late for', () => {
  it('starts no view change where the head is ahead of the clocks', async () => {
    const cluster = await Cluster.start(network, { seed: 57 });
    const ahead = cluster.node(a).runtime;
    const clock = ahead.clock.bind(ahead);
    ahead.clock = () => clock() + 9_000;
    await cluster.submit(a, [await probeBy(0, 'first')]);
    await cluster.run(startTime + 1_000);
    expect(await cluster.heights()).toEqual([1, 1, 1, 1]);
    ahead.clock = clock;
    await cluster.submit(c, [await probeBy(2, 'late', { expiresAt: startTime + 8_000 })]);
    await cluster.run(startTime + 20_000);
    expect((await cluster.state(c)).view).toBe(0);
  });
});

describe('arguments nested without bound', () => {
  it('are malformed, whatever is left of the stack', async () => {
    const key = network.validators[0]?.operator;
    if (!key) throw new Error('no operator');
    const kid = thumbprint(key.publicKey);
    const nested = (depth: number): string => {
      const good = JSON.stringify({
        network: 'local-test',
        ledger: 'main',
        fn: 'governance.probe',
        args: { label: 0 },
        nonce: 'A'.repeat(22),
        issuedAt: startTime,
        expiresAt: startTime + 1000,
      });
      const payload = good.replace('0}', `${'['.repeat(depth)}${']'.repeat(depth)}}`);
      const header = JSON.stringify({ alg: 'ES256', typ: jwsTypes.transaction, kid });
      return `${toBase64url(utf8(header))}.${toBase64url(utf8(payload))}.${'A'.repeat(86)}`;
    };
    const outcome = (compact: string, frames: number): string => {
      if (frames > 0) return outcome(compact, frames - 1);
      try {
        return parseTransaction(compact).id;
      } catch (error) {
        return (error as Error).name;
      }
    };
    for (const depth of [2, 10, 31, 40, 200, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 23_000]) {
      const compact = nested(depth);
      expect(outcome(compact, 6_000), `depth ${depth}`).toBe(outcome(compact, 0));
    }
  });
});

describe('ticks that come twice', () => {
  it('do not become more and more', async () => {
    const cluster = await Cluster.start(network, { seed: 58 });
    for (const id of [a, b]) cluster.stop(id);
    await cluster.submit(c, [await probeBy(2, 'waits')]);
    await cluster.run(startTime + 5_000);
    const ticksOf = async (ms: number): Promise<number> => {
      const before = cluster.ticks;
      await cluster.run(cluster.now + ms);
      return cluster.ticks - before;
    };
    const usual = await ticksOf(10_000);
    for (let index = 0; index < 5; index += 1) {
      cluster.post(c, c, { kind: 'tick', due: (await cluster.state(c)).tickDueAt });
      await cluster.run(cluster.now + 150);
    }
    expect(await ticksOf(10_000)).toBeLessThanOrEqual(usual + 2);
  });
});

describe('a block over the bounds of the network', () => {
  it('is refused, though every transaction of it is good', async () => {
    const of = await makeNetwork(4, { blockTransactionsMax: 2 });
    const cluster = await Cluster.start(of, { seed: 59 });
    const key = of.validators[0]?.operator;
    if (!key) throw new Error('no operator');
    const sent = await Promise.all([1, 2, 3].map((one) => probe(key, `p${one}`, startTime)));
    const { runtime } = cluster.node(a);
    const state = await cluster.state(a);
    const historyRoot = frontierRoot(state.frontier);
    const plan = { view: 0, proposer: a, time: cluster.now, historyRoot, pin: null };
    const built = await executeBlock(runtime, state, sent.map(parseTransaction), plan, true);
    if (!built) throw new Error('empty');
    const { header, hash, transactions } = built;
    const sign = await signingAs(of, cluster, a);
    const vote = await sign({ phase: 'prepare', height: 1, view: 0, hash });
    for (const to of [b, c, d]) {
      send(cluster, a, to, [{ type: 'pre-prepare', header, transactions, vote }]);
    }
    await cluster.run(startTime + 2_000);
    expect((await cluster.state(c)).slot.refused.length).toBe(1);
  });
});

describe('a view bound to a block that its leader lacks', () => {
  it('goes on with the body of whoever executed it, prepared or not', async () => {
    const cluster = await Cluster.start(network, { seed: 60 });
    const { runtime } = cluster.node(a);
    const state = await cluster.state(a);
    const plan = {
      view: 0,
      proposer: a,
      time: cluster.now,
      historyRoot: frontierRoot(state.frontier),
      pin: null,
    };
    const transactions = [await probeBy(0, 'hidden')];
    const parsed = transactions.map(parseTransaction);
    const built = await executeBlock(runtime, state, parsed, plan, true);
    if (!built) throw new Error('empty');
    const { header, hash } = built;
    const sign = await signingAs(network, cluster, a);
    const vote = await sign({ phase: 'prepare', height: 1, view: 0, hash });
    const prepares = [vote];
    cluster.faulty.add(a);
    cluster.tamper = async (from, _to, envelope) => {
      // Nobody but the faulty one hears the votes of view 0.
      const messages = envelope.messages.filter((one) => {
        if (one.type !== 'vote' || one.vote.view > 0) return true;
        prepares.push(one.vote);
        return false;
      });
      return from === a ? [] : [{ ...envelope, messages }];
    };
    for (const to of [c, d]) {
      send(cluster, a, to, [{ type: 'pre-prepare', header, transactions, vote }]);
    }
    await cluster.run(startTime + 1_000);
    for (const id of [c, d]) expect((await cluster.state(id)).slot.prepared).toBeNull();
    const votes = prepares
      .filter((one, at) => prepares.findIndex((other) => other.validator === one.validator) === at)
      .map(({ validator, signature }) => ({ validator, signature }));
    expect(votes.length).toBe(3);
    const certificate = { phase: 'prepare' as const, height: 1, view: 0, hash, votes };
    const { header: genesis } = state.head;
    const prepared = { header, certificate };
    const content = { head: { header: genesis, certificate: null }, prepared };
    const proof = viewChangeDigest(content);
    const asked = await sign({ phase: 'view-change', height: 1, view: 1, hash: proof });
    const viewChange: ViewChange = { view: 1, ...content, vote: asked };
    send(cluster, a, b, [{ type: 'view-change', viewChange }]);
    await cluster.submit(d, [await probeBy(3, 'waits')]);
    await cluster.run(startTime + 12_000);
    const { head, view } = await cluster.state(b);
    expect([head.header.height >= 1, view]).toEqual([true, 1]);
    expect(await committed(cluster, b)).toContain(transactions[0]);
  });
});

describe('a client that back-dates', () => {
  it('does not reset the timer of another, though it fills all that is read', async () => {
    const of = await makeNetwork(4, { blockTransactionsMax: 2 });
    const cluster = await Cluster.start(of, { seed: 61 });
    const key = of.validators[2]?.operator;
    if (!key) throw new Error('no operator');
    cluster.stop(a);
    await cluster.submit(c, [await probe(key, 'victim', startTime)]);
    for (let second = 1; second <= 6; second += 1) {
      await cluster.run(startTime + second * 1_000);
      const issuedAt = startTime - second * 1_000;
      const flood = await Promise.all(['x', 'y'].map((one) => probe(key, one, issuedAt)));
      await cluster.submit(c, flood);
    }
    expect((await cluster.state(c)).view).toBeGreaterThanOrEqual(1);
  });
});
