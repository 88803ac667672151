/** Problem details (RFC 9457): every code with its status, and the one function that derives them. */

import {
  ChaincodeError,
  chaincodeErrors,
  type ChaincodeErrorCode,
} from '../../lib/chaincode/errors.ts';
import { CryptoError, type CryptoErrorCode } from '../../lib/crypto/errors.ts';
import { LedgerError } from '../../lib/ledger/errors.ts';
import { WireError, type WireErrorCode } from '../../lib/wire/errors.ts';
import { StorageError } from './storage-error.ts';

interface ProblemKind {
  readonly status: number;
  /** What the code means, for people; `detail` says more about the one case. */
  readonly title: string;
}

/** Refusals of the formats: what was sent cannot be taken as it is. */
const wireProblems: Record<WireErrorCode, ProblemKind> = {
  malformed: { status: 400, title: 'A part of the request is not of its format' },
  not_canonical: { status: 400, title: 'A part of the request is not in its one canonical form' },
  too_large: { status: 413, title: 'The request, or its answer, is too large' },
  wrong_network: { status: 409, title: 'This is for another network' },
  wrong_ledger: { status: 409, title: 'This is for another ledger' },
  bad_signature: { status: 401, title: 'A signature is wrong' },
  expired: { status: 409, title: 'The request has expired: sign it anew' },
  not_yet_valid: { status: 409, title: 'The request is issued in the future: check the clock' },
  validity_too_long: { status: 400, title: 'The request is valid for more than 15 minutes' },
  unsupported_version: { status: 400, title: 'The format has a version that is not known here' },
};

const cryptoProblems: Record<CryptoErrorCode, ProblemKind> = {
  too_large: wireProblems.too_large,
  invalid_encoding: { status: 400, title: 'Text is not in its one canonical encoding' },
  invalid_argument: { status: 400, title: 'A value is outside what is defined' },
  invalid_key: { status: 400, title: 'A key has the wrong form' },
  invalid_signature: { status: 400, title: 'A signature has the wrong form' },
  invalid_jws: { status: 400, title: 'A JWS is not of the one form that is accepted' },
  open_failed: { status: 400, title: 'Something sealed does not open' },
  decrypt_failed: { status: 400, title: 'Something encrypted does not open' },
  length_mismatch: { status: 400, title: 'Something is longer or shorter than announced' },
  invalid_padding: { status: 400, title: 'Padding is wrong' },
};

/** Problems of the functions themselves. */
const ownProblems = {
  invalid_request: { status: 400, title: 'The request does not fit the schema of its route' },
  not_a_transaction: { status: 400, title: 'A query where a transaction is wanted' },
  not_a_query: { status: 400, title: 'A transaction where a query is wanted' },
  not_authorised: { status: 403, title: 'The signer may not read this' },
  wrong_operator: { status: 403, title: 'The document names another operator for this validator' },
  not_found: { status: 404, title: 'There is no such route' },
  unknown_transaction: { status: 404, title: 'This validator knows no such transaction' },
  unknown_block: { status: 404, title: 'There is no committed block of this height' },
  genesis_mismatch: { status: 409, title: 'The document does not hold the keys of this validator' },
  already_initialised: { status: 409, title: 'Another genesis document is installed' },
  replayed: { status: 409, title: 'The signing key has used this nonce: sign it anew' },
  mempool_full: { status: 429, title: 'Too many transactions wait here: try again, or elsewhere' },
  internal: { status: 500, title: 'Something went wrong here; it is logged' },
  not_initialised: { status: 503, title: 'No genesis document is installed yet' },
  preparing: { status: 503, title: 'The validator is making its keys' },
  learner: { status: 503, title: 'This validator is catching up and answers nothing that counts' },
  unavailable: { status: 503, title: 'A store or queue does not answer: try again, or elsewhere' },
} as const satisfies Record<string, ProblemKind>;

