/** The production step in a simulated network: the paper's claims under faults. */
import { beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../lib/crypto/bytes.ts';
import { makeNetwork, probe, type TestNetwork } from '../support/network.ts';
import { Cluster, type SimOptions, startTime } from './cluster.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await makeNetwork(4);
});

async function probes(count: number, of: TestNetwork = network): Promise<string[]> {
  const keys = of.validators.map((one) => one.operator);
  return Promise.all(
    Array.from({ length: count }, (_, index) => {
      const key = keys[index % keys.length];
      if (!key) throw new Error('no operator');
      return probe(key, `p${index}`, startTime);
    }),
  );
}

/** Every submitted transaction is in the ledger of every running replica exactly once. */
async function expectCommittedOnce(cluster: Cluster, compacts: readonly string[]): Promise<void> {
  cluster.scheduleAll();
  await cluster.run(cluster.now + 30_000);
  const submitted = new Map(compacts.map((compact, index) => [compact, `t${index}`]));
  for (const node of cluster.nodes.values()) {
    if (!node.up) continue;
    const { head } = await cluster.state(node.id);
    const found: string[] = [];
    for (let height = 1; height <= head.header.height; height += 1) {
      const block = await node.ports.blocks.certified('main', height);
      const hash = block?.certificate.hash;
      const body = hash ? await node.ports.blocks.body('main', hash) : null;
      found.push(...(body?.transactions ?? []));
    }
    const names = found.flatMap((one) => submitted.get(one) ?? []);
    expect(names.sort(), node.id).toEqual([...submitted.values()].sort());
  }
}

async function sameHeads(cluster: Cluster): Promise<void> {
  const up = [...cluster.nodes.values()].filter((node) => node.up);
  const heads = await Promise.all(
    up.map(async ({ id }) => toHex((await cluster.state(id)).head.hash)),
  );
  expect(new Set(heads).size).toBe(1);
}

describe('four validators that agree', () => {
  it('commit a transaction submitted to the leader', async () => {
    const cluster = await Cluster.start(network, { seed: 1 });
    await cluster.submit('hospital-a', await probes(1));
    await cluster.run(startTime + 10_000);
    expect(await cluster.heights()).toEqual([1, 1, 1, 1]);
  });

  it('commit a transaction submitted to any other', async () => {
    const cluster = await Cluster.start(network, { seed: 2 });
    const sent = await probes(3);
    await cluster.submit('hospital-c', sent);
    await cluster.run(startTime + 10_000);
    await expectCommittedOnce(cluster, sent);
  });

  it('replace a leader that is gone', async () => {
    const cluster = await Cluster.start(network, { seed: 3 });
    cluster.stop('hospital-a');
    const sent = await probes(3);
    await cluster.submit('hospital-c', sent);
    await cluster.run(startTime + 30_000);
    await expectCommittedOnce(cluster, sent);
    expect((await cluster.state('hospital-b')).view).toBe(1);
  });

  it('commit nothing without a quorum, and go on when it is back', async () => {
    const cluster = await Cluster.start(network, { seed: 4 });
    cluster.stop('hospital-a');
    cluster.stop('hospital-b');
    const sent = await probes(2);
    await cluster.submit('hospital-c', sent);
    await cluster.run(startTime + 30_000);
    expect(await cluster.heights()).toEqual([0, 0, 0, 0]);
    cluster.restart('hospital-a');
    cluster.restart('hospital-b');
    await cluster.run(startTime + 200_000);
    await expectCommittedOnce(cluster, sent);
  });

  it('bring a replica up to date that was away for many blocks', async () => {
    const cluster = await Cluster.start(network, { seed: 5 });
    cluster.stop('hospital-d');
    const sent = await probes(12);
    for (const [index, one] of sent.entries()) {
      await cluster.submit('hospital-a', [one]);
      await cluster.run(startTime + (index + 1) * 1000);
    }
    cluster.restart('hospital-d');
    await cluster.run(startTime + 60_000);
    await expectCommittedOnce(cluster, sent);
    await sameHeads(cluster);
  });

  it('rest when there is nothing to do', async () => {
    const cluster = await Cluster.start(network, { seed: 6 });
    await cluster.submit('hospital-b', await probes(1));
    await cluster.run(startTime + 20_000);
    const { steps } = cluster;
    await cluster.run(startTime + 600_000);
    expect(cluster.steps).toBe(steps);
  });

  it('keep the transaction of a client whom the leader ignores', async () => {
    const cluster = await Cluster.start(network, { seed: 7 });
    for (const other of ['hospital-b', 'hospital-c', 'hospital-d'])
      cluster.cut.add(`${other}>hospital-a`);
    const sent = await probes(2);
    await cluster.submit('hospital-d', sent);
    await cluster.run(startTime + 60_000);
    cluster.cut.clear();
    await cluster.run(startTime + 120_000);
    await expectCommittedOnce(cluster, sent);
  });
});

