/** What `bench -- throughput` prints. */
import { table } from './report.ts';
import type { MemoryThroughput } from './throughput-memory.ts';
import type { CpuEach, NetworkThroughput } from './throughput-network.ts';

/** Operations that are worth a line. */
const CALLS_SHOWN = 12;

/** Rates, and what a transaction costs in calls to AWS. */
export function throughputTable(
  memory: MemoryThroughput,
  network: readonly NetworkThroughput[],
): string {
  const head = [
    'committed transactions a second',
    'transactions',
    'blocks',
    'per second',
    'calls each',
  ];
  const row = (name: string, one: MemoryThroughput | NetworkThroughput): string[] => [
    name,
    String(one.transactions),
    String(one.blocks),
    one.perSecond.toFixed(0),
    'callsEach' in one ? one.callsEach.toFixed(2) : '',
  ];
  const rows = [
    row('in memory, four replicas on one core', memory),
    ...network.map((one) => row(nameOf(one), one)),
  ];
  const parts = [table(head, rows)];
  if (network.length > 0) parts.push(callsTable(network.map((one) => [nameOf(one), one])));
  if (network.some(({ cpu }) => cpu !== null)) parts.push(cpuTable(network));
  return parts.join('\n\n');
}

const nameOf = ({ clients, bulk }: NetworkThroughput): string =>
  `local network, ${clients} clients, ${bulk} a request`;

/** Calls of the four validators for each committed transaction, the most frequent first. */
function callsTable(runs: readonly (readonly [string, NetworkThroughput])[]): string {
  const sums = new Map<string, number>();
  for (const [, { calls }] of runs) {
    for (const [name, count] of Object.entries(calls))
      sums.set(name, (sums.get(name) ?? 0) + count);
  }
  const names = [...sums].sort(([, a], [, b]) => b - a).map(([name]) => name);
  const head = [
    'calls to AWS for each transaction',
    ...runs.map(([name]) => name.replace('local network, ', '')),
  ];
  const rows = names
    .slice(0, CALLS_SHOWN)
    .map((name) => [
      name,
      ...runs.map(([, { calls, transactions }]) => ((calls[name] ?? 0) / transactions).toFixed(3)),
    ]);
  return table(head, rows);
}

/** Where the processor's time goes: on one machine it is what limits. */
function cpuTable(runs: readonly NetworkThroughput[]): string {
  const head = [
    'processor time for each transaction',
    ...runs.map((one) => nameOf(one).replace('local network, ', '')),
  ];
  const row = (name: string, show: (cpu: CpuEach) => string): string[] => [
    name,
    ...runs.map(({ cpu }) => (cpu === null ? '' : show(cpu))),
  ];
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  return table(head, [
    row('functions of the validators and others', ({ functions }) => ms(functions)),
    row('emulators', ({ emulators }) => ms(emulators)),
    row('this program', ({ bench }) => ms(bench)),
    row('part of all cores in use', ({ busy }) => `${(100 * busy).toFixed(0)} %`),
  ]);
}
