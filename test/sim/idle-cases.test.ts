/** A thousand idle case ledgers cost nothing: not at rest, not at the schedule, not in a block. */
import { beforeAll, expect, it } from 'vitest';
import type { SelfMessage } from '../../functions/aws/inbox-message.ts';
import type { MemoryReplicaStore } from '../../functions/memory/replica-store.ts';
import {
  handleTimer,
  type TimerDeps,
  type TimerEvent,
} from '../../functions/validator/timer-handler.ts';
import { caseLedger } from '../../lib/chaincode/case-ledger.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import { TreeView } from '../../lib/ledger/state-view.ts';
import { leaderOffset } from '../../lib/wire/ledger.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { leaderOf } from '../../lib/wire/validators.ts';
import { makeNetwork, probe, type TestNetwork } from '../support/network.ts';
import { Cluster, type SimNode, startTime } from './cluster.ts';

const IDLE = 1_000;
/** Of those, so many had blocks before they came to rest. */
const USED = 6;

let network: TestNetwork;
beforeAll(async () => {
  network = await makeNetwork(4);
});

/** Blocks of the main ledger before anything is counted. */
const HEIGHT = 8;

/** Calls of each method of each port, at all validators. */
type Calls = Record<string, number>;

function countCalls({ runtime }: SimNode, calls: Calls): void {
  const ports = Object.entries(runtime.ports).map(([name, port]) => [
    name,
    new Proxy(port as object, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          const key = `${name}.${String(property)}`;
          calls[key] = (calls[key] ?? 0) + 1;
          return (value as (...of: unknown[]) => unknown).apply(target, args);
        };
      },
    }),
  ]);
  runtime.ports = Object.fromEntries(ports) as typeof runtime.ports;
}

/** What the five-minute schedule says to itself at a validator. */
async function scheduled({ runtime }: SimNode): Promise<SelfMessage[]> {
  const said: SelfMessage[] = [];
  const deps = {
    listed: () => (runtime.ports.replicas as MemoryReplicaStore).listed(),
    inbox: { wake: async () => undefined, send: async (message) => void said.push(message) },
    backfill: async () => 'none',
  } satisfies Partial<TimerDeps>;
  await handleTimer(deps as unknown as TimerDeps, {} as TimerEvent);
  return said;
}

const by = (index: number) => network.validators[index % 4]!;

/** Opens case ledgers, and answers their names. */
async function open(cluster: Cluster, count: number): Promise<string[]> {
  const all = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      probe(by(i).operator, '', cluster.now, { fn: 'governance.open-probe', args: {} }),
    ),
  );
  if (all.length > 0) await cluster.submit('hospital-a', all);
  await cluster.run(cluster.now + 30_000);
  return all.map((one) => parseTransaction(one).id);
}

async function label(cluster: Cluster, ledger: string): Promise<void> {
  const fn = ledger === 'main' ? 'governance.probe' : 'case.probe';
  const compact = await probe(by(0).operator, 'label', cluster.now, { fn, ledger });
  // Its leader takes it: who that is goes by the name of the ledger.
  const leader = leaderOf(network.genesis.validators, 0, leaderOffset(ledger));
  await cluster.submit(leader.id, [compact]);
  await cluster.run(cluster.now + 30_000);
}

/** Until nothing is left to do there, and the schedule has seen that. */
async function rest(cluster: Cluster, ledger: string): Promise<void> {
  for (let round = 0; round < 2; round += 1) {
    cluster.scheduleAll(ledger);
    await cluster.run(cluster.now + 30_000);
  }
}

async function isKnown(cluster: Cluster, ledger: string): Promise<boolean> {
  const { ports } = cluster.node('hospital-d');
  const head = await ports.replicas.head('main');
  if (!head) return false;
  const pages = (ids: readonly string[]) => ports.pages.getPages('main', ids);
  const view = new TreeView({ height: head.height, root: head.header.stateRoot }, { pages });
  return (await caseLedger(readerOf(view), ledger)) !== null;
}

/** What happens at all validators beside so many idle case ledgers, and one that is used. */
async function costsBeside(idle: number) {
  // All delays are the same: two networks that do the same do it in the same steps.
  const cluster = await Cluster.start(network, { seed: 1, delayMsMax: 1 });
  const ledgers = await open(cluster, idle);
  for (const one of ledgers) expect(await isKnown(cluster, one)).toBe(true);
  for (const one of ledgers.slice(0, USED)) {
    await label(cluster, one);
    await rest(cluster, one);
    expect((await cluster.state('hospital-c', one)).head.header.height).toBe(1);
  }
  const [mine] = (await open(cluster, 1)) as [string];
  await label(cluster, mine);
  await rest(cluster, mine);
  // What of the history is read goes by the height.
  while ((await cluster.heights())[0] !== HEIGHT) await label(cluster, 'main');
  const calls: Calls = {};
  const nodes = [...cluster.nodes.values()];
  for (const node of nodes) countCalls(node, calls);
  const during = async (work: () => Promise<unknown>): Promise<Calls & { steps: number }> => {
    for (const key of Object.keys(calls)) delete calls[key];
    const before = cluster.steps;
    await work();
    return { ...calls, steps: cluster.steps - before };
  };
  const said: SelfMessage[] = [];
  return {
    hour: await during(() => cluster.run(cluster.now + 3_600_000)),
    schedule: await during(async () => {
      for (const node of nodes) said.push(...(await scheduled(node)));
      cluster.scheduleAll();
      await cluster.run(cluster.now + 30_000);
    }),
    said,
    mainBlock: await during(() => label(cluster, 'main')),
    caseBlock: await during(() => label(cluster, mine)),
  };
}

it(
  'costs the same beside a thousand idle case ledgers as beside none',
  { timeout: 300_000 },
  async () => {
    const [none, many] = [await costsBeside(0), await costsBeside(IDLE)];
    expect(many.hour).toEqual({ steps: 0 });
    expect(many.said).toEqual(
      network.validators.map(() => ({ kind: 'tick', ledger: 'main', due: null })),
    );
    expect(many.schedule['replicas.listed']).toBe(4);
    expect(many.schedule).toEqual(none.schedule);
    expect(many.mainBlock).toEqual(none.mainBlock);
    expect(many.caseBlock).toEqual(none.caseBlock);
    expect(many.caseBlock['replicas.save']).toBeGreaterThan(0);
  },
);

it('a case ledger with work is spoken to by the schedule, until it rests', async () => {
  const cluster = await Cluster.start(network, { seed: 2 });
  const [ledger] = (await open(cluster, 1)) as [string];
  const node = cluster.node('hospital-a');
  const ledgersOf = async () => (await scheduled(node)).map((one) => 'ledger' in one && one.ledger);
  expect(await ledgersOf()).toEqual(['main']);
  await label(cluster, ledger);
  expect(await ledgersOf()).toEqual(['main', ledger]);
  await rest(cluster, ledger);
  expect(await ledgersOf()).toEqual(['main']);
  expect(cluster.now).toBeGreaterThan(startTime);
});
