/** Randomness, from WebCrypto only: the one place of `lib` that has any. */

import { toBase64url } from './bytes.ts';
import type { Bytes } from './bytes.ts';

/** The most that one `getRandomValues` call gives (W3C WebCrypto §10.1.1), in bytes. */
const RANDOM_BYTES_PER_CALL_MAX = 65_536;

/** The length of a random id before encoding, in bytes. */
const ID_BYTES = 16;

/** `length` unpredictable bytes. */
export function randomBytes(length: number): Bytes {
  const out = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += RANDOM_BYTES_PER_CALL_MAX) {
    globalThis.crypto.getRandomValues(out.subarray(offset, offset + RANDOM_BYTES_PER_CALL_MAX));
  }
  return out;
}

/** A fresh identifier: 128 random bits as 22 characters of base64url. */
export function randomId(): string {
  return toBase64url(randomBytes(ID_BYTES));
}

/** A random UUID (RFC 9562, version 4). */
export function randomUuid(): string {
  return globalThis.crypto.randomUUID();
}
