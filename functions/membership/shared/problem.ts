/** Refusals as RFC 9457 problem details: one function derives status and code from any error. */

import { ReceiptError } from '../../../lib/ledger/errors.ts';
import { CertificateError } from '../../../lib/membership/certificate-error.ts';
import { RecordsError, type RecordsErrorCode } from '../../../lib/records/errors.ts';
import { type Problem, problemOf as commonProblemOf } from '../../aws/problems.ts';

/** A refusal by a handler; `code` is stable, `detail` says what to do and names no person. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly code: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: number,
    code: string,
    detail: string,
    options?: ErrorOptions & { retryAfterSeconds?: number },
  ) {
    super(detail, options);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}

/** Problem details with `Retry-After` where it makes sense to come back. */
export interface ProblemAnswer {
  status: number;
  body: Problem;
  retryAfterSeconds: number | undefined;
}

const titles: Readonly<Record<number, string>> = {
  400: 'The request cannot be taken',
  401: 'The proof is not accepted',
  403: 'This is not permitted',
  404: 'There is no such thing',
  409: 'This contradicts what is there',
  413: 'The request is too large',
  429: 'Too many requests',
  502: 'Another party answered wrongly',
  503: 'Not ready yet',
};

const recordsStatus: Partial<Record<RecordsErrorCode, number>> = {
  invalid_argument: 400,
  proof_malformed: 401,
  proof_bad_signature: 401,
  proof_wrong_key: 401,
  proof_wrong_request: 401,
  proof_not_fresh: 401,
  keys_malformed: 400,
};

/** The answer for any error; what is not a refusal is 500 and says nothing of its cause. */
export function problemOf(error: unknown): ProblemAnswer {
  if (error instanceof ApiProblem) {
    const { status, code, message, retryAfterSeconds } = error;
    return answer(status, code, message, retryAfterSeconds);
  }
  if (error instanceof RecordsError) {
    return answer(recordsStatus[error.code] ?? 403, error.code, error.message);
  }
  if (error instanceof ReceiptError) {
    const status = error.code === 'malformed' ? 400 : 403;
    return answer(status, `receipt_${error.code}`, error.message);
  }
  if (error instanceof CertificateError) return answer(401, error.code, error.message);
  const { problem, retryAfterSeconds } = commonProblemOf(error);
  return { status: problem.status, body: problem, retryAfterSeconds };
}

function answer(
  status: number,
  code: string,
  detail: string,
  retryAfterSeconds?: number,
): ProblemAnswer {
  const title = titles[status] ?? 'The request was refused';
  return {
    status,
    body: { type: `urn:carequorum:problem:${code}`, title, status, code, detail },
    retryAfterSeconds,
  };
}
