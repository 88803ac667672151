/** The validator's HTTP interface as a client sees it: one function for each route that is used. */
import { z } from 'zod';
import { MAIN_LEDGER } from '../lib/wire/ledger.ts';
import type { Transaction } from '../lib/wire/transaction.ts';
import {
  callJson,
  type HttpAnswer,
  parseAnswer,
  RETRY_AFTER_MS_MAX,
  type Transport,
} from './http.ts';
import type { ValidatorAddress } from './validator-pool.ts';

/** What a call needs beside its arguments. */
export interface CallOptions {
  readonly transport: Transport;
  readonly signal?: AbortSignal | undefined;
}

/** Options of a submission. */
export interface SubmitOptions extends CallOptions {
  /** Random, of this one submission: by it operators find the request in their logs. */
  readonly correlationId?: string;
}

/** An answer that is neither what was asked for nor a failure of the network. */
export interface Refused {
  readonly outcome: 'refused';
  readonly answer: HttpAnswer;
}

/** Submitting and polling answer fast or not at all: the next validator is as good. */
const SUBMIT_TIMEOUT_MS = 3_000;
const BATCH_TIMEOUT_MS = 25_000;
const POLL_TIMEOUT_MS = 2_500;
const QUERY_TIMEOUT_MS = 6_000;

const receiptText = z.string().max(2_000_000);
const statusAnswer = z.object({
  id: z.string(),
  status: z.enum(['COMMITTED', 'INVALID']),
  receipt: receiptText,
});
const batchAnswer = z.object({
  results: z.array(
    z.object({ problem: z.object({ retryAfterMs: z.number().optional() }).optional() }),
  ),
});
const queryAnswer = z.object({ answer: z.string().max(8_000_000) });
const headerAnswer = z.object({ header: z.string().max(16_384) });
const consistencyAnswer = z.object({ proof: receiptText });
const healthAnswer = z.looseObject({
  status: z.string(),
  height: z.int().optional(),
  view: z.int().optional(),
});
const eventsAnswer = z.object({
  height: z.int().min(0),
  events: z
    .array(z.object({ height: z.int(), index: z.int(), topic: z.string(), tag: z.string() }))
    .max(10_000),
});
export type LedgerEventNotice = z.infer<typeof eventsAnswer>['events'][number];
export type ValidatorHealth = z.infer<typeof healthAnswer>;

/** Hands a transaction over; `accepted` means that one validator holds it, no more. */
export async function postTransaction(
  at: ValidatorAddress,
  transaction: Transaction,
  options: SubmitOptions,
): Promise<{ outcome: 'accepted' } | Refused> {
  const answer = await callJson(options.transport, {
    method: 'POST',
    url: `${at.url}/v1/transactions`,
    body: { transaction: transaction.compact },
    ...(options.correlationId && { headers: { 'x-correlation-id': options.correlationId } }),
    timeoutMs: SUBMIT_TIMEOUT_MS,
    signal: options.signal,
  });
  return isSuccess(answer) ? { outcome: 'accepted' } : { outcome: 'refused', answer };
}

/** Hands many over; gives for each whether the validator holds it, and when it may hold the rest. */
export async function postBatch(
  at: ValidatorAddress,
  transactions: readonly Transaction[],
  options: CallOptions,
): Promise<
  { outcome: 'accepted'; held: readonly boolean[]; retryAfterMs: number | null } | Refused
> {
  const answer = await callJson(options.transport, {
    method: 'POST',
    url: `${at.url}/v1/transactions/batch`,
    body: { transactions: transactions.map((one) => one.compact) },
    timeoutMs: BATCH_TIMEOUT_MS,
    signal: options.signal,
  });
  if (!isSuccess(answer)) return { outcome: 'refused', answer };
  const { results } = parseAnswer(batchAnswer, answer, at.id);
  const waits = results.flatMap(({ problem }) => problem?.retryAfterMs ?? []);
  return {
    outcome: 'accepted',
    held: transactions.map((_, index) => results[index] !== undefined && !results[index].problem),
    retryAfterMs: waits.length > 0 ? Math.min(RETRY_AFTER_MS_MAX, Math.max(...waits, 0)) : null,
  };
}

export type PollOutcome =
  | { readonly outcome: 'done'; readonly receipt: string }
  | { readonly outcome: 'pending' }
  | { readonly outcome: 'unknown' }
  | Refused;

