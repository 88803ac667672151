/** Reads what a request says, against the schemas of its route. */

import type { ZodType } from 'zod';
import { HttpError } from './problems.ts';

/** The body. Throws `invalid_request`. */
export function parseBody<T>(schema: ZodType<T>, body: unknown): T {
  return parseParameter(schema, body, 'body');
}

/** A parameter, or an object of several. Throws `invalid_request`. */
export function parseParameter<T>(schema: ZodType<T>, value: unknown, name: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HttpError('invalid_request', describeIssue(parsed.error.issues[0], name));
}

/** Where a value does not fit, and why. */
export function describeIssue(
  issue: { message: string; path: readonly PropertyKey[] } | undefined,
  name: string,
): string {
  const where = [name, ...(issue?.path ?? [])].map(String).join('.');
  return `${where}: ${issue?.message ?? 'does not fit'}`;
}
