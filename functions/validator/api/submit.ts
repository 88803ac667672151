/** Submission: check at the edge all that a replica will check again, hold it, wake the replica. */

import { ChaincodeError } from '../../../lib/chaincode/errors.ts';
import { readHints, signerHints } from '../../../lib/chaincode/execute.ts';
import { resolveKeys } from '../../../lib/chaincode/resolve-keys.ts';
import { wasSeen } from '../../../lib/chaincode/seen.ts';
import type { TreeView } from '../../../lib/ledger/state-view.ts';
import { limits } from '../../../lib/limits.ts';
import type { PendingTransaction, SubmitOutcome } from '../../../lib/ports.ts';
import { pendingOf } from '../../../lib/pbft/fair-order.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { WireError } from '../../../lib/wire/errors.ts';
import {
  checkRequest,
  parseTransaction,
  type Transaction,
  verifyTransaction,
} from '../../../lib/wire/transaction.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { mapParallel } from '../../aws/parallel.ts';
import { HttpError, type Problem, problemOf } from '../../aws/problems.ts';
import { submitBatchSchema, submitSchema } from '../routes.ts';
import { findCommitted } from './outcome.ts';
import { parseRequestBody } from './request.ts';
import type { ApiRuntime, RunningNetwork } from './runtime.ts';

/** JSON around the compact serialisations. */
const ENVELOPE_CHARS = 1_024;
const CHECKS_PARALLEL_MAX = 16;
/** About the time of a few blocks. */
const RETRY_MS_MIN = 1_000;
const RETRY_SPREAD_MS = 2_000;

interface Accepted {
  id: string;
  status: 'PENDING';
  location: string;
}

/** What the checks made of one compact serialisation. */
type Checked =
  | { entry: PendingTransaction; ledger: string }
  | { committedId: string; ledger: string }
  | { error: unknown };

export function submitOne(runtime: ApiRuntime): Operation {
  return {
    bodyCharsMax: limits.transactionBytesMax + ENVELOPE_CHARS,
    async run({ body, correlationId }): Promise<HttpAnswer> {
      const { transaction } = parseRequestBody(submitSchema, body);
      const [result] = await submitAll(runtime, [transaction], correlationId);
      if (result === undefined || 'error' in result) throw result?.error;
      return { status: 202, body: result.accepted };
    },
  };
}

export function submitBatch(runtime: ApiRuntime): Operation {
  return {
    bodyCharsMax: limits.batchBytesMax + ENVELOPE_CHARS,
    async run({ body, correlationId }): Promise<HttpAnswer> {
      const { transactions } = parseRequestBody(submitBatchSchema, body);
      const results = await submitAll(runtime, transactions, correlationId);
      return { status: 200, body: { results: results.map(batchResult) } };
    },
  };
}

type Submitted = { accepted: Accepted } | { error: unknown };

function batchResult(result: Submitted): Accepted | { problem: Problem } {
  if ('accepted' in result) return result.accepted;
  const { problem } = problemOf(result.error);
  // A fault of ours is one of the whole call: a retry is due, not a note beside good results.
  if (problem.status >= 500) throw result.error;
  return { problem };
}

async function submitAll(
  runtime: ApiRuntime,
  compacts: readonly string[],
  correlationId: string,
): Promise<Submitted[]> {
  const parsed = compacts.map(tryParse);
  const ledgers = await openLedgers(runtime, parsed);
  const checked = await mapParallel(parsed, CHECKS_PARALLEL_MAX, async (one): Promise<Checked> => {
    if ('error' in one) return one;
    const open = ledgers.get(one.transaction.ledger);
    if (!open || 'error' in open) return open ?? { error: new HttpError('internal', 'no ledger') };
    try {
      return await check(runtime, open, one.transaction);
    } catch (error) {
      return { error };
    }
  });
  const outcomes = await hold(runtime, checked, correlationId);
  return checked.map((one) => {
    if ('error' in one) return one;
    const id = 'entry' in one ? one.entry.id : one.committedId;
    const refusal = refusalOf(outcomes.get(id), id);
    if (refusal) return { error: refusal };
    return { accepted: { id, status: 'PENDING', location: locationOf(id, one.ledger) } };
  });
}

/** A ledger that transactions are for, and its state; or why they cannot be taken. */
type OpenLedger =
  { network: RunningNetwork; view: TreeView; people: TreeView } | { error: unknown };

