/** The environment of the inbox function, parsed once at start. */
import { z } from 'zod';
import { networkField, validatorIdField } from '../../lib/wire/fields.ts';
import { parseWith } from '../../lib/wire/codec.ts';

const jsonRecord = z
  .string()
  .max(16 * 1024)
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: 'custom', message: 'not JSON' });
      return z.NEVER;
    }
  });

const inboxEnvironmentSchema = z.object({
  NETWORK: networkField,
  VALIDATOR_ID: validatorIdField,
  LEDGER_TABLE: z.string().min(3),
  SESSION_TABLE: z.string().min(3),
  SIGN_KEY_ID: z.string().min(1),
  WRAP_KEY_ID: z.string().min(1),
  INBOX_URL: z.url(),
  TIMER_URL: z.url(),
  PEERS: jsonRecord.pipe(z.record(validatorIdField, z.url())),
});
export type InboxEnvironment = z.infer<typeof inboxEnvironmentSchema>;

/** Throws WireError naming the first variable that is missing or wrong. */
export function inboxEnvironment(source: Record<string, string | undefined>): InboxEnvironment {
  return parseWith(inboxEnvironmentSchema, source);
}
