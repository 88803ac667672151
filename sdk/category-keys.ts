/** Everything that is derived from a patient's root `SKAES_P`; docs/keys.md draws the tree. */
import { toBase64url, u32be, utf8 } from '../lib/crypto/bytes.ts';
import { hkdfSha256, hmacSha256, taggedHash } from '../lib/crypto/hash.ts';
import { type XWingKeyPair, xWingKeyPair } from '../lib/crypto/x-wing.ts';
import { canonicalUii, type Uii } from './uii.ts';

/** Length of the root, in bytes. */
export const ROOT_BYTES = 32;
/** Months for which public keys are published ahead, this month included. */
export const MONTHS_AHEAD = 24;

const SECRET_BYTES = 32;
const TAG_BYTES = 16;

/** When a category key counts: a calendar month (2026-11), and how often it was renewed. */
export interface Epoch {
  readonly month: string;
  readonly revision: number;
}

/** 32 bytes: HKDF of the root; whoever has it can find the patient's pseudonym, and nothing else. */
export function lookupKey(root: Uint8Array): Uint8Array {
  return derive(root, taggedHash('lookup-key'), SECRET_BYTES);
}

/** The patient's name on the ledger: HMAC of the canonical UII under the lookup key, base64url. */
export function pseudonymOf(lookup: Uint8Array, uii: Uii): string {
  return toBase64url(hmacSha256(lookup, canonicalUii(uii)));
}

/** A category as the ledger sees it: 16 bytes, base64url. */
export function categoryTag(root: Uint8Array, category: string): string {
  return toBase64url(derive(root, taggedHash('category-tag', utf8(category)), TAG_BYTES));
}

/** The seed of a category's X-Wing pair for one epoch, 32 bytes. */
export function categorySeed(
  root: Uint8Array,
  { network, category, month, revision }: Epoch & { network: string; category: string },
): Uint8Array {
  const info = taggedHash(
    'category-key',
    utf8(network),
    utf8(category),
    utf8(month),
    u32be(revision),
  );
  return derive(root, info, SECRET_BYTES);
}

/**
 * Seed of the X-Wing pair that only the patient opens for: keys of layers, and private data. It is
 * of the root, and not of the enrolment, so that a rotation replaces it and recovery gives it back.
 */
export function sealingSeed(root: Uint8Array, network: string): Uint8Array {
  return derive(root, taggedHash('sealing-seed', utf8(network)), SECRET_BYTES);
}

/** Seed of the X-Wing pair that members of the patient's cases seal to. */
export function caseSeed(root: Uint8Array, network: string): Uint8Array {
  return derive(root, taggedHash('case-seed', utf8(network)), SECRET_BYTES);
}

export async function categoryKeyPair(
  root: Uint8Array,
  epoch: Epoch & { network: string; category: string },
): Promise<XWingKeyPair> {
  return xWingKeyPair(categorySeed(root, epoch));
}

/** The UTC month of a time in milliseconds, as 2026-11. */
export function monthOf(time: number): string {
  return new Date(time).toISOString().slice(0, 7);
}

/** `count` months from `first` on. */
export function monthsFrom(first: string, count: number): string[] {
  const start = Number(first.slice(0, 4)) * 12 + Number(first.slice(5, 7)) - 1;
  return Array.from({ length: count }, (_, index) => {
    const month = start + index;
    const year = String(Math.floor(month / 12)).padStart(4, '0');
    return `${year}-${String((month % 12) + 1).padStart(2, '0')}`;
  });
}

/** All months from `first` to `last`, both included; none where `last` is before `first`. */
export function monthRange(first: string, last: string): string[] {
  const number = (month: string): number =>
    Number(month.slice(0, 4)) * 12 + Number(month.slice(5, 7));
  return monthsFrom(first, Math.max(0, number(last) - number(first) + 1));
}

function derive(root: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return hkdfSha256(root, { info, length });
}