describe('any size of network', () => {
  it.each([4, 7, 10])('n = %i commits with f replicas gone', async (n) => {
    const of = await makeNetwork(n);
    const cluster = await Cluster.start(of, { seed: n });
    const f = Math.floor((n - 1) / 3);
    for (const { id } of of.validators.slice(0, f)) cluster.stop(id);
    const sent = await probes(5, of);
    await cluster.submit(of.validators[n - 1]?.id ?? '', sent);
    await cluster.run(startTime + 120_000);
    await expectCommittedOnce(cluster, sent);
  });
});

describe('queues that lose, repeat and reorder', () => {
  const profiles: [string, Omit<SimOptions, 'seed'>][] = [
    ['duplicates', { duplication: 0.4 }],
    ['reordering', { reorder: true, delayMsMax: 400 }],
    ['loss', { loss: 0.1 }],
    ['all of it', { loss: 0.08, duplication: 0.2, reorder: true, delayMsMax: 300 }],
  ];
  it.each(profiles)('%s: nothing is lost or done twice', async (_name, profile) => {
    for (const seed of [11, 12, 13, 14, 15]) {
      const cluster = await Cluster.start(network, { seed, ...profile });
      const sent = await probes(8);
      const ids = [...cluster.nodes.keys()];
      for (const [index, one] of sent.entries()) {
        await cluster.submit(ids[index % 4] ?? '', [one]);
        await cluster.run(cluster.now + cluster.random.below(400));
      }
      await cluster.run(startTime + 300_000);
      await expectCommittedOnce(cluster, sent).catch((error: unknown) => {
        throw new Error(`seed ${seed}`, { cause: error });
      });
    }
  });
});

describe('a process that dies between any two writes or sends', () => {
  const victims = ['hospital-a', 'hospital-c'];
  it.each(victims)('%s loses nothing committed', async (victim) => {
    const counting = await Cluster.start(network, { seed: 21 });
    const sent = await probes(3);
    await counting.submit('hospital-c', sent);
    await counting.run(startTime + 10_000);
    const total = counting.node(victim).crash.operations;
    expect(total).toBeGreaterThan(8);
    for (let at = 0; at < total; at += 1) {
      for (const after of [false, true]) {
        const cluster = await Cluster.start(network, { seed: 21 });
        Object.assign(cluster.node(victim).crash, { remaining: at, after });
        await cluster.submit('hospital-c', sent);
        await cluster.run(startTime + 120_000);
        await expectCommittedOnce(cluster, sent).catch((error: unknown) => {
          throw new Error(`crash at ${at}, after: ${after}`, { cause: error });
        });
      }
    }
  });
});

describe('partitions', () => {
  it('heal without a fork, whoever is cut off', async () => {
    for (const alone of ['hospital-a', 'hospital-b', 'hospital-c', 'hospital-d']) {
      const cluster = await Cluster.start(network, { seed: 31 });
      const others = [...cluster.nodes.keys()].filter((id) => id !== alone);
      for (const other of others) {
        cluster.cut.add(`${alone}>${other}`);
        cluster.cut.add(`${other}>${alone}`);
      }
      const sent = await probes(4);
      await cluster.submit(alone, sent.slice(0, 2));
      await cluster.submit(others[2] ?? '', sent.slice(2));
      await cluster.run(startTime + 20_000);
      cluster.cut.clear();
      await cluster.run(startTime + 200_000);
      await expectCommittedOnce(cluster, sent);
      await sameHeads(cluster);
    }
  });
});