/** Codes that API Gateway answers before a function runs. */
const gatewayProblems = {
  refused: { status: 403, title: 'API Gateway refuses the request' },
  throttled: { status: 429, title: 'Too many requests' },
  timeout: { status: 504, title: 'The function did not answer in time' },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof ownProblems;

/** Seconds after which it makes sense to ask again, by status. */
const RETRY_AFTER_SECONDS: Readonly<Record<number, number>> = { 429: 2, 503: 1 };
/** Names and codes by which the AWS SDK and Node say "come back later". */
const TRANSIENT: ReadonlySet<string> = new Set([
  'AbortError',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'InternalServerError',
  'KMSInternalException',
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'ServiceUnavailable',
  'ThrottlingException',
  'TimeoutError',
  'TransactionCanceledException',
  'TransactionConflictException',
]);

/** A refusal by a function; the message becomes `detail` and names no person. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: ProblemCode;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ProblemCode,
    message: string,
    options?: ErrorOptions & { readonly retryAfterSeconds?: number },
  ) {
    super(message, options);
    this.code = code;
    this.retryAfterSeconds = options?.retryAfterSeconds;
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
}

/** The problem of any error, with when to come back. What is not known is `internal`. */
export function problemOf(error: unknown): {
  problem: Problem;
  retryAfterSeconds: number | undefined;
} {
  const { kind, code, detail } = kindOf(error);
  const { status, title } = kind;
  const asked = error instanceof HttpError ? error.retryAfterSeconds : undefined;
  return {
    problem: { type: typeOf(code), title, status, code, ...(detail ? { detail } : {}) },
    retryAfterSeconds: asked ?? RETRY_AFTER_SECONDS[status],
  };
}

interface Known {
  readonly kind: ProblemKind;
  readonly code: string;
  readonly detail?: string;
}

function kindOf(error: unknown): Known {
  if (error instanceof HttpError) return known(ownProblems[error.code], error);
  if (error instanceof WireError) return known(wireProblems[error.code], error);
  if (error instanceof CryptoError) return known(cryptoProblems[error.code], error);
  if (error instanceof ChaincodeError) return known(chaincodeProblem(error.code), error);
  if (error instanceof LedgerError && error.code === 'too_large') {
    return known(wireProblems.too_large, error);
  }
  if (error instanceof StorageError && error.code === 'unprocessed') return unavailable;
  return isTransient(error) ? unavailable : { kind: ownProblems.internal, code: 'internal' };
}

const unavailable: Known = { kind: ownProblems.unavailable, code: 'unavailable' };

function known(kind: ProblemKind, { code, message }: { code: string; message: string }): Known {
  return { kind, code, detail: message };
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return TRANSIENT.has(error.name) || TRANSIENT.has(code);
}

/** Refusals of the chaincode reach HTTP from signers and queries; others stand in receipts. */
function chaincodeProblem(code: ChaincodeErrorCode): ProblemKind {
  const meaning = chaincodeErrors[code];
  const title = meaning.charAt(0).toUpperCase() + meaning.slice(1);
  return { status: chaincodeStatus(code), title };
}

function chaincodeStatus(code: ChaincodeErrorCode): number {
  if (code === 'unknown_signer' || code.startsWith('certificate_')) return 401;
  if (code === 'unknown_function' || code === 'bad_arguments') return 400;
  if (code.startsWith('unknown_')) return 404;
  return 403;
}

function typeOf(code: string): string {
  return `urn:carequorum:problem:${code}`;
}

/** Every code of a validator's API, for the documentation. */
export function problemRows(): { status: number; code: string; title: string }[] {
  const chaincode = Object.keys(chaincodeErrors).map(
    (code) => [code, chaincodeProblem(code as ChaincodeErrorCode)] as const,
  );
  const all = new Map<string, ProblemKind>([
    ...chaincode,
    ...Object.entries({ ...cryptoProblems, ...wireProblems, ...ownProblems, ...gatewayProblems }),
  ]);
  return [...all]
    .map(([code, { status, title }]) => ({ status, code, title }))
    .sort((a, b) => a.status - b.status || (a.code < b.code ? -1 : 1));
}
