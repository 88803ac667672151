/** Throughput in memory: the production step over queues that cost nothing. */
import { makeNetwork, probe } from '../test/support/network.ts';
import { Cluster, startTime } from '../test/sim/cluster.ts';

export interface MemoryThroughput {
  transactions: number;
  blocks: number;
  seconds: number;
  perSecond: number;
  /** Of that time, signing was done before; verification by all four is included. */
  replicas: number;
}

/** Commits `count` probes of four operators, handed to all replicas in bulk. */
export async function memoryThroughput(count: number, bulk: number): Promise<MemoryThroughput> {
  const network = await makeNetwork(4);
  const cluster = await Cluster.start(network, { seed: 1, delayMsMax: 1 });
  const ids = [...cluster.nodes.keys()];
  const compacts = await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const key = network.validators[index % 4]?.operator;
      if (!key) throw new RangeError('four operators');
      return probe(key, `b${index}`, startTime);
    }),
  );
  const started = performance.now();
  for (let from = 0; from < count; from += bulk) {
    await cluster.submit(ids[(from / bulk) % 4] ?? '', compacts.slice(from, from + bulk));
  }
  await cluster.run(startTime + 3_000_000);
  const seconds = (performance.now() - started) / 1000;
  const heights = await cluster.heights();
  const committed = cluster
    .node(ids[0] ?? '')
    .logs.reduce((sum, entry) => sum + (entry.event === 'committed' ? entry.transactions : 0), 0);
  if (committed !== count) throw new Error(`only ${committed} of ${count} were committed`);
  const blocks = Math.max(...heights);
  return { transactions: count, blocks, seconds, perSecond: count / seconds, replicas: 4 };
}
