/** Structured logs: one JSON object a line, of the fields that `log-fields.ts` lists and no others. */

import { LogFormatter, Logger, LogItem } from '@aws-lambda-powertools/logger';
import type { LogAttributes, UnformattedAttributes } from '@aws-lambda-powertools/logger/types';
import { takeCalls } from './call-count.ts';
import type { RequestLine } from './http.ts';
import { allowedEvent, allowedFields } from './log-fields.ts';
import { countRefusal } from './metrics.ts';

const STACK_FRAMES_MAX = 12;

/** Leaves out what no line may hold, whoever logs it; errors lose their messages. */
class ListedFields extends LogFormatter {
  override formatAttributes(base: UnformattedAttributes, added: LogAttributes): LogItem {
    const { logLevel, timestamp, message, serviceName, xRayTraceId } = base;
    const facts = Object.entries(added).map(([name, value]): [string, unknown] => [
      name,
      value instanceof Error ? describeFailure(value) : value,
    ]);
    return new LogItem({
      attributes: {
        level: logLevel,
        message: allowedEvent(message),
        timestamp: this.formatTimestamp(timestamp),
        service: serviceName,
        ...(xRayTraceId === undefined ? {} : { xray_trace_id: xRayTraceId }),
        ...allowedFields(Object.fromEntries(facts)),
      },
    });
  }
}

/** One per process; Lambda tells the name of the function. */
export const logger = new Logger({
  serviceName: process.env['AWS_LAMBDA_FUNCTION_NAME'] ?? 'carequorum',
  logFormatter: new ListedFields(),
});

/** Logs a request of a REST API. */
export function logRequest(line: RequestLine): void {
  const { error, ...told } = line;
  const facts = { ...told, calls: takeCalls() };
  if (line.code === 'internal') {
    logger.error('request', { ...facts, failure: describeFailure(error) });
  } else if (line.code === 'unavailable') {
    logger.warn('request', { ...facts, cause: error instanceof Error ? error.name : 'unknown' });
  } else {
    logger.info('request', facts);
  }
  if (line.code !== undefined) countRefusal('Refused', line.code, 1);
}

/** Logs the calls to AWS of a run that has no line of its own. */
export function logCalls(): void {
  const calls = takeCalls();
  if (Object.keys(calls).length > 0) logger.info('calls', { calls });
}

/** Name, code and place of a failure; messages of libraries may quote what was sent. */
export function describeFailure(error: unknown): { name: string; code?: string; stack?: string } {
  if (!(error instanceof Error)) return { name: typeof error };
  const frames = error.stack?.split('\n').filter((text) => /^\s+at /.test(text)) ?? [];
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  return { name: error.name, ...code, stack: frames.slice(0, STACK_FRAMES_MAX).join('\n') };
}
