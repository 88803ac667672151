/** What `bench -- throughput` makes of its readings. */
import { expect, it } from 'vitest';
import { cores, type CpuTimes } from '../../bench/load/processes.ts';
import { cpuEach, type NetworkThroughput } from '../../bench/throughput-network.ts';
import { throughputTable } from '../../bench/throughput-table.ts';

const from: CpuTimes = {
  ...{ at: 1_000, functions: 500, emulators: 300, load: 20, busy: 900 },
  byEmulator: new Map(),
};
const to: CpuTimes = {
  ...{ at: 3_000, functions: 1_300, emulators: 700, load: 60 },
  ...{ busy: 900 + 1_500 * cores, byEmulator: new Map() },
};

it('shares the processor time out among the transactions', () => {
  const each = cpuEach(from, to, 400);
  expect(each).toEqual({ functions: 2, emulators: 1, bench: 0.1, busy: 0.75 });
  expect(cpuEach(null, to, 400)).toBeNull();
  expect(cpuEach(from, from, 400)).toBeNull();
});

it('prints rates, calls and processor time of each run beside each other', () => {
  const run: NetworkThroughput = {
    ...{ transactions: 400, clients: 4, bulk: 100, blocks: 2, seconds: 2, perSecond: 200 },
    ...{ callsEach: 0.5, calls: { 'DynamoDB.GetItem': 200 }, cpu: cpuEach(from, to, 400) },
  };
  const memory = { transactions: 400, replicas: 4, blocks: 1, perSecond: 900, seconds: 0.4 };
  const text = throughputTable(memory, [run, { ...run, bulk: 1, clients: 50, cpu: null }]);
  expect(text).toMatch(/local network, 4 clients, 100 a request +400 +2 +200 +0.50/);
  expect(text).toMatch(/DynamoDB.GetItem +0.500 +0.500/);
  expect(text).toMatch(/functions of the validators and others +2.00 ms/);
  expect(text).toMatch(/part of all cores in use +75 %/);
  expect(throughputTable(memory, [{ ...run, cpu: null }])).not.toContain('processor');
});
