/** What was fetched may be old by the time it is executed, and nothing else says so at rest. */
import { expect, it } from 'vitest';
import { step } from '../../../functions/validator/step.ts';
import { limits } from '../../../lib/limits.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { SmallNetwork } from './small-network.ts';

/** West has missed six blocks, and holds these of them as fetched. */
async function behind(heights: readonly number[]): Promise<SmallNetwork> {
  const network = await SmallNetwork.start();
  const post = network.post.bind(network);
  network.post = (to, body, delayMs) => {
    if (to !== 'west') post(to, body, delayMs);
  };
  for (const label of ['one', 'two', 'three', 'four', 'five', 'six']) {
    await network.probe('north', label);
    await network.run(1_500);
  }
  network.post = post;
  const { tables } = network.node('north');
  const { fetched } = network.node('west').tables;
  for (const height of heights) {
    const block = await tables.blocks.certified('main', height);
    const body = block && (await tables.blocks.body('main', headerHash(block.header)));
    if (!block || !body) throw new Error(`north has no block ${height}`);
    await fetched.put('main', height, { ...block, transactions: body.transactions });
  }
  return network;
}

async function expectCaughtUp(network: SmallNetwork): Promise<void> {
  const [west, north] = [await network.state('west'), await network.state('north')];
  expect(north.head.header.height).toBe(6);
  expect(west.head.hash).toEqual(north.head.hash);
}

it('a replica that was away asks for more after each fetch, though nobody works any more', async () => {
  const network = await behind([1, 2]);
  network.post('west', { kind: 'fetched', fromHeight: 1, toHeight: 2 });
  await network.run(5_000);
  await expectCaughtUp(network);
});

it('on a slow machine it saves what it has executed before its run times out, and goes on', async () => {
  const network = await behind([1, 2, 3, 4, 5, 6]);
  const { runtime, tables } = network.node('west');
  if (!runtime) throw new Error('west has no genesis');
  const { fetched } = tables;
  const get = fetched.get.bind(fetched);
  fetched.get = (ledger, height) => {
    network.now += limits.replayMsMax / 2;
    return get(ledger, height);
  };
  const range = { kind: 'fetched', fromHeight: 1, toHeight: 6 } as const;
  await step(runtime, 'main', [range]);
  expect((await network.state('west')).head.header.height).toBe(2);
  // One that has no time left from the start still executes a block.
  fetched.get = (ledger, height) => {
    network.now += 2 * limits.replayMsMax;
    return get(ledger, height);
  };
  await step(runtime, 'main', [range, range]);
  expect((await network.state('west')).head.header.height).toBe(4);
  fetched.get = get;
  await network.run(5_000);
  await expectCaughtUp(network);
});