/** Asks for the receipt of a transaction of a ledger; the validator may wait for `waitMs` milliseconds. */
export async function getTransaction(
  at: ValidatorAddress,
  { id, ledger }: Pick<Transaction, 'id' | 'ledger'>,
  waitMs: number,
  options: CallOptions,
): Promise<PollOutcome> {
  const of = ledger === MAIN_LEDGER ? '' : `&ledger=${ledger}`;
  const answer = await callJson(options.transport, {
    method: 'GET',
    url: `${at.url}/v1/transactions/${id}?waitMs=${waitMs}${of}`,
    timeoutMs: POLL_TIMEOUT_MS + waitMs,
    signal: options.signal,
  });
  if (answer.status === 202) return { outcome: 'pending' };
  if (answer.status === 404) return { outcome: 'unknown' };
  if (answer.status !== 200) return { outcome: 'refused', answer };
  return { outcome: 'done', receipt: parseAnswer(statusAnswer, answer, at.id).receipt };
}

/** Gives the state answer as text; nothing of it is verified yet. */
export async function postQuery(
  at: ValidatorAddress,
  query: Transaction,
  options: CallOptions,
): Promise<{ outcome: 'answered'; answer: string } | Refused> {
  const answer = await callJson(options.transport, {
    method: 'POST',
    url: `${at.url}/v1/queries`,
    body: { query: query.compact },
    timeoutMs: QUERY_TIMEOUT_MS,
    signal: options.signal,
  });
  if (answer.status !== 200) return { outcome: 'refused', answer };
  return { outcome: 'answered', answer: parseAnswer(queryAnswer, answer, at.id).answer };
}

/** A proof that one height is in the history of another, as text; nothing of it is verified yet. */
export async function getConsistency(
  at: ValidatorAddress,
  { from, to }: { from: number; to?: number },
  options: CallOptions,
): Promise<{ outcome: 'answered'; proof: string } | Refused> {
  const answer = await callJson(options.transport, {
    method: 'GET',
    url: `${at.url}/v1/consistency?from=${from}${to === undefined ? '' : `&to=${to}`}`,
    timeoutMs: QUERY_TIMEOUT_MS,
    signal: options.signal,
  });
  if (answer.status !== 200) return { outcome: 'refused', answer };
  return { outcome: 'answered', proof: parseAnswer(consistencyAnswer, answer, at.id).proof };
}

/** The header of a block of a case ledger, as text; nothing of it is verified yet. */
export async function getCaseHeader(
  at: ValidatorAddress,
  { height, ledger }: { height: number; ledger: string },
  options: CallOptions,
): Promise<{ outcome: 'answered'; header: string } | Refused> {
  const answer = await callJson(options.transport, {
    method: 'GET',
    url: `${at.url}/v1/blocks/${height}?ledger=${ledger}`,
    timeoutMs: QUERY_TIMEOUT_MS,
    signal: options.signal,
  });
  if (answer.status !== 200) return { outcome: 'refused', answer };
  return { outcome: 'answered', header: parseAnswer(headerAnswer, answer, at.id).header };
}

/** What a validator says of itself; 503 while it has no genesis. */
export async function getHealth(
  at: ValidatorAddress,
  options: CallOptions,
): Promise<{ status: number; health: ValidatorHealth | null }> {
  const answer = await callJson(options.transport, {
    method: 'GET',
    url: `${at.url}/v1/health`,
    timeoutMs: QUERY_TIMEOUT_MS,
    signal: options.signal,
  });
  const parsed = healthAnswer.safeParse(answer.json);
  return { status: answer.status, health: parsed.success ? parsed.data : null };
}

/** Hints of what happened after a height; nobody relies on them. */
export async function getEvents(
  at: ValidatorAddress,
  after: number,
  options: CallOptions,
): Promise<{ outcome: 'answered'; height: number; events: LedgerEventNotice[] } | Refused> {
  const answer = await callJson(options.transport, {
    method: 'GET',
    url: `${at.url}/v1/events?after=${after}&limit=1000`,
    timeoutMs: QUERY_TIMEOUT_MS,
    signal: options.signal,
  });
  if (answer.status !== 200) return { outcome: 'refused', answer };
  return { outcome: 'answered', ...parseAnswer(eventsAnswer, answer, at.id) };
}

function isSuccess(answer: HttpAnswer): boolean {
  return answer.status >= 200 && answer.status < 300;
}
