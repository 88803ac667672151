/** JSON over HTTPS: one call with a time-out, its answer bounded, problem details (RFC 9457) read. */
import { z } from 'zod';
import { SdkError } from './errors.ts';

/** `fetch`, or a stand-in in tests. */
export type Transport = (url: string, init: RequestInit) => Promise<Response>;

export const fetchTransport: Transport = (url, init) => fetch(url, init);

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** For the whole call, the answer's body included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** Parsed JSON, or null where the body is none. */
  readonly json: unknown;
  /** What `Retry-After` asks for. */
  readonly retryAfterMs: number | null;
}

/** Characters of an answer that are read; API Gateway gives 10 MB at most. */
const ANSWER_CHARS_MAX = 12_000_000;
/** The longest that a validator may ask a client to wait. */
export const RETRY_AFTER_MS_MAX = 60_000;

const problemSchema = z.object({
  code: z.string().max(64),
  detail: z.string().max(2000).optional(),
  title: z.string().max(2000).optional(),
});

/** What a party says when it refuses over HTTP. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}

/** One call. Throws `unreachable` on any failure of the network, `aborted` at the caller's wish. */
export async function callJson(transport: Transport, request: HttpRequest): Promise<HttpAnswer> {
  const { method, url, body, headers, timeoutMs, signal } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await transport(url, {
      method,
      headers: {
        accept: 'application/json, application/problem+json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
      redirect: 'error',
    });
    const json = parseJson(await boundedText(response));
    return { status: response.status, json, retryAfterMs: retryAfterMs(response.headers) };
  } catch (cause) {
    if (signal?.aborted) throw aborted();
    const why = timeout.aborted ? `no answer within ${timeoutMs} ms` : messageOf(cause);
    throw new SdkError('unreachable', `${hostOf(url)} cannot be reached: ${why}.`, {
      nextStep: 'Check that the network runs and the address is right (`carequorum network`).',
      details: { url },
      cause,
    });
  }
}

/** The problem details of an answer; a stand-in code where a gateway answered without any. */
export function problemOf(answer: HttpAnswer): Problem {
  const parsed = problemSchema.safeParse(answer.json);
  if (!parsed.success) {
    return { status: answer.status, code: 'no_problem_details', detail: `HTTP ${answer.status}` };
  }
  const { code, detail, title } = parsed.data;
  return { status: answer.status, code, detail: detail ?? title ?? code };
}

/** The code of the problem details that an error carries, or null. */
export function problemCodeOf(error: unknown): string | null {
  if (!(error instanceof SdkError) || error.code !== 'problem') return null;
  return (error.details['problem'] as Problem).code;
}

/** Whether a party takes a receipt no more, as those who certified it were replaced long ago. */
export function isStaleReceipt(error: unknown): boolean {
  return problemCodeOf(error) === 'receipt_stale_set';
}

/** Whether a party does not answer, lost its store, or a gateway answers in its place. */
export function isSilent(error: unknown): boolean {
  if (!(error instanceof SdkError)) return false;
  if (error.code === 'unreachable' || error.code === 'not_initialised') return true;
  return (statusOf(error) ?? 0) >= 500;
}

/** Whether a party is silent now, or has no capacity: later it may. */
export function isAway(error: unknown): boolean {
  return isSilent(error) || statusOf(error) === 429;
}

/** The HTTP status of the problem details that an error carries, or null. */
function statusOf(error: unknown): number | null {
  if (!(error instanceof SdkError) || error.code !== 'problem') return null;
  return (error.details['problem'] as Problem).status;
}

/** Why the chaincode refuses, whether certified, proven, or said by more than f validators. */
export function reasonOf(error: unknown): string | null {
  if (error instanceof SdkError && error.code === 'refused') return String(error.details['reason']);
  return problemCodeOf(error);
}

/** The error for an answer that refuses. */
export function problemError(answer: HttpAnswer, who: string): SdkError {
  const problem = problemOf(answer);
  if (problem.code === 'not_initialised') {
    return new SdkError('not_initialised', `${who} has no genesis document yet.`, {
      nextStep: 'Install it with `carequorum genesis install`, or wait until that is done.',
      details: { problem },
    });
  }
  return new SdkError('problem', `${who} refused: ${problem.detail} (${problem.code}).`, {
    nextStep: nextSteps[problem.code] ?? nextStepOf(problem.status),
    details: { problem },
  });
}

/** Checks an answer's body. Throws `bad_answer`. */
export function parseAnswer<T>(schema: z.ZodType<T>, answer: HttpAnswer, who: string): T {
  const parsed = schema.safeParse(answer.json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new SdkError('bad_answer', `${who} gave an answer of another form (${where || 'body'}).`, {
    nextStep: 'Check that both sides have the same version, then tell its operator.',
    details: { path: where, issue: issue?.message },
  });
}

const nextSteps: Readonly<Record<string, string>> = {
  unknown_signer: 'Have this key approved on the ledger first (`carequorum approve`).',
  bad_signature: 'Check that --network and --keystore belong to the same network.',
  wrong_network: 'Check that --network and --keystore belong to the same network.',
  expired: "Check this machine's clock, then run the command again.",
  not_yet_valid: "Check this machine's clock, then run the command again.",
  submitter_quota: 'Wait for what was submitted before, then run the command again.',
  mempool_full: 'Wait a few seconds and run the command again.',
};

function nextStepOf(status: number): string {
  if (status === 401 || status === 403) return 'Check that this key has the right it needs.';
  if (status === 404) return 'Check the id.';
  if (status === 429 || status >= 500) return 'Wait a few seconds and run the command again.';
  return 'Correct what it names and run the command again.';
}

/** Seconds, or a date (RFC 9110, section 10.2.3). */
function retryAfterMs(headers: Headers): number | null {
  const text = headers.get('retry-after');
  if (text === null) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX) : null;
}

async function boundedText(response: Response): Promise<string> {
  if (!response.body) return '';
  const decoder = new TextDecoder();
  let text = '';
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length > ANSWER_CHARS_MAX) {
      await reader.cancel();
      throw new Error('the answer is too long');
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown failure';
  const { cause } = error;
  return cause instanceof Error && cause.message ? cause.message : error.message;
}

function aborted(): SdkError {
  return new SdkError('aborted', 'Given up before it was done.', {
    nextStep: 'Run the command again: nothing is done twice.',
  });
}
