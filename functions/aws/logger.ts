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
  if (line.status < 500) {
    logger.info('request', facts);
  } else if (error instanceof Error && !('code' in error)) {
    logger.error('request', { ...facts, error });
  } else {
    logger.warn('request', facts);
  }
}
