/** Bodies whose bounds have an answer of their own: what is too large is split, not corrected. */

import type { ZodType } from 'zod';
import { WireError } from '../../../lib/wire/errors.ts';
import { HttpError } from '../../aws/problems.ts';
import { describeIssue } from '../../aws/request.ts';

/** The body. Throws `invalid_request`, or `too_large` where something in it is over a bound. */
export function parseRequestBody<T>(schema: ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const message = describeIssue(issue, 'body');
  if (issue?.code === 'too_big') throw new WireError('too_large', message);
  throw new HttpError('invalid_request', message);
}
