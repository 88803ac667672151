/** What a validator's timer queue carries: ticks that were delayed, and requests to catch up. */

import { z } from 'zod';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { heightField, ledgerField, timeField } from '../../lib/wire/fields.ts';
import { decodeJsonText } from './inbox-message.ts';

const timerMessageSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tick'), ledger: ledgerField, due: timeField }),
  /** Fetch these blocks from peers, first and last included. */
  z.strictObject({
    kind: z.literal('catch-up'),
    ledger: ledgerField,
    fromHeight: heightField,
    toHeight: heightField,
  }),
  /** Go on with the snapshot that is being fetched. */
  z.strictObject({ kind: z.literal('snapshot'), ledger: ledgerField }),
  /** Go on with the blocks before a snapshot. */
  z.strictObject({ kind: z.literal('backfill'), ledger: ledgerField }),
]);
export type TimerMessage = z.infer<typeof timerMessageSchema>;

/** Queue body: base64url text, never bare JSON, which LocalStack writes anew. */
export function encodeTimerMessage(message: TimerMessage): string {
  return toBase64url(utf8(JSON.stringify(message)));
}

/** Reads a queue body. Throws WireError. */
export function decodeTimerMessage(body: string): TimerMessage {
  return decodeJsonText(timerMessageSchema, body);
}
