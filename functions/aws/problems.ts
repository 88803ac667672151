/** Problem details (RFC 9457): the one function that derives status and code from any error. */

import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { CryptoError } from '../../lib/crypto/errors.ts';
import { LedgerError, ReceiptError } from '../../lib/ledger/errors.ts';
import { CertificateError } from '../../lib/membership/certificate-error.ts';
import { RecordsError } from '../../lib/records/errors.ts';
import { WireError } from '../../lib/wire/errors.ts';
import { type ProblemCode, type ProblemKind, problemTable } from './problem-table.ts';
import { StorageError } from './storage-error.ts';

/** Milliseconds after which it makes sense to ask again, by status. */
const RETRY_AFTER_MS: Readonly<Record<number, number>> = { 429: 2_000, 503: 1_000 };
/** Names and codes by which the AWS SDK and Node say "come back later". */
const TRANSIENT: ReadonlySet<string> = new Set([
  'AbortError',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'InternalError',
  'InternalServerError',
  'KMSInternalException',
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'ServiceUnavailable',
  'SlowDown',
  'ThrottlingException',
  'TimeoutError',
  'TransactionCanceledException',
  'TransactionConflictException',
]);

/** When to come back. */
interface RetryOptions {
  readonly retryAfterSeconds?: number;
  readonly retryAfterMs?: number;
}

/** A refusal by a function; the message becomes `detail` and names no person. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: ProblemCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ProblemCode, message: string, options?: ErrorOptions & RetryOptions) {
    super(message, options);
    this.code = code;
    const seconds = options?.retryAfterSeconds;
    this.retryAfterMs = options?.retryAfterMs ?? (seconds && seconds * 1000);
  }
}

/** The body of a problem answer. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail?: string;
  instance?: string;
  /** Where it makes sense to ask again; the header `Retry-After` is in whole seconds. */
  retryAfterMs?: number;
}

/** The problem of any error, with when to come back. What is not known is `internal`. */
export function problemOf(error: unknown): {
  problem: Problem;
  retryAfterSeconds: number | undefined;
} {
  const code = codeOf(error);
  const { status, title } = problemTable[code];
  // What went wrong here is nobody's business but the log's.
  const isOurs = code === 'internal' || code === 'unavailable';
  const detail = error instanceof Error && !isOurs ? error.message : '';
  const asked = error instanceof HttpError ? error.retryAfterMs : undefined;
  const retryAfterMs = asked ?? RETRY_AFTER_MS[status];
  return {
    problem: {
      type: typeOf(code),
      title,
      status,
      code,
      ...(detail ? { detail } : {}),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
    retryAfterSeconds: retryAfterMs === undefined ? undefined : Math.ceil(retryAfterMs / 1000),
  };
}

/** Whether a code, such as one of a receipt, is one of the table. */
export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(problemTable, code);
}

function codeOf(error: unknown): ProblemCode {
  if (isRefusal(error)) return error.code;
  if (error instanceof ReceiptError) return `receipt_${error.code}`;
  if (error instanceof LedgerError && error.code === 'too_large') return 'too_large';
  if (error instanceof StorageError && error.code === 'unprocessed') return 'unavailable';
  return isTransient(error) ? 'unavailable' : 'internal';
}

function isRefusal(error: unknown): error is Error & { readonly code: ProblemCode } {
  return [HttpError, WireError, CryptoError, ChaincodeError, RecordsError, CertificateError].some(
    (refusal) => error instanceof refusal,
  );
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return TRANSIENT.has(error.name) || TRANSIENT.has(code);
}

function typeOf(code: string): string {
  return `urn:carequorum:problem:${code}`;
}

/** Every code of the three APIs, for the documentation. */
export function problemRows(): ({ code: string } & ProblemKind)[] {
  return Object.entries(problemTable)
    .map(([code, kind]) => ({ code, ...kind }))
    .sort((a, b) => a.status - b.status || (a.code < b.code ? -1 : 1));
}
