/** Schemas of the small fields in arguments and values. */
import { z } from 'zod';
import { chaincodeBounds } from './bounds.ts';

/** 32 bytes as canonical base64url: the last letter holds two zero bits. */
const text32 = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, '32 bytes, base64url');

/** A SHA-256 value. */
export const digestField = text32.describe('SHA-256');
/** RFC 7638 thumbprint of a signing key. */
export const kidField = text32.describe('RFC 7638 thumbprint');
/** HMAC-SHA256: a patient's name on the ledger. */
export const pseudonymField = text32.describe('pseudonym');
/** A random id of 16 bytes: permission, record. */
export const idField = z
  .string()
  .regex(/^[A-Za-z0-9_-]{21}[AQgw]$/, '16 bytes, base64url')
  .describe('random id of 16 bytes');
/** The membership service's name for a person; it survives renewal. */
export const subjectField = z
  .string()
  .regex(/^[A-Za-z0-9_-]{8,64}$/, 'a subject')
  .describe('subject');
/** A category as the ledger knows it: HKDF of the patient's root, opaque. */
export const tagField = z
  .string()
  .regex(/^[A-Za-z0-9_-]{22,43}$/, 'a category tag')
  .describe('category tag');
/** A calendar month, UTC; text order is time order. */
export const monthField = z
  .string()
  .regex(/^\d{4}-(?:0[1-9]|1[0-2])$/, 'a month as 2026-11')
  .describe('month');
export const revisionField = z.int().min(0).max(chaincodeBounds.revisionMax);
/** An uncompressed P-256 point of 65 bytes: no other bytes have a thumbprint. */
export const publicKeyText = z
  .string()
  .regex(/^B[A-P][A-Za-z0-9_-]{84}[AEIMQUYcgkosw048]$/, '65 bytes, an uncompressed point')
  .describe('P-256 point of 65 bytes');
/** Canonical CBOR of a session certificate. */
export const sessionText = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/)
  .max(chaincodeBounds.sessionCharsMax)
  .describe('session certificate: canonical CBOR, base64url');
export const shareKeyText = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1621}[AQgw]$/)
  .describe('X-Wing public key of 1,216 bytes');
/** DER of a certificate, base64url. */
export const certificateField = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/)
  .max(Math.ceil((chaincodeBounds.certificateBytesMax * 4) / 3));
/** r ‖ s, 64 bytes. */
export const signatureText = z
  .string()
  .regex(/^[A-Za-z0-9_-]{85}[AQgw]$/, '64 bytes, base64url')
  .describe('signature of 64 bytes');
/** A name of a study, a probe's label. */
export const labelField = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'a label')
  .describe('label');

/** What a grantee may do with a patient's data. */
export const rightField = z.enum(['read', 'write', 'share']);
export type Right = z.infer<typeof rightField>;

/** Purposes of use: HL7 v3-ActReason. */
export const purposeField = z.enum(['TREAT', 'HPAYMT', 'HOPERAT', 'BTG', 'PATRQT', 'RESCH']);
export type Purpose = z.infer<typeof purposeField>;

/** Purposes that a patient can consent to; breaking the glass has a family of its own. */
export const grantPurposeField = purposeField.exclude(['BTG']);

/** A list without repetition. */
export function distinct<T extends z.ZodType>(item: T, min: number, max: number): z.ZodArray<T> {
  return z
    .array(item)
    .min(min)
    .max(max)
    .refine((list) => new Set<unknown>(list).size === list.length, 'an entry is named twice');
}

/** Key revisions for ranges of months: both ends included. */
export const revisionsField = z
  .array(
    z
      .strictObject({
        categoryTag: tagField,
        from: monthField,
        until: monthField,
        revision: revisionField.min(1),
      })
      .refine(({ from, until }) => monthsBetween(from, until) <= chaincodeBounds.monthsMax)
      .refine(({ from, until }) => from <= until, 'a range ends before it starts'),
  )
  .max(chaincodeBounds.revisionRangesMax);
export type Revisions = z.infer<typeof revisionsField>;

/** How many months a range has, both ends included; below 1 where it ends before it starts. */
export function monthsBetween(from: string, until: string): number {
  return monthNumber(until) - monthNumber(from) + 1;
}

/** The months of a range, both ends included. */
export function monthsOf(from: string, until: string): string[] {
  const first = monthNumber(from);
  return Array.from({ length: Math.max(0, monthsBetween(from, until)) }, (_, index) =>
    monthText(first + index),
  );
}

function monthNumber(month: string): number {
  return Number(month.slice(0, 4)) * 12 + Number(month.slice(5, 7)) - 1;
}

function monthText(number: number): string {
  const year = String(Math.floor(number / 12)).padStart(4, '0');
  return `${year}-${String((number % 12) + 1).padStart(2, '0')}`;
}
