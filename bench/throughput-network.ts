/** Throughput on a local network: in bulk through all nodes, and by many clients one by one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { peerAuthorization } from '../functions/validator/block-request.ts';
import { layoutOf } from '../local/lib/layout.ts';
import { requirePlan } from '../local/lib/plan.ts';
import { fetchTransport } from '../sdk/http.ts';
import { Operator } from '../sdk/operator.ts';
import { openSession } from '../sdk/session.ts';
import { keySigner, signCall } from '../sdk/signing.ts';
import { postBatch } from '../sdk/validator-api.ts';
import type { Transaction } from '../lib/wire/transaction.ts';
import type { MeasuredNetwork } from './network.ts';
import { type CpuTimes, cores, readCpu } from './load/processes.ts';
import { callsWithin } from './step-log.ts';

export interface NetworkThroughput {
  transactions: number;
  /** That submit at the same time. */
  clients: number;
  /** Transactions of a request. */
  bulk: number;
  blocks: number;
  seconds: number;
  perSecond: number;
  /** Calls to AWS of all functions of the validators for each committed transaction. */
  callsEach: number;
  /** Those calls by operation, over the whole run. */
  calls: Readonly<Record<string, number>>;
  /** Null on a system that does not tell. */
  cpu: CpuEach | null;
}

/** Processor time for each committed transaction, milliseconds. */
export interface CpuEach {
  functions: number;
  emulators: number;
  /** Of the benchmark: sending and looking. */
  bench: number;
  /** Part of all cores that was busy, with whatever else runs on the machine. */
  busy: number;
}

const options = { transport: fetchTransport, signal: undefined };
const patienceMs = 120_000;

export async function networkThroughput(
  measured: MeasuredNetwork,
  count: number,
  bulk: number,
): Promise<NetworkThroughput> {
  const { network } = measured;
  const sorted = await signProbes(measured, count);
  const before = await headHeight(measured);
  const startedAt = Date.now();
  const cpu = cpuOf(measured);
  const batches: Transaction[][] = [];
  for (let from = 0; from < count; from += bulk) batches.push(sorted.slice(from, from + bulk));
  await Promise.all(
    network.validators.map(async (validator, index) => {
      for (let next = index; next < batches.length; next += network.validators.length) {
        await placeBatch(validator, batches[next] ?? []);
      }
    }),
  );
  const { height, endedAt, cpuThen } = await awaitCommitted(measured, sorted, before);
  const clients = network.validators.length;
  const blocks = height - before;
  const run = { transactions: count, clients, bulk, startedAt, endedAt, blocks };
  return figures(measured, { ...run, cpu: cpuEach(cpu, cpuThen, count) });
}

/** Heads are looked at so often, milliseconds; blocks are read once none was added for so long. */
const HEAD_MS = 200;
const STILL_MS = 1_500;

/**
 * Waits until all are in blocks. Blocks are read while nothing is committed: reading them is no
 * part of what is measured. The end is when the last block that holds one was first seen.
 */
async function awaitCommitted(
  measured: MeasuredNetwork,
  sent: readonly Transaction[],
  before: number,
): Promise<{ height: number; endedAt: number; cpuThen: CpuTimes | null }> {
  const wanted = new Set(sent.map((one) => one.id));
  const deadline = Date.now() + patienceMs;
  const seenAt = new Map<number, number>();
  let [known, read, endedAt] = [before, before, Date.now()];
  let cpuThen: CpuTimes | null = null;
  for (;;) {
    const head = await headHeight(measured);
    const now = Date.now();
    if (known < head) cpuThen = cpuOf(measured);
    for (; known < head; known += 1) seenAt.set(known + 1, now);
    const isStill = now - (seenAt.get(head) ?? now) >= STILL_MS;
    for (; isStill && read < head; read += 1) {
      const ids = await committedIn(measured, read + 1);
      const isOurs = ids.filter((id) => wanted.delete(id)).length > 0;
      if (isOurs) endedAt = seenAt.get(read + 1) ?? now;
    }
    if (wanted.size === 0) return { height: head, endedAt, cpuThen };
    if (now > deadline) throw new Error(`${wanted.size} of ${sent.length} are not committed`);
    await sleep(HEAD_MS);
  }
}

/**
 * Clients that each submit one transaction, follow it to a receipt that verifies, and submit the
 * next. Throws where one of them fails.
 */
