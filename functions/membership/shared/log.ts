/** The log of an API: route, status and code; of failures the stack, never a body or a person. */

import type { Logger } from '@aws-lambda-powertools/logger';
import type { AccessLine } from './http.ts';

export function logAccess(logger: Logger, requestId: string, line: AccessLine): void {
  const { route, status, code, error } = line;
  const facts = { requestId, route, status, ...(code === undefined ? {} : { code }) };
  if (error === undefined) logger.info('request', facts);
  else logger.error('request failed', { ...facts, error: describe(error) });
}

/** Name and place of a failure; messages of libraries may quote what was sent. */
function describe(error: unknown): { name: string; stack: string | undefined } {
  if (!(error instanceof Error)) return { name: typeof error, stack: undefined };
  const frames = error.stack?.split('\n').filter((text) => /^\s+at /.test(text));
  return { name: error.name, stack: frames?.slice(0, 12).join('\n') };
}
