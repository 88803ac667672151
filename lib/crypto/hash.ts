/** SHA-256 (FIPS 180-4), HMAC (RFC 2104) and HKDF (RFC 5869), with one domain tag per use. */

import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { concatBytes, u32be, u64be, utf8 } from './bytes.ts';
import type { Bytes } from './bytes.ts';
import { CryptoError } from './errors.ts';

/** What every domain tag starts with; it changes only with the protocol. */
const TAG_PREFIX = 'carequorum/v1/';

/** Tags whose bytes are kept. */
const LABELS_MAX = 256;
const labels = new Map<string, Uint8Array>();

/** The most that RFC 5869 §2.3 lets HKDF-SHA256 give, in bytes. */
const HKDF_BYTES_MAX = 255 * 32;

/** Inputs of HKDF; an absent salt is the 32 zero bytes of RFC 5869 §2.2. */
export type HkdfParams = {
  readonly salt?: Uint8Array | undefined;
  readonly info: Uint8Array;
  /** Bytes wanted, 1 … 8,160. */
  readonly length: number;
};

/** SHA-256 of `data`, 32 bytes. */
export function sha256(data: Uint8Array): Bytes {
  return nobleSha256(data);
}

/**
 * SHA-256 over the tag `carequorum/v1/<tag>` with its length, then each part with its length.
 * Lengths make the encoding unambiguous; the tag keeps one use's hashes from meaning anything in
 * another.
 */
export function taggedHash(tag: string, ...parts: readonly Uint8Array[]): Bytes {
  const pieces = [labelOf(tag)];
  for (const part of parts) pieces.push(u64be(part.length), part);
  // One call over one buffer: each update would cost as much as the hash of a short part.
  return nobleSha256(concatBytes(...pieces));
}

/** A tag as it goes into the hash, with its length; there are few. */
function labelOf(tag: string): Uint8Array {
  const known = labels.get(tag);
  if (known) return known;
  const text = utf8(TAG_PREFIX + tag);
  const label = concatBytes(u32be(text.length), text);
  if (labels.size < LABELS_MAX) labels.set(tag, label);
  return label;
}

/** HMAC-SHA256 of `data` under `key`, 32 bytes. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Bytes {
  return hmac(nobleSha256, key, data);
}

/** `length` bytes of HKDF-SHA256 from `ikm`. Throws `invalid_argument` on a length outside it. */
export function hkdfSha256(ikm: Uint8Array, { salt, info, length }: HkdfParams): Bytes {
  if (!Number.isInteger(length) || length < 1 || length > HKDF_BYTES_MAX) {
    throw new CryptoError('invalid_argument', 'HKDF-SHA256 gives 1 to 8,160 bytes');
  }
  return hkdf(nobleSha256, ikm, salt, info, length);
}
