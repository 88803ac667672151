/** Why a call was not answered as it should, whoever says so: a function, the gateway, the emulator. */
import { z } from 'zod';
import { SdkError } from '../../sdk/errors.ts';
import type { HttpAnswer } from '../../sdk/http.ts';

const problemSchema = z.object({
  code: z.string().max(64).optional(),
  /** What the gateway says of a function that it could not run. */
  __type: z.string().max(64).optional(),
  status: z.int().optional(),
  retryAfterMs: z.number().optional(),
});

export interface Refusal {
  readonly code: string;
  readonly status: number;
  readonly retryAfterMs: number | null;
}

export function refusalOf({ status, json, retryAfterMs }: HttpAnswer): Refusal {
  return { ...refusalIn(json, status), retryAfterMs };
}

/** Of a problem inside another answer, as of one transaction of many. */
export function refusalIn(json: unknown, status: number): Refusal {
  const parsed = problemSchema.safeParse(json);
  const problem = parsed.success ? parsed.data : {};
  return {
    code: problem.code ?? problem.__type ?? `http_${status}`,
    status: problem.status ?? status,
    retryAfterMs: problem.retryAfterMs ?? null,
  };
}

/** Code of a call that had no answer, or one that does not verify. */
export function failureOf(error: unknown): string {
  if (!(error instanceof SdkError)) return 'failed';
  const { cause } = error;
  return cause instanceof Error && cause.name === 'TimeoutError' ? 'timeout' : error.code;
}
