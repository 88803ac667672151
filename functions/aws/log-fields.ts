/**
 * What a log line may hold: the names of its fields, each with the form of its value. Whatever is
 * not here, or has another form, is left out, so that no line can tell of a patient by mistake.
 */

import { z } from 'zod';
import { limits } from '../../lib/limits.ts';
import { correlationIdField } from '../../lib/wire/fields.ts';

/** A code, an id of a validator, a name of a function or of a class of errors: never a sentence. */
const word = z.string().regex(/^[A-Za-z0-9_.:#-]{0,128}$/);
/** Words of our own: lower case, abbreviations, names of classes. Names of people begin otherwise. */
const phrase = z
  .string()
  .max(160)
  .regex(/^(?:(?:[a-z0-9_.,:;()/-]+|[A-Z]{2,6}|(?:[A-Z][a-z0-9]+){2,})(?: |$))*$/);
const count = z.number().min(0);
const flag = z.boolean();
const counts = z.record(word, count);
/** Method and path as in the table of routes, or `none`: a parameter stands as `{name}`. */
const route = z.string().regex(/^(?:none|[A-Z]{3,6} [a-z0-9/.{}_-]{1,128})$/i);
/** Name, code and place: see `describeFailure`. */
const failure = z.strictObject({
  name: word,
  code: word.optional(),
  stack: z.string().max(8_000).optional(),
});

/** Fields of log lines by name. */
export const logFields = {
  // A request of an API.
  correlationId: correlationIdField,
  route,
  status: count,
  milliseconds: count,
  code: word,
  cause: word,
  failure,
  error: failure,
  // A step of a replica.
  ledger: word,
  height: count,
  view: count,
  parent: count,
  transactions: count,
  refusals: counts,
  phase: word,
  correlationIds: z.array(correlationIdField).max(limits.blockTransactionsMax),
  waited: count.nullable(),
  took: count,
  queued: count,
  received: count,
  events: z.array(z.string().regex(/^[a-z+-]{1,4096}$/)).max(100),
  attempt: count,
  detail: phrase,
  reason: phrase,
  from: word,
  to: word,
  peer: word,
  // What queues bring: ids of messages and of roles, as SQS names them.
  messageId: word,
  senderId: word,
  messages: count,
  bytes: count,
  until: count,
  // Counts of schedules.
  count,
  calls: counts,
  active: count,
  pending: count,
  refused: count,
  confirmed: count,
  doubted: count,
  lapsed: count,
  isStopped: flag,
} as const;

/** The name of a field that a line may have. */
export type LogField = keyof typeof logFields;

/** What happened, in the words of the code: a constant, never made from what came. */
const eventName = z.string().regex(/^[a-z][a-z _-]{0,60}$/);

/** The event of a line, or a stand-in. */
export function allowedEvent(event: unknown): string {
  return eventName.safeParse(event).data ?? 'unnamed';
}

/** The fields that may be logged; `leftOut` names the rest by their count alone. */
export function allowedFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  let leftOut = 0;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const schema = Object.hasOwn(logFields, name) ? logFields[name as LogField] : null;
    const parsed = schema?.safeParse(value);
    if (parsed?.success) kept[name] = parsed.data;
    else leftOut += 1;
  }
  return leftOut === 0 ? kept : { ...kept, leftOut };
}
