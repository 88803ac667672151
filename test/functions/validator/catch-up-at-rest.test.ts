/** What was fetched may be old by the time it is executed, and nothing else says so at rest. */
import { expect, it } from 'vitest';
import { headerHash } from '../../../lib/wire/header.ts';
import { SmallNetwork } from './small-network.ts';

it('a replica that was away asks for more after each fetch, though nobody works any more', async () => {
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
  for (const height of [1, 2]) {
    const block = await tables.blocks.certified('main', height);
    const body = block && (await tables.blocks.body('main', headerHash(block.header)));
    if (!block || !body) throw new Error(`north has no block ${height}`);
    await fetched.put('main', height, { ...block, transactions: body.transactions });
  }
  network.post('west', { kind: 'fetched', fromHeight: 1, toHeight: 2 });
  await network.run(5_000);
  const [west, north] = [await network.state('west'), await network.state('north')];
  expect(north.head.header.height).toBe(6);
  expect(west.head.hash).toEqual(north.head.hash);
});
