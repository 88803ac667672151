/** The content of a prescription, what commits to it, and what shows that it was opened. */
import { z } from 'zod';
import { toBase64url, utf8 } from '../crypto/bytes.ts';
import { commit } from '../crypto/commitment.ts';
import { taggedHash } from '../crypto/hash.ts';
import { decodeWith, encodeCbor } from '../wire/codec.ts';
import { hashField } from '../wire/fields.ts';

const CONTENT_BYTES_MAX = 8 * 1024;

const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{C}]+$/u, 'no control characters');

export const prescriptionContentSchema = z.strictObject({
  format: z.literal('carequorum-prescription-1'),
  prescriptionId: z.string().max(32),
  /** As the prescriber knows the patient; the pharmacist asks who fetches it. */
  patient: line(200),
  medicine: line(200),
  /** Of a code system, for the insurer. */
  code: z.strictObject({ system: line(32), code: line(32) }).nullable(),
  dose: line(400),
  /** What is counted: tablets, millilitres. */
  unit: line(40),
  quantity: z.int().min(1),
  fills: z.int().min(1),
  intervalDays: z.int().min(0),
  prescriber: line(200),
});
export type PrescriptionContent = z.infer<typeof prescriptionContentSchema>;

/** Content and salt: whoever has both can compare them with the ledger. */
export interface OpenedContent {
  readonly content: PrescriptionContent;
  readonly salt: Uint8Array;
}

/** Canonical CBOR. */
export function contentBytes(content: PrescriptionContent): Uint8Array {
  return encodeCbor(prescriptionContentSchema.parse(content));
}

/** `commitment` of the ledger. */
export function contentCommitment({ content, salt }: OpenedContent): string {
  return toBase64url(commit('prescription', salt, contentBytes(content)));
}

/** `opened` of a fill: the content, for this fill of this pharmacist alone. */
export function openedDigest(
  { content, salt }: OpenedContent,
  { fillId, pharmacist }: { fillId: string; pharmacist: string },
): string {
  const bytes = contentBytes(content);
  return toBase64url(
    taggedHash('prescription-opened', salt, bytes, utf8(fillId), utf8(pharmacist)),
  );
}

const letterSchema = z.strictObject({
  salt: hashField,
  content: z.instanceof(Uint8Array),
});

/** What the patient seals to a pharmacist. */
export function encodeContent({ content, salt }: OpenedContent): Uint8Array {
  return encodeCbor({ salt, content: contentBytes(content) });
}

/** Throws WireError where it is of another form. */
export function decodeContent(bytes: Uint8Array): OpenedContent {
  const { salt, content } = decodeWith(letterSchema, bytes, CONTENT_BYTES_MAX);
  return { salt, content: decodeWith(prescriptionContentSchema, content, CONTENT_BYTES_MAX) };
}
