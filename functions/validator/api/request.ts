/** Reads what a request says, against the schemas of its route. */

import type { ZodType } from 'zod';
import { WireError } from '../../../lib/wire/errors.ts';
import { HttpError } from '../../aws/problems.ts';

/** The body. Throws `invalid_request`, or `too_large` where something in it is over a bound. */
export function parseRequestBody<T>(schema: ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const message = describeIssue(issue, 'body');
  if (issue?.code === 'too_big') throw new WireError('too_large', message);
  throw new HttpError('invalid_request', message);
}

/** A parameter, or an object of several. Throws `invalid_request`. */
export function parseParameter<T>(schema: ZodType<T>, value: unknown, name: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HttpError('invalid_request', describeIssue(parsed.error.issues[0], name));
}

function describeIssue(
  issue: { message: string; path: readonly PropertyKey[] } | undefined,
  name: string,
): string {
  const where = [name, ...(issue?.path ?? [])].map(String).join('.');
  return `${where}: ${issue?.message ?? 'does not fit'}`;
}
