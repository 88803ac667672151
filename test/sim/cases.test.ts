/** Case ledgers on the cluster: their own order, leaders and pins; nothing at rest. */
import { beforeAll, describe, expect, it } from 'vitest';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { toHex } from '../../lib/crypto/bytes.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../lib/wire/transaction.ts';
import { makeNetwork, type TestNetwork } from '../support/network.ts';
import { Cluster, startTime } from './cluster.ts';

const [a, b, c, d] = ['hospital-a', 'hospital-b', 'hospital-c', 'hospital-d'] as const;
let network: TestNetwork;

beforeAll(async () => {
  network = await makeNetwork(4);
});

/** By the operator of a hospital. */
async function signed(
  fn: string,
  args: Record<string, string | number>,
  { ledger = 'main', by = 0, at = startTime } = {},
): Promise<string> {
  const { operator } = network.validators[by]!;
  const request = {
    ...{ network: 'local-test', ledger, fn, args, nonce: randomId() },
    ...{ issuedAt: at, expiresAt: at + 600_000 },
  };
  const kid = thumbprint(operator.publicKey);
  return signJws({ typ: jwsTypes.transaction, kid }, encodeRequest(request), operator);
}

const label = (text: string, ledger: string, by = 0) =>
  signed('case.probe', { label: text }, { ledger, by });

/** A network with a probe ledger that is open, and its id. */
async function opened(seed: number): Promise<{ cluster: Cluster; ledger: string }> {
  const cluster = await Cluster.start(network, { seed });
  const opening = await signed('governance.open-probe', {});
  await cluster.submit(a, [opening]);
  await cluster.run(startTime + 5_000);
  return { cluster, ledger: parseTransaction(opening).id };
}

describe('a case ledger', () => {
  it('orders by itself, pinned to the main one, and rests', async () => {
    const { cluster, ledger } = await opened(1);
    await cluster.submit(b, [await label('one', ledger)]);
    await cluster.run(startTime + 10_000);
    await cluster.submit(c, [await label('two', ledger, 1)]);
    await cluster.run(startTime + 20_000);
    const { ticks } = cluster;
    await cluster.run(startTime + 60_000);
    expect(cluster.ticks).toBe(ticks);
    for (const id of [a, b, c, d]) {
      const { head, learner } = await cluster.state(id, ledger);
      expect([head.header.height, head.header.pin?.height, learner]).toEqual([2, 1, false]);
    }
    expect(await cluster.heights()).toEqual([1, 1, 1, 1]);
  });

  it('that nobody opened is dropped, and leaves nothing', async () => {
    const { cluster } = await opened(3);
    const ledger = 'f'.repeat(64);
    await cluster.submit(b, [await label('one', ledger)]);
    await cluster.run(startTime + 20_000);
    expect(await cluster.node(b).ports.replicas.version(ledger)).toBeNull();
    expect(await cluster.node(b).ports.replicas.listed()).toEqual([]);
  });

  it('takes nothing more once it is closed', async () => {
    const { cluster, ledger } = await opened(4);
    await cluster.submit(a, [await label('one', ledger)]);
    await cluster.run(startTime + 10_000);
    const { head } = await cluster.state(a, ledger);
    const anchor = { ledger, height: head.header.height, hash: toHex(head.hash) };
    await cluster.submit(b, [await signed('governance.close-probe', anchor)]);
    await cluster.run(startTime + 20_000);
    await cluster.submit(b, [await label('two', ledger)]);
    await cluster.run(startTime + 60_000);
    for (const id of [a, b, c, d]) {
      expect((await cluster.state(id, ledger)).head.header.height).toBe(1);
    }
    const { ticks } = cluster;
    await cluster.run(startTime + 120_000);
    expect(cluster.ticks).toBe(ticks);
  });

  it('goes on when its leader is away', async () => {
    const { cluster, ledger } = await opened(5);
    await cluster.submit(a, [await label('one', ledger)]);
    await cluster.run(startTime + 10_000);
    const { head } = await cluster.state(a, ledger);
    cluster.stop(head.header.proposer);
    const other = [a, b, c, d].find((id) => id !== head.header.proposer) ?? a;
    await cluster.submit(other, [await label('two', ledger)]);
    await cluster.run(startTime + 60_000);
    const after = (await cluster.state(other, ledger)).head.header;
    expect([after.height, after.proposer === head.header.proposer]).toEqual([2, false]);
    cluster.restart(head.header.proposer);
    cluster.scheduleAll(ledger);
    await cluster.run(startTime + 120_000);
    expect((await cluster.state(head.header.proposer, ledger)).head.header.height).toBe(2);
  });
});
