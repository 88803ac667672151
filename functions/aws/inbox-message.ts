/** What a validator's FIFO inbox carries: notes to itself, and envelopes of its peers. */

import { z } from 'zod';
import { fromBase64url, fromUtf8, toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { CryptoError } from '../../lib/crypto/errors.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import { WireError } from '../../lib/wire/errors.ts';
import { heightField, ledgerField, timeField } from '../../lib/wire/fields.ts';
import { decodeEnvelope, encodeEnvelope, type Envelope } from '../../lib/wire/messages.ts';
import { decodeRecovery, encodeRecovery, type RecoveryMessage } from '../../lib/wire/recovery.ts';

const SELF_PREFIX = 'self:';
const PEER_PREFIX = 'peer:';
const RECOVERY_PREFIX = 'help:';
/** A note to itself is a few fields. */
const SELF_CHARS_MAX = 1_024;

const selfMessageSchema = z.discriminatedUnion('kind', [
  /** The mempool holds something new. */
  z.strictObject({ kind: z.literal('wake'), ledger: ledgerField }),
  /** A timer ran out: compare stored deadlines with the clock. */
  z.strictObject({
    kind: z.literal('tick'),
    ledger: ledgerField,
    /** For when it was armed; null from the five-minute schedule, which also speaks at rest. */
    due: timeField.nullable(),
  }),
  /** The catch-up worker has put these blocks into the fetched store. */
  z.strictObject({
    kind: z.literal('fetched'),
    ledger: ledgerField,
    fromHeight: heightField,
    toHeight: heightField,
  }),
  /** The snapshot worker holds a snapshot whole. */
  z.strictObject({ kind: z.literal('snapshot'), ledger: ledgerField }),
  /** Make the validator's keys, once. */
  z.strictObject({ kind: z.literal('bootstrap'), ledger: ledgerField }),
]);
/** A note to itself: to be believed only when SQS names the own account as its sender. */
export type SelfMessage = z.infer<typeof selfMessageSchema>;

/** What comes from a peer, or from whoever may send. */
export type PeerMessage =
  | { readonly kind: 'envelope'; readonly ledger: string; readonly envelope: Envelope }
  | { readonly kind: 'recovery'; readonly ledger: string; readonly message: RecoveryMessage };

/** Every other kind is a note to itself. */
export type InboxMessage = SelfMessage | PeerMessage;

/** The queue body of a note to itself. */
export function encodeSelfMessage(message: SelfMessage): string {
  return SELF_PREFIX + toBase64url(utf8(JSON.stringify(message)));
}

/** The queue body of an envelope for a peer. */
export function encodePeerMessage(envelope: Envelope): string {
  return PEER_PREFIX + encodeEnvelope(envelope);
}

/** The queue body of a recovery message for a peer. */
export function encodeRecoveryMessage(message: RecoveryMessage): string {
  return RECOVERY_PREFIX + encodeRecovery(message);
}

/**
 * Reads a queue body. The caller compares the sender's account, and `ledger` with the message
 * group. Throws WireError on anything else, never another error: malformed content is counted and
 * acknowledged.
 */
export function decodeInboxMessage(body: string): InboxMessage {
  try {
    if (body.startsWith(PEER_PREFIX)) {
      const envelope = decodeEnvelope(body.slice(PEER_PREFIX.length));
      return { kind: 'envelope', ledger: envelope.ledger, envelope };
    }
    if (body.startsWith(RECOVERY_PREFIX)) {
      const message = decodeRecovery(body.slice(RECOVERY_PREFIX.length));
      return { kind: 'recovery', ledger: message.ledger, message };
    }
    if (body.startsWith(SELF_PREFIX)) {
      return decodeJsonText(selfMessageSchema, body.slice(SELF_PREFIX.length));
    }
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    throw new WireError('malformed', 'not base64url text', { cause });
  }
  throw new WireError('malformed', 'neither a note to itself nor an envelope');
}

/** The value of base64url text over JSON. Throws WireError or CryptoError. */
export function decodeJsonText<T>(schema: z.ZodType<T>, text: string): T {
  if (text.length > SELF_CHARS_MAX) throw new WireError('too_large', 'a note to itself');
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(fromBase64url(text)));
  } catch (cause) {
    throw new WireError('malformed', 'not base64url text over JSON', { cause });
  }
  return parseWith(schema, value);
}
