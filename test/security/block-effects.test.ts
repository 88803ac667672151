/** A small body can have large effects: blocks are bounded by what they write, too. */
import { afterEach, describe, expect, it } from 'vitest';
import { executeBlock } from '../../functions/validator/replica/execute-block.ts';
import { frontierRoot } from '../../lib/ledger/merkle.ts';
import { limits } from '../../lib/limits.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { Cluster, startTime } from '../sim/cluster.ts';
import { makeNetwork, probe } from '../support/network.ts';

const bounds = limits as { blockEffectBytesMax: number };
const { blockEffectBytesMax } = limits;
afterEach(() => {
  bounds.blockEffectBytesMax = blockEffectBytesMax;
});

describe('the effects of a block', () => {
  it('end it for a leader, and make a replica refuse what goes beyond', async () => {
    const network = await makeNetwork(4);
    const cluster = await Cluster.start(network, { seed: 5 });
    const { runtime } = cluster.node('hospital-a');
    const state = await cluster.state('hospital-a');
    const sent = await Promise.all(
      network.validators.map((one, index) => probe(one.operator, `probe-${index}`, startTime)),
    );
    const transactions = sent.map(parseTransaction);
    const historyRoot = frontierRoot(state.frontier);
    const plan = { view: 0, proposer: 'hospital-a', time: cluster.now, historyRoot, pin: null };
    const build = (candidates: typeof transactions, dropReplays: boolean) =>
      executeBlock(runtime, state, candidates, plan, dropReplays);
    expect((await build(transactions, true))?.ids).toHaveLength(4);
    bounds.blockEffectBytesMax = 1;
    expect((await build(transactions, true))?.ids).toEqual([transactions[0]?.id]);
    expect(await build(transactions, false)).toBeNull();
    expect((await build(transactions.slice(0, 1), false))?.ids).toHaveLength(1);
  });
});
