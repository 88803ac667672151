/** L2: requests go to the leader, which keeps them in memory; nothing is lost with that memory. */
import { describe, expect, it, vi } from 'vitest';
import { limits } from '../../../lib/limits.ts';
import { pendingOf } from '../../../lib/pbft/fair-order.ts';
import { signJws } from '../../../lib/crypto/jws.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import { randomId } from '../../../lib/crypto/random.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../../lib/wire/transaction.ts';
import { NETWORK } from '../validator-api/fixture.ts';
import { type Node, SmallNetwork } from './small-network.ts';

const LEADER = 'north';
const bounds = { count: 10, bytes: limits.blockBytesMax };

/** Probes as `api` holds them: in the mempool of a validator, which is then woken. */
async function hold(network: SmallNetwork, id: string, count: number): Promise<string[]> {
  const { party, tables } = network.node(id);
  const kid = thumbprint(party.operator.publicKey);
  const made = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const payload = encodeRequest({
        network: NETWORK,
        ...{ ledger: MAIN_LEDGER, fn: 'governance.probe', args: { label: `${id} ${index}` } },
        ...{ nonce: randomId(), issuedAt: network.now, expiresAt: network.now + 600_000 },
      });
      return parseTransaction(
        await signJws({ typ: jwsTypes.transaction, kid }, payload, party.operator),
      );
    }),
  );
  await tables.mempool.submit(
    MAIN_LEDGER,
    made.map((one) => pendingOf(one, network.now)),
  );
  network.post(id, { kind: 'wake' });
  return made.map((one) => one.id);
}

async function committedOf(node: Node): Promise<string[]> {
  const ids: string[] = [];
  for (let height = 1; ; height += 1) {
    const block = await node.tables.blocks.certified(MAIN_LEDGER, height);
    if (!block) return ids;
    const body = await node.tables.blocks.body(MAIN_LEDGER, blockHash(block.certificate));
    ids.push(...(body?.transactions ?? []).map((compact) => parseTransaction(compact).id));
  }
}

const blockHash = ({ hash }: { hash: Uint8Array }): Uint8Array => hash;

function handedTo(network: SmallNetwork, id: string): number {
  return network.node(id).runtime?.warm.get(MAIN_LEDGER)?.handed.entries().length ?? 0;
}

describe('L2: handing on', () => {
  it('commits what another validator holds, and stores it at the leader never', async () => {
    const network = await SmallNetwork.start();
    const leader = network.node(LEADER);
    const submit = vi.spyOn(leader.tables.mempool, 'submit');
    const ids = await hold(network, 'east', 20);
    await network.run(200);
    expect((await committedOf(leader)).sort()).toEqual(ids.sort());
    expect(submit).not.toHaveBeenCalled();
    expect(handedTo(network, LEADER)).toBe(0);
  });

  it('others than the leader keep nothing of what is meant for it', async () => {
    const network = await SmallNetwork.start();
    const [ours] = await hold(network, 'east', 1);
    const entry = (await network.node('east').tables.mempool.next(MAIN_LEDGER, bounds))[0];
    const message = { type: 'forward' as const, transactions: [entry?.compact ?? ''] };
    const genesisHash = network.genesis.hash;
    const envelope = { genesisHash, ledger: MAIN_LEDGER, from: 'east', messages: [message] };
    network.post('south', { kind: 'envelope', envelope });
    await network.run(1);
    expect(entry?.id).toBe(ours);
    expect(handedTo(network, 'south')).toBe(0);
    expect(await network.node('south').tables.mempool.has(MAIN_LEDGER, ours ?? '')).toBe(false);
  });

  it('hands on again what a leader forgot with its process, and no view is changed', async () => {
    const network = await SmallNetwork.start();
    await hold(network, LEADER, 1);
    await network.run(1);
    // Its first block is under way when the others come.
    const ids = await hold(network, 'east', 5);
    for (let waited = 0; waited < 20 && handedTo(network, LEADER) === 0; waited += 1) {
      await network.run(1);
    }
    expect(handedTo(network, LEADER)).toBe(5);
    network.node(LEADER).runtime?.warm.clear();
    await network.run(3_500);
    expect(await committedOf(network.node('west'))).toEqual(expect.arrayContaining(ids));
    expect((await network.state('west')).view).toBe(0);
  });

  it('hands all on to the leader of the next view when the first one is gone', async () => {
    const network = await SmallNetwork.start();
    const ids = await hold(network, 'east', 5);
    await network.wipe(LEADER);
    await network.run(15_000);
    expect(await committedOf(network.node('west'))).toEqual(expect.arrayContaining(ids));
    expect((await network.state('west')).view).toBeGreaterThan(0);
  });

  it('L1: what peers send does not put off the timer of a process that has yet to read', async () => {
    const network = await SmallNetwork.start();
    await network.wipe(LEADER);
    const ids = await hold(network, 'east', 1);
    const genesisHash = network.genesis.hash;
    const message = { type: 'forward' as const, transactions: ['nothing'], waiting: true as const };
    const envelope = { genesisHash, ledger: MAIN_LEDGER, from: 'north', messages: [message] };
    for (let second = 0; second < 12; second += 1) {
      // Another environment of the function runs each step.
      network.node('east').runtime?.warm.clear();
      network.post('east', { kind: 'envelope', envelope });
      await network.run(1_000);
    }
    expect(await committedOf(network.node('west'))).toEqual(expect.arrayContaining(ids));
  });

  it('gives a submitter its quota back while others hand on', async () => {
    const network = await SmallNetwork.start();
    const leader = network.node(LEADER);
    await hold(network, LEADER, 600);
    await hold(network, 'east', 20);
    await network.run(1_000);
    expect(await leader.tables.mempool.next(MAIN_LEDGER, bounds)).toEqual([]);
    const submit = vi.spyOn(leader.tables.mempool, 'submit');
    await hold(network, LEADER, limits.submitterTurnsMax);
    const [outcomes] = await Promise.all(submit.mock.results.map(({ value }) => value as unknown));
    const accepted = (outcomes as string[]).filter((one) => one === 'accepted').length;
    expect(accepted).toBeGreaterThan(0.9 * limits.submitterTurnsMax);
  });

  it('L3: takes no more into its first block than it knows to fit its time', async () => {
    const network = await SmallNetwork.start();
    const ids = await hold(network, LEADER, 700);
    await network.run(200);
    const sizes = network.logs.flatMap((line) =>
      line.event === 'committed' && line.at === 'west' ? [line.transactions] : [],
    );
    expect(sizes).toEqual([500, 200]);
    expect(await committedOf(network.node('west'))).toHaveLength(ids.length);
  });
});
