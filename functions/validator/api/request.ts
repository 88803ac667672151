/** Reads what a request says, against the schemas of its route. */

import type { ZodType } from 'zod';
import { HttpError } from '../../aws/problems.ts';

/** The body. Throws `invalid_request`. */
export function parseRequestBody<T>(schema: ZodType<T>, body: unknown): T {
  return parseRequest(schema, body, 'body');
}

/** A parameter, or an object of several. Throws `invalid_request`. */
export function parseParameter<T>(schema: ZodType<T>, value: unknown, name: string): T {
  return parseRequest(schema, value, name);
}

function parseRequest<T>(schema: ZodType<T>, value: unknown, name: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = [name, ...(issue?.path ?? [])].join('.');
  throw new HttpError('invalid_request', `${where}: ${issue?.message ?? 'does not fit'}`);
}
