/**
 * Many seeds, each another network with loss, repetition, reordering, partitions, crashes,
 * overlapping runs and, in every other one, a faulty validator. `SIM_SEEDS` says how many,
 * `SIM_FIRST` from which on.
 */
import { beforeAll, expect, it } from 'vitest';
import { type ValidatorRuntime, VerifiedTransactions } from '../../functions/validator/runtime.ts';
import { step } from '../../functions/validator/step.ts';
import { makeNetwork, probe, type TestNetwork } from '../support/network.ts';
import { Cluster, type SimNode, startTime } from './cluster.ts';
import { corrupt } from './faulty.ts';
import { CrashError } from './faults.ts';

const seeds = Number(process.env['SIM_SEEDS'] ?? 40);
const first = Number(process.env['SIM_FIRST'] ?? 1);
/** Virtual time of trouble, and within which all must be well after it. */
const troubleMs = 40_000;
const healedMs = 300_000;

let network: TestNetwork;
beforeAll(async () => {
  network = await makeNetwork(4);
});

async function transactionAt(cluster: Cluster, index: number): Promise<string> {
  const key = network.validators[index % 4]?.operator;
  if (!key) throw new Error('no operator');
  const expiresAt = cluster.now + 890_000;
  return probe(key, `p${index}`, cluster.now, { expiresAt });
}

/** A second process of the same validator that runs at the same time. */
async function overlap(node: SimNode): Promise<void> {
  const { runtime } = node;
  const twin: ValidatorRuntime = {
    ...runtime,
    warm: new Map(),
    verified: new VerifiedTransactions(),
  };
  const tick = [{ kind: 'tick', scheduled: true } as const];
  const both = [step(runtime, 'main', tick), step(twin, 'main', tick)];
  for (const done of await Promise.allSettled(both)) {
    if (done.status === 'rejected' && !(done.reason instanceof CrashError)) throw done.reason;
  }
}

async function trouble(cluster: Cluster, ids: readonly string[]): Promise<void> {
  const { random } = cluster;
  const one = ids[random.below(ids.length)] ?? '';
  const other = ids[random.below(ids.length)] ?? '';
  const node = cluster.node(one);
  const pick = random.below(8);
  if (pick === 0) cluster.cut.add(`${one}>${other}`);
  if (pick === 1) for (const id of ids) cluster.cut.add(`${one}>${id}`).add(`${id}>${one}`);
  if (pick === 2) cluster.cut.clear();
  if (pick === 3 && node.up) cluster.stop(one);
  if (pick === 4 && !node.up) cluster.restart(one);
  if (pick === 5) Object.assign(node.crash, { remaining: random.below(30), after: one < other });
  if (pick === 6 && node.up) await overlap(node);
}

function heal(cluster: Cluster): void {
  cluster.cut.clear();
  Object.assign(cluster.options, { loss: 0 });
  for (const node of cluster.nodes.values()) {
    node.crash.remaining = Infinity;
    if (!node.up) cluster.restart(node.id);
  }
  cluster.scheduleAll();
}

/** Transactions of the ledger of one replica, in order. */
async function ledgerOf(cluster: Cluster, node: SimNode): Promise<string[]> {
  const { head } = await cluster.state(node.id);
  const found: string[] = [];
  for (let height = 1; height <= head.header.height; height += 1) {
    const block = await node.ports.blocks.certified('main', height);
    const hash = block?.certificate.hash;
    const body = hash ? await node.ports.blocks.body('main', hash) : null;
    if (!body) throw new Error(`${node.id} lacks block ${height}`);
    found.push(...body.transactions);
  }
  return found;
}

async function runSeed(seed: number): Promise<void> {
  const cluster = await Cluster.start(network, { seed });
  const { random } = cluster;
  Object.assign(cluster.options, {
    loss: random.chance(0.5) ? 0.15 * random.next() : 0,
    duplication: 0.3 * random.next(),
    reorder: random.chance(0.5),
    delayMsMax: 20 + random.below(600),
  });
  const ids = [...cluster.nodes.keys()];
  const faulty = seed % 2 === 0 ? (ids[random.below(4)] ?? '') : null;
  if (faulty) await corrupt(network, cluster, faulty);
  const honest = ids.filter((id) => id !== faulty);
  const sent: string[] = [];
  while (cluster.now < startTime + troubleMs) {
    if (sent.length < 10 && random.chance(0.4)) {
      const compact = await transactionAt(cluster, sent.length);
      const at = honest.filter((id) => cluster.node(id).up);
      const to = at[random.below(at.length)];
      if (to) {
        sent.push(compact);
        await cluster.submit(to, [compact]);
      }
    }
    if (random.chance(0.4)) await trouble(cluster, ids);
    await cluster.run(cluster.now + random.below(2_500));
  }
  heal(cluster);
  const end = cluster.now + healedMs;
  while (cluster.now < end) {
    await cluster.run(cluster.now + 10_000);
    const ledgers = await Promise.all(honest.map((id) => ledgerOf(cluster, cluster.node(id))));
    const isDone = ledgers.every((ledger) => sent.every((one) => ledger.includes(one)));
    if (isDone) break;
    if (Math.floor((end - cluster.now) / 10_000) % 10 === 0) cluster.scheduleAll();
  }
  for (const id of honest) {
    const ledger = await ledgerOf(cluster, cluster.node(id));
    expect(new Set(ledger).size, `${id}: once`).toBe(ledger.length);
    const missing = sent.filter((one) => !ledger.includes(one));
    expect(missing.length, `${id}: nothing lost`).toBe(0);
  }
}

it(`agrees, once and in time, over ${seeds} seeds`, { timeout: seeds * 20_000 }, async () => {
  const failed: string[] = [];
  for (let seed = first; seed < first + seeds; seed += 1) {
    await runSeed(seed).catch((error: unknown) => {
      const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      failed.push(`seed ${seed}: ${text}`);
      console.error(failed.at(-1));
    });
  }
  expect(failed).toEqual([]);
});
