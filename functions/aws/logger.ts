/** Structured logs: one JSON object a line, never bodies, query strings or facts about patients. */

import { Logger } from '@aws-lambda-powertools/logger';
import type { RequestLine } from './http.ts';

const STACK_FRAMES_MAX = 12;

/** One per process; Lambda tells the name of the function. */
export const logger = new Logger({
  serviceName: process.env['AWS_LAMBDA_FUNCTION_NAME'] ?? 'carequorum',
});

/** Logs a request of a REST API. */
export function logRequest(line: RequestLine): void {
  const { error, ...facts } = line;
  if (line.code === 'internal') {
    logger.error('request', { ...facts, failure: describeFailure(error) });
  } else if (line.code === 'unavailable') {
    logger.warn('request', { ...facts, cause: error instanceof Error ? error.name : 'unknown' });
  } else {
    logger.info('request', facts);
  }
}

/** Name, code and place of a failure; messages of libraries may quote what was sent. */
export function describeFailure(error: unknown): { name: string; code?: string; stack?: string } {
  if (!(error instanceof Error)) return { name: typeof error };
  const frames = error.stack?.split('\n').filter((text) => /^\s+at /.test(text)) ?? [];
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  return { name: error.name, ...code, stack: frames.slice(0, STACK_FRAMES_MAX).join('\n') };
}