/** Each ledger that is named, with what all its transactions will read in one round trip. */
async function openLedgers(
  runtime: ApiRuntime,
  parsed: readonly ReturnType<typeof tryParse>[],
): Promise<Map<string, OpenLedger>> {
  // Not only the fault of one transaction: without a network nothing is taken.
  const main = await runtime.network();
  const transactions = parsed.flatMap((one) => ('transaction' in one ? [one] : []));
  const names = new Set(transactions.map(({ transaction }) => transaction.ledger));
  const opened = [...names].map(async (name): Promise<[string, OpenLedger]> => {
    const of = transactions.filter(({ transaction }) => transaction.ledger === name);
    try {
      const network = await runtime.ledgerOf(main, name);
      if (network.ofCase?.found.closed) throw new ChaincodeError('case_closed');
      const view = runtime.viewOf(network);
      const people = network.ofCase && runtime.view(network.main);
      await Promise.all([
        view.prefetch(of.flatMap(({ hints }) => hints)),
        // On the main ledger they are among the hints.
        people?.prefetch(of.flatMap(({ transaction }) => signerHints(transaction))),
      ]);
      return [name, { network, view, people: people ?? view }];
    } catch (error) {
      return [name, { error }];
    }
  });
  return new Map(await Promise.all(opened));
}

function tryParse(
  compact: string,
): { transaction: Transaction; hints: string[] } | { error: unknown } {
  try {
    const transaction = parseTransaction(compact);
    return { transaction, hints: readHints(transaction) };
  } catch (error) {
    return { error };
  }
}

/**
 * A fresh transaction is looked up nowhere but in state: its place matters only once its nonce is
 * used, or once it has expired.
 */
async function check(
  runtime: ApiRuntime,
  { network, view, people }: Exclude<OpenLedger, { error: unknown }>,
  transaction: Transaction,
): Promise<Checked> {
  if (transaction.kind !== 'transaction') {
    throw new HttpError('not_a_transaction', 'Send it to /v1/queries');
  }
  const { id, ledger, expiresAt } = transaction;
  const isCommitted = async (): Promise<boolean> =>
    (await findCommitted(runtime, network, id)) !== null;
  // No block on this head is earlier: what has expired for the ledger is not taken by a slow clock.
  const arrivedAt = runtime.deps.clock();
  const now = Math.max(arrivedAt, network.head.header.time + 1);
  const { network: name, parameters } = network.genesis.document;
  const skewMsMax = parameters.clockSkewMsMax;
  if (expiresAt <= now && (await isCommitted())) return { committedId: id, ledger };
  checkRequest(transaction, { network: name, ledger, now, skewMsMax });
  const keys = await resolveKeys(people, transaction, { time: now, network: name });
  if (!(await verifyTransaction(transaction, keys))) {
    throw new WireError('bad_signature', 'not of the key that the ledger knows, or not with low S');
  }
  if (await wasSeen(view, transaction)) {
    if (await isCommitted()) return { committedId: id, ledger };
    throw new HttpError('replayed', 'Use a fresh random nonce');
  }
  return { entry: pendingOf(transaction, arrivedAt), ledger };
}

function locationOf(id: string, ledger: string): string {
  return `/v1/transactions/${id}${ledger === MAIN_LEDGER ? '' : `?ledger=${ledger}`}`;
}

/** Stores what passed, then reads `wakeSeq`, then wakes: in this order no wake is lost. */
async function hold(
  runtime: ApiRuntime,
  checked: readonly Checked[],
  correlationId: string,
): Promise<Map<string, SubmitOutcome>> {
  const outcomes = new Map<string, SubmitOutcome>();
  const held = new Map<string, PendingTransaction[]>();
  for (const one of checked) {
    if (!('entry' in one)) continue;
    const entry = { ...one.entry, correlationId };
    held.set(one.ledger, [...(held.get(one.ledger) ?? []), entry]);
  }
  for (const [ledger, entries] of held) await holdIn(runtime, ledger, entries, outcomes);
  return outcomes;
}

async function holdIn(
  runtime: ApiRuntime,
  ledger: string,
  entries: readonly PendingTransaction[],
  outcomes: Map<string, SubmitOutcome>,
): Promise<void> {
  const { mempool, replicas, inbox } = runtime.deps.ports;
  const answers = await mempool.submit(ledger, entries);
  for (const [index, { id }] of entries.entries()) {
    if (!outcomes.has(id)) outcomes.set(id, answers[index] ?? 'full');
  }
  if (answers.some((answer) => answer === 'accepted' || answer === 'known')) {
    await inbox.wake(ledger, await replicas.wakeSeq(ledger));
  }
}

/** Why a transaction was not taken, if so. */
function refusalOf(outcome: SubmitOutcome | undefined, id: string): HttpError | null {
  const options = { retryAfterMs: retryAfterMs(id) };
  if (outcome === 'full') return new HttpError('mempool_full', 'It was not taken', options);
  if (outcome !== 'quota') return null;
  return new HttpError('submitter_quota', 'Too much of this key waits here', options);
}

/** Spread by id over two seconds, so that those refused together do not come back together. */
function retryAfterMs(id: string): number {
  return RETRY_MS_MIN + Math.floor((parseInt(id.slice(0, 4), 16) / 0x10000) * RETRY_SPREAD_MS);
}
