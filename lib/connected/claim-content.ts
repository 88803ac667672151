/** What goes to an insurer and comes back: codes, amounts and a policy handle, and nothing else. */
import { z } from 'zod';
import { toBase64url } from '../crypto/bytes.ts';
import { commit } from '../crypto/commitment.ts';
import { decodeWith, encodeCbor } from '../wire/codec.ts';
import { bytesField, hashField, timeField } from '../wire/fields.ts';

export const LINES_MAX = 64;
const LETTER_BYTES_MAX = 24 * 1024;
const X_WING_KEY_BYTES = 1_216;
/** Amounts are whole cents, up to ten million. */
const CENTS_MAX = 1_000_000_000;

export const centsField = z.int().min(0).max(CENTS_MAX);
export const currencyField = z.string().regex(/^[A-Z]{3}$/, 'a currency as EUR');
/** Of a code system: free text does not fit. */
export const codeSystemField = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,31}$/, 'a code system');
export const codeField = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,19}$/, 'a code');
/** What the insurer knows the policy by: whatever else it knows is not of this network. */
export const policyField = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'a policy handle');

const lineSchema = z.strictObject({
  system: codeSystemField,
  code: codeField,
  units: z.int().min(1).max(100_000),
  /** What was charged for the line; null where only the price is asked. */
  charge: centsField.nullable(),
});
export type ClaimLine = z.infer<typeof lineSchema>;
export const linesField = z.array(lineSchema).min(1).max(LINES_MAX);

export const claimRequestSchema = z.strictObject({
  format: z.literal('carequorum-claim-1'),
  claimId: z.string().max(32),
  kind: z.enum(['estimate', 'claim']),
  policy: policyField,
  currency: currencyField,
  lines: linesField,
  /** X-Wing key that the answer is sealed to. */
  replyKey: bytesField(X_WING_KEY_BYTES),
});
export type ClaimRequest = z.infer<typeof claimRequestSchema>;

export const lineReasons = ['covered', 'above-tariff', 'not-covered', 'unknown-policy'] as const;

export const claimAnswerSchema = z.strictObject({
  format: z.literal('carequorum-claim-answer-1'),
  claimId: z.string().max(32),
  /** `requestDigest` of the ledger: the codes that this answers. */
  requestDigest: z.string().max(64),
  decision: z.enum(['estimated', 'accepted', 'reduced', 'denied']),
  currency: currencyField,
  /** In the order of the request. */
  lines: z
    .array(
      z.strictObject({
        reason: z.enum(lineReasons),
        allowed: centsField,
        patientPays: centsField,
        insurerPays: centsField,
      }),
    )
    .max(LINES_MAX),
  patientPays: centsField.max(CENTS_MAX * LINES_MAX),
  insurerPays: centsField.max(CENTS_MAX * LINES_MAX),
  /** Until when an estimate holds. */
  validUntil: timeField.nullable(),
  tariff: z.string().max(100),
});
export type ClaimAnswer = z.infer<typeof claimAnswerSchema>;

const letterSchema = z.strictObject({ salt: hashField, content: z.instanceof(Uint8Array) });

const formats = {
  request: { tag: 'claim-request', schema: claimRequestSchema },
  answer: { tag: 'claim-answer', schema: claimAnswerSchema },
} as const;
type Kind = keyof typeof formats;
type Content<K extends Kind> = z.infer<(typeof formats)[K]['schema']>;

/** A letter to be sealed, and the commitment that the ledger holds. */
export function encodeLetter<K extends Kind>(
  kind: K,
  content: Content<K>,
  salt: Uint8Array,
): { bytes: Uint8Array; commitment: string } {
  const { tag, schema } = formats[kind];
  const inner = encodeCbor(schema.parse(content));
  const commitment = toBase64url(commit(tag, salt, inner));
  return { bytes: encodeCbor({ salt, content: inner }), commitment };
}

/** Opens a letter, with what it commits to. Throws WireError where it is of another form. */
export function decodeLetter<K extends Kind>(
  kind: K,
  bytes: Uint8Array,
): { content: Content<K>; commitment: string } {
  const { tag, schema } = formats[kind];
  const { salt, content } = decodeWith(letterSchema, bytes, LETTER_BYTES_MAX);
  const opened = decodeWith<Content<K>>(schema as never, content, LETTER_BYTES_MAX);
  return { content: opened, commitment: toBase64url(commit(tag, salt, content)) };
}