export async function singleThroughput(
  measured: MeasuredNetwork,
  count: number,
  clients: number,
): Promise<NetworkThroughput> {
  const { network } = measured;
  const operators = await Promise.all(
    network.validators.map(async ({ id }) => {
      const session = openSession(network, { preferred: id });
      return new Operator(session, await measured.operator(id));
    }),
  );
  const before = await headHeight(measured);
  const startedAt = Date.now();
  const cpu = cpuOf(measured);
  let next = 0;
  const client = async (operator: Operator): Promise<void> => {
    while (next < count) {
      next += 1;
      await operator.probe(`single-${startedAt}-${next}`);
    }
  };
  await Promise.all(
    Array.from({ length: clients }, async (_, index) => {
      const operator = operators[index % operators.length];
      if (operator) await client(operator);
    }),
  );
  const endedAt = Date.now();
  const each = cpuEach(cpu, cpuOf(measured), count);
  const blocks = (await headHeight(measured)) - before;
  const run = { transactions: count, clients, bulk: 1, startedAt, endedAt, blocks };
  return figures(measured, { ...run, cpu: each });
}

function cpuOf({ folder }: MeasuredNetwork): CpuTimes | null {
  const layout = layoutOf(folder);
  return readCpu(layout, requirePlan(layout));
}

/** What was used between two readings. */
export function cpuEach(
  from: CpuTimes | null,
  to: CpuTimes | null,
  transactions: number,
): CpuEach | null {
  if (from === null || to === null || to.at <= from.at) return null;
  return {
    functions: (to.functions - from.functions) / transactions,
    emulators: (to.emulators - from.emulators) / transactions,
    bench: (to.load - from.load) / transactions,
    busy: (to.busy - from.busy) / ((to.at - from.at) * cores),
  };
}

/** Functions log their calls when they end: the last ones have this long, milliseconds. */
const LOG_MS = 500;

async function figures(
  { folder, network }: MeasuredNetwork,
  run: Omit<NetworkThroughput, 'seconds' | 'perSecond' | 'callsEach' | 'calls'> & {
    startedAt: number;
    endedAt: number;
  },
): Promise<NetworkThroughput> {
  const { startedAt, endedAt, ...rest } = run;
  const seconds = (endedAt - startedAt) / 1000;
  await sleep(LOG_MS);
  const accounts = network.validators.map(({ id }) => id);
  const calls = callsWithin(folder, accounts, startedAt, Date.now());
  const all = Object.values(calls).reduce((sum, one) => sum + one, 0);
  const each = { perSecond: run.transactions / seconds, callsEach: all / run.transactions };
  return { ...rest, seconds, ...each, calls };
}

async function signProbes(measured: MeasuredNetwork, count: number): Promise<Transaction[]> {
  const { network } = measured;
  const signers = await Promise.all(
    network.validators.map(async ({ id }) => keySigner((await measured.operator(id)).signingKey)),
  );
  const name = network.genesis.document.network;
  const startedAt = Date.now();
  return Promise.all(
    Array.from({ length: count }, (_, index) => {
      const signer = signers[index % signers.length];
      if (!signer) throw new RangeError('no operator');
      const label = `load-${startedAt}-${index}`;
      const call = { fn: 'governance.probe', args: { label } };
      return signCall(call, { network: name, now: Date.now(), kind: 'transaction', signer });
    }),
  );
}

/** Puts a batch, waiting as long as a full mempool or a quota asks. */
async function placeBatch(
  validator: { id: string; url: string },
  batch: readonly Transaction[],
): Promise<void> {
  let left = batch;
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const placed = await postBatch(validator, left, options);
    if (placed.outcome === 'refused') {
      await sleep(placed.answer.retryAfterMs ?? 500);
      continue;
    }
    left = left.filter((_, index) => !placed.held[index]);
    if (left.length === 0) return;
    await sleep(placed.retryAfterMs ?? 500);
  }
  throw new Error(`${validator.id} takes no more`);
}

/** Height of the head that the first validator shows. */
async function headHeight({ network }: MeasuredNetwork): Promise<number> {
  const answer = await fetch(`${network.validators[0]?.url ?? ''}/v1/health`);
  return ((await answer.json()) as { height: number }).height;
}

/** Ids of the transactions of a block, as the first validator shows them. */
async function committedIn(measured: MeasuredNetwork, height: number): Promise<string[]> {
  const { network } = measured;
  const { id, url } = network.validators[0] ?? { id: '', url: '' };
  const { signingKey } = await measured.operator(id);
  const name = network.genesis.document.network;
  const fn = 'ledger.block' as const;
  const wanted = { network: name, ledger: 'main', fn, height, now: Date.now() };
  const authorization = await peerAuthorization(wanted, signingKey);
  const answer = await fetch(`${url}/v1/blocks/${height}`, { headers: { authorization } });
  return ((await answer.json()) as { transactionIds: string[] }).transactionIds;
}
