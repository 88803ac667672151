/** Throughput on a local network: bulk submission through all nodes over HTTP. */
import { setTimeout as sleep } from 'node:timers/promises';
import { peerAuthorization } from '../functions/validator/block-request.ts';
import { fetchTransport } from '../sdk/http.ts';
import { keySigner, signCall } from '../sdk/signing.ts';
import { postBatch } from '../sdk/validator-api.ts';
import type { Transaction } from '../lib/wire/transaction.ts';
import type { MeasuredNetwork } from './network.ts';

export interface NetworkThroughput {
  transactions: number;
  bulk: number;
  blocks: number;
  seconds: number;
  perSecond: number;
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
  const started = performance.now();
  const batches: Transaction[][] = [];
  for (let from = 0; from < count; from += bulk) batches.push(sorted.slice(from, from + bulk));
  await Promise.all(
    network.validators.map(async (validator, index) => {
      for (let next = index; next < batches.length; next += network.validators.length) {
        await placeBatch(validator, batches[next] ?? []);
      }
    }),
  );
  const wanted = new Set(sorted.map((one) => one.id));
  const deadline = Date.now() + patienceMs;
  let height = before;
  while (wanted.size > 0) {
    if (Date.now() > deadline) throw new Error(`${wanted.size} of ${count} are not committed`);
    const found = await committed(measured, height);
    for (const id of found.ids) wanted.delete(id);
    height = found.height;
    if (found.ids.length === 0) await sleep(50);
  }
  const seconds = (performance.now() - started) / 1000;
  const blocks = height - before;
  return { transactions: count, bulk, blocks, seconds, perSecond: count / seconds };
}

async function signProbes(measured: MeasuredNetwork, count: number): Promise<Transaction[]> {
  const { network } = measured;
  const signers = await Promise.all(
    network.validators.map(async ({ id }) => keySigner((await measured.operator(id)).signingKey)),
  );
  const name = network.genesis.document.network;
  return Promise.all(
    Array.from({ length: count }, (_, index) => {
      const signer = signers[index % signers.length];
      if (!signer) throw new RangeError('no operator');
      const call = { fn: 'governance.probe', args: { label: `load-${index}` } };
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

/** Ids of transactions in blocks above a height, as the first validator shows them. */
async function committed(
  measured: MeasuredNetwork,
  after: number,
): Promise<{ height: number; ids: string[] }> {
  const { network } = measured;
  const { id, url } = network.validators[0] ?? { id: '', url: '' };
  const { signingKey } = await measured.operator(id);
  const name = network.genesis.document.network;
  const head = await headHeight(measured);
  const ids: string[] = [];
  for (let height = after + 1; height <= head; height += 1) {
    const fn = 'ledger.block' as const;
    const wanted = { network: name, ledger: 'main', fn, height, now: Date.now() };
    const authorization = await peerAuthorization(wanted, signingKey);
    const answer = await fetch(`${url}/v1/blocks/${height}`, { headers: { authorization } });
    const block = (await answer.json()) as { transactionIds: string[] };
    ids.push(...block.transactionIds);
  }
  return { height: head, ids };
}
