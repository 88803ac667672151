/** Structured logs: one JSON object a line, never bodies, query strings or facts about patients. */

import { Logger } from '@aws-lambda-powertools/logger';
import type { RequestLine } from './http.ts';

/** One per process; Lambda tells the name of the function. */
export const logger = new Logger({
  serviceName: process.env['AWS_LAMBDA_FUNCTION_NAME'] ?? 'carequorum',
});

/** Logs a request of a REST API. */
export function logRequest(line: RequestLine): void {
  const { error, ...facts } = line;
  if (line.code === 'internal') {
    logger.error('request', { ...facts, ...(error instanceof Error ? { error } : {}) });
  } else if (line.code === 'unavailable') {
    logger.warn('request', { ...facts, cause: error instanceof Error ? error.name : 'unknown' });
  } else {
    logger.info('request', facts);
  }
}
