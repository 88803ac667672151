/** Floods of requests: others wait for about one block, no leader falls, nothing accepted is lost. */
import { beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../lib/limits.ts';
import { pendingOf } from '../../lib/pbft/fair-order.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { makeNetwork, probe, type TestNetwork } from '../support/network.ts';
import { Cluster, startTime } from './cluster.ts';

const [leader, b, c] = ['hospital-a', 'hospital-b', 'hospital-c'] as const;

let network: TestNetwork;
beforeAll(async () => {
  network = await makeNetwork(4, { blockTransactionsMax: 4 });
});

async function signed(
  key: number,
  count: number,
  overrides: Record<string, unknown> = {},
  of: TestNetwork = network,
): Promise<string[]> {
  const operator = of.validators[key]?.operator;
  if (!operator) throw new Error(String(key));
  return Promise.all(
    Array.from({ length: count }, (_, i) => probe(operator, `${key}-${i}`, startTime, overrides)),
  );
}

/** Compact transactions of each committed block, as a validator has them. */
async function blocks(cluster: Cluster, id: string): Promise<string[][]> {
  const { head } = await cluster.state(id);
  const found: string[][] = [];
  for (let height = 1; height <= head.header.height; height += 1) {
    const block = await cluster.node(id).ports.blocks.certified('main', height);
    const hash = block?.certificate.hash;
    const body = hash ? await cluster.node(id).ports.blocks.body('main', hash) : null;
    found.push(body?.transactions ?? []);
  }
  return found;
}

describe('a flood by one key', () => {
  it.each([leader, c])(
    'at %s keeps one request of another key waiting for two blocks at most',
    async (at) => {
      const cluster = await Cluster.start(network, { seed: 71 });
      // Back-dated as far as its validity lets it: that says nothing about its place.
      const dates = { issuedAt: startTime - 500_000, expiresAt: startTime + 400_000 };
      await cluster.submit(at, await signed(1, 60, dates));
      await cluster.run(startTime + 500);
      const before = (await cluster.state(at)).head.header.height;
      const [single = ''] = await signed(2, 1);
      await cluster.submit(at, [single]);
      await cluster.run(startTime + 30_000);
      const all = await blocks(cluster, at);
      const height = all.findIndex((body) => body.includes(single)) + 1;
      // One is under way, one may have been made of what the leader had before.
      expect(height).toBeGreaterThan(before);
      expect(height - before).toBeLessThanOrEqual(3);
      expect(all.flat()).toHaveLength(61);
      expect((await cluster.state(at)).view).toBe(0);
    },
  );

  it('handed to a leader makes no validator replace an honest leader', async () => {
    const slow = await makeNetwork(4, { blockTransactionsMax: 1 });
    const cluster = await Cluster.start(slow, { seed: 72, delayMsMax: 120 });
    const transactions = await signed(1, 60, {}, slow);
    const envelope = {
      genesisHash: slow.genesis.hash,
      ledger: 'main',
      from: b,
      messages: [{ type: 'forward' as const, transactions }],
    };
    cluster.post(b, leader, { kind: 'envelope', envelope });
    await cluster.run(startTime + 300);
    // The same key, so that its turn at the leader comes after all the others.
    const [last = ''] = await signed(1, 1, {}, slow);
    await cluster.submit(c, [last]);
    await cluster.run(startTime + 60_000);
    for (const id of cluster.nodes.keys()) expect((await cluster.state(id)).view).toBe(0);
    const all = await blocks(cluster, c);
    expect(all.flat()).toHaveLength(61);
    expect(all.flat().indexOf(last)).toBeLessThan(40);
  });
});

describe('beyond saturation', () => {
  it('all that was accepted is committed, or has expired', async () => {
    const wide = await makeNetwork(4);
    const cluster = await Cluster.start(wide, { seed: 73, loss: 0.05 });
    const expiresAt = startTime + 30;
    const compacts = [
      ...(await signed(1, 20, { expiresAt }, wide)),
      ...(await signed(1, limits.submitterTurnsMax + 30, {}, wide)),
    ];
    const entries = compacts.map((compact) => pendingOf(parseTransaction(compact), startTime));
    const outcomes = await cluster.node(b).ports.mempool.submit('main', entries);
    const accepted = compacts.filter((_, index) => outcomes[index] === 'accepted');
    expect(accepted.length).toBeLessThanOrEqual(limits.submitterTurnsMax);
    expect(outcomes.filter((one) => one === 'quota')).toHaveLength(
      compacts.length - accepted.length,
    );
    cluster.post(b, b, { kind: 'wake' });
    await cluster.run(startTime + 60_000);
    const done = (await blocks(cluster, b)).flat();
    const lasting = accepted.filter((one) => parseTransaction(one).expiresAt > expiresAt);
    expect(lasting.length).toBeGreaterThan(1_000);
    expect(new Set(done).size).toBe(done.length);
    expect(lasting.filter((one) => !done.includes(one))).toEqual([]);
    // The room is free again: what was refused is taken now.
    const refused = entries.filter((_, index) => outcomes[index] === 'quota');
    const again = await cluster.node(b).ports.mempool.submit('main', refused);
    expect(new Set(again)).toEqual(new Set(['accepted']));
    expect(await cluster.node(b).ports.mempool.has('main', entries[30]?.id ?? '')).toBe(false);
  }, 60_000);
});

describe('a request that was committed', () => {
  it('is never executed again, whoever forwards it, until it has expired and after', async () => {
    const cluster = await Cluster.start(network, { seed: 74 });
    const expiresAt = startTime + limits.validityMsMax;
    const [once = ''] = await signed(3, 1, { expiresAt });
    await cluster.submit(leader, [once]);
    await cluster.run(startTime + 2_000);
    const genesisHash = network.genesis.hash;
    const message = { type: 'forward' as const, transactions: [once], waiting: true as const };
    const envelope = { genesisHash, ledger: 'main', from: c, messages: [message] };
    const around = [-100_000, -1_000, -1, 0, 1, 1_000, 70_000, 2_000_000];
    for (const [index, offset] of around.entries()) {
      await cluster.run(expiresAt + offset);
      cluster.post(c, leader, { kind: 'envelope', envelope });
      await cluster.submit(b, [once]);
      // Other traffic makes blocks, which prune what can no longer be valid.
      const issuedAt = cluster.now;
      const [other = ''] = await signed(index % 3, 1, { issuedAt, expiresAt: issuedAt + 60_000 });
      await cluster.submit(leader, [other]);
      await cluster.run(cluster.now + 500);
    }
    const done = (await blocks(cluster, leader)).flat();
    expect(done.filter((one) => one === once)).toHaveLength(1);
    expect(done).toHaveLength(1 + around.length);
  });
});
