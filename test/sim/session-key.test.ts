/** Found by the simulator (profile rejoin): a key of the right incarnation that is not the ledger's. */
import { expect, it } from 'vitest';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { makeNetwork, probe } from '../support/network.ts';
import { Cluster, startTime } from './cluster.ts';

it('signs no vote: it would count at its own replica, and nowhere else', async () => {
  const network = await makeNetwork(4);
  const cluster = await Cluster.start(network, { seed: 70 });
  const { runtime, ports } = cluster.node('hospital-d');
  const other = await generateSigningKey();
  const { publicKey } = other;
  runtime.signer = { sign: (bytes) => other.sign(bytes), incarnation: 0, publicKey };
  const operator = network.validators[0]?.operator;
  if (!operator) throw new Error('no operator');
  await cluster.submit('hospital-a', [await probe(operator, 'one', startTime)]);
  await cluster.run(startTime + 5_000);
  expect(await cluster.heights()).toEqual([1, 1, 1, 1]);
  const block = await ports.blocks.certified('main', 1);
  expect(block?.certificate.votes.map(({ validator }) => validator)).toEqual([
    'hospital-a',
    'hospital-b',
    'hospital-c',
  ]);
});
