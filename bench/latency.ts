/** `bench latency`: commits at rest through the leader and through another node, a query, a record. */
import { setTimeout as sleep } from 'node:timers/promises';
import { NetworkClient } from '../sdk/network-client.ts';
import { keySigner, type RequestSigner } from '../sdk/signing.ts';
import type { MeasuredNetwork } from './network.ts';
import { timedTransport } from './timed-transport.ts';
import { openRecordFigures, type RecordFigures } from './record.ts';
import { percentile, table } from './report.ts';
import { type Hop, hopsWithin, readSteps } from './step-log.ts';

export interface CommitFigures {
  through: string;
  p50: number;
  p99: number;
  /** Medians of the client's parts: submission answered, receipt there, checked. */
  acceptMs: number;
  waitMs: number;
  verifyMs: number;
  hops: Hop[];
}

export interface LatencyFigures {
  commits: CommitFigures[];
  query: { p50: number; p99: number; httpMs: number };
  record: RecordFigures;
}

const warmUps = 8;
/** Between two invokes, so that each meets a network at rest, milliseconds. */
const restMs = 400;

async function commitFigures(
  measured: MeasuredNetwork,
  through: string,
  role: string,
  signer: RequestSigner,
  rounds: number,
): Promise<CommitFigures> {
  const { transport, calls } = timedTransport();
  const client = new NetworkClient(measured.network, { preferred: through, transport });
  const totals: number[] = [];
  const parts: { accept: number; wait: number }[] = [];
  let from = Date.now();
  for (let round = -warmUps; round < rounds; round += 1) {
    if (round === 0) from = Date.now();
    calls.length = 0;
    const started = performance.now();
    await client.submit(
      { fn: 'governance.probe', args: { label: `latency-${round + warmUps}` } },
      signer,
    );
    const total = performance.now() - started;
    const sum = (method: string) =>
      calls.filter((call) => call.what.startsWith(method)).reduce((all, call) => all + call.ms, 0);
    if (round >= 0) {
      totals.push(total);
      parts.push({ accept: sum('POST'), wait: sum('GET') });
    }
    await sleep(restMs);
  }
  const validators = measured.network.validators.map((one) => one.id);
  await sleep(1500);
  const hops = hopsWithin(readSteps(measured.folder, validators), from, Date.now());
  const accepts = parts.map((part) => part.accept);
  const waits = parts.map((part) => part.wait);
  const rests = totals.map((total, index) => total - (accepts[index] ?? 0) - (waits[index] ?? 0));
  return {
    through: `${role} (${through})`,
    p50: percentile(totals, 0.5),
    p99: percentile(totals, 0.99),
    acceptMs: percentile(accepts, 0.5),
    waitMs: percentile(waits, 0.5),
    verifyMs: percentile(rests, 0.5),
    hops,
  };
}

export async function benchLatency(
  measured: MeasuredNetwork,
  rounds: number,
  log: (line: string) => void,
): Promise<LatencyFigures> {
  const probe = new NetworkClient(measured.network);
  const signer = keySigner((await measured.operator('hospital-a')).signingKey);
  await probe.submit({ fn: 'governance.probe', args: { label: 'first' } }, signer);
  const said = (await probe.health()).map((one) => one.health?.['leader']);
  const leader = said.find((one) => typeof one === 'string') ?? 'hospital-a';
  const other = measured.network.validators.find((one) => one.id !== leader)?.id ?? '';
  const commits: CommitFigures[] = [];
  for (const [through, role] of [
    [leader, 'leader'],
    [other, 'another node'],
  ] as const) {
    log(`${rounds} invokes through the ${role} (${through})`);
    commits.push(await commitFigures(measured, through, role, signer, rounds));
  }
  log(`${rounds} queries`);
  const query = await queryFigures(measured, signer, rounds);
  log('opening a record of 1 MB');
  const record = await openRecordFigures(measured, Math.max(5, Math.round(rounds / 4)), log);
  return { commits, query, record };
}

async function queryFigures(
  measured: MeasuredNetwork,
  signer: RequestSigner,
  rounds: number,
): Promise<LatencyFigures['query']> {
  const { transport, calls } = timedTransport();
  const client = new NetworkClient(measured.network, { transport });
  const totals: number[] = [];
  for (let round = -warmUps; round < rounds; round += 1) {
    const started = performance.now();
    await client.query({ fn: 'network.head', args: {} }, signer);
    if (round >= 0) totals.push(performance.now() - started);
    if (round < 0) calls.length = 0;
  }
  const http = calls.map((call) => call.ms);
  return {
    p50: percentile(totals, 0.5),
    p99: percentile(totals, 0.99),
    httpMs: percentile(http, 0.5),
  };
}

export function latencyTables(figures: LatencyFigures): string {
  const ms = (value: number): string => (Number.isNaN(value) ? '-' : `${value.toFixed(0)} ms`);
  const { query, record } = figures;
  const commits = table(
    ['commit of one invoke at rest', 'p50', 'p99', 'accepted', 'certified', 'signed and checked'],
    figures.commits.map((one) => [
      `through the ${one.through}`,
      ...[one.p50, one.p99, one.acceptMs, one.waitMs, one.verifyMs].map(ms),
    ]),
  );
  const hops = figures.commits.map((one) =>
    table(
      [`hops, through the ${one.through}`, 'in the queue', 'step', 'steps'],
      one.hops.map((hop) => [hop.name, ms(hop.queuedMs), ms(hop.tookMs), String(hop.steps)]),
    ),
  );
  const reads = table(
    ['reading', 'p50', 'p99', 'split (median)'],
    [
      ['query with proofs', ms(query.p50), ms(query.p99), `HTTP ${ms(query.httpMs)}`],
      ['open a record of 1 MB', ms(record.p50), ms(record.p99), record.split],
    ],
  );
  return [commits, ...hops, reads].join('\n\n');
}
