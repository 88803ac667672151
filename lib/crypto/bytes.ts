/** Byte encodings: UTF-8, hexadecimal, base64 and base64url of RFC 4648, strict and canonical. */

import { CryptoError } from './errors.ts';

/** Bytes over an ordinary (not shared) buffer: what WebCrypto takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

const HEX_ALPHABET = '0123456789abcdef';
const BASE64_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE64URL_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const PADDING_CODE = 0x3d;
const NOT_IN_ALPHABET = 0xff;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

type Alphabet = { codes: Uint8Array; values: Uint8Array };

const hex = alphabet(HEX_ALPHABET);
const base64 = alphabet(BASE64_ALPHABET);
const base64url = alphabet(BASE64URL_ALPHABET);

/** The UTF-8 bytes of `text`. A lone surrogate is refused: it has no UTF-8 form. */
export function utf8(text: string): Bytes {
  if (!text.isWellFormed()) {
    throw new CryptoError('invalid_encoding', 'text holds a lone surrogate');
  }
  return encoder.encode(text);
}

/** The text of UTF-8 `bytes`; a byte order mark is kept. Throws `invalid_encoding`. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new CryptoError('invalid_encoding', 'bytes are not UTF-8', { cause });
  }
}

/** Lower-case hexadecimal of `bytes`. */
export function toHex(bytes: Uint8Array): string {
  const out = new Uint8Array(bytes.length * 2);
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] as number;
    out[2 * i] = hex.codes[byte >> 4] as number;
    out[2 * i + 1] = hex.codes[byte & 0x0f] as number;
  }
  return decoder.decode(out);
}

/** The bytes of lower-case hexadecimal `text`. Throws `invalid_encoding`. */
export function fromHex(text: string): Bytes {
  const codes = encoder.encode(text);
  const out = new Uint8Array(codes.length >> 1);
  let seen = codes.length % 2 === 0 ? 0 : NOT_IN_ALPHABET;
  for (let i = 0; i < out.length; i += 1) {
    const high = hex.values[codes[2 * i] as number] as number;
    const low = hex.values[codes[2 * i + 1] as number] as number;
    seen |= high | low;
    out[i] = (high << 4) | low;
  }
  if (seen > 0x0f) {
    throw new CryptoError('invalid_encoding', 'text is not lower-case hexadecimal');
  }
  return out;
}

/** Base64url of `bytes` without padding (RFC 4648 §5, as RFC 7515 uses it). */
export function toBase64url(bytes: Uint8Array): string {
  return decoder.decode(encodeSextets(bytes, base64url));
}

/**
 * The bytes of canonical base64url `text`: no padding, no other character, no set trailing bits.
 * So each byte string has exactly one text. Throws `invalid_encoding`.
 */
export function fromBase64url(text: string): Bytes {
  return decodeSextets(encoder.encode(text), base64url);
}

/** Whether `fromBase64url` takes it. */
export function isBase64url(text: string): boolean {
  try {
    fromBase64url(text);
    return true;
  } catch {
    return false;
  }
}

/** Standard base64 of `bytes` with padding (RFC 4648 §4, as `x5c` of RFC 7515 uses it). */
export function toBase64(bytes: Uint8Array): string {
  const body = decoder.decode(encodeSextets(bytes, base64));
  return body + '='.repeat((3 - (bytes.length % 3)) % 3);
}

/** The bytes of canonical, padded standard base64 `text`. Throws `invalid_encoding`. */
export function fromBase64(text: string): Bytes {
  const codes = encoder.encode(text);
  let end = codes.length;
  while (end > 0 && codes.length - end < 2 && codes[end - 1] === PADDING_CODE) end -= 1;
  if (codes.length % 4 !== 0) {
    throw new CryptoError('invalid_encoding', 'base64 is not padded to a multiple of four');
  }
  return decodeSextets(codes.subarray(0, end), base64);
}

/** All `parts` in one new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Whether `a` and `b` hold the same bytes; the time depends on their lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/** Negative, zero or positive as `a` sorts before, with or after `b`, byte by byte. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i += 1) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** `n` as four bytes, big-endian. Throws `invalid_argument` outside 0 … 2³² − 1. */
export function u32be(n: number): Bytes {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff_ffff) {
    throw new CryptoError('invalid_argument', 'number does not fit 32 unsigned bits');
  }
  const out = new Uint8Array(4);
  writeU32(out, 0, n);
  return out;
}

/** `n` as eight bytes, big-endian. Throws `invalid_argument` outside 0 … 2⁵³ − 1. */
export function u64be(n: number): Bytes {
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new CryptoError('invalid_argument', 'number is not a safe unsigned integer');
  }
  // No view over the bytes: making one costs more than all else here.
  const out = new Uint8Array(8);
  writeU32(out, 0, Math.floor(n / 0x1_0000_0000));
  writeU32(out, 4, n % 0x1_0000_0000);
  return out;
}

/** `bytes` as WebCrypto takes them: the same memory, or a copy where the memory is shared. */
export function webBytes(bytes: Uint8Array): Bytes {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Bytes) : new Uint8Array(bytes);
}

function writeU32(out: Uint8Array, at: number, n: number): void {
  out[at] = n >>> 24;
  out[at + 1] = n >>> 16;
  out[at + 2] = n >>> 8;
  out[at + 3] = n;
}

function alphabet(letters: string): Alphabet {
  const codes = encoder.encode(letters);
  const values = new Uint8Array(256).fill(NOT_IN_ALPHABET);
  codes.forEach((code, value) => (values[code] = value));
  return { codes, values };
}

function encodeSextets(bytes: Uint8Array, { codes }: Alphabet): Uint8Array {
  const out = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  const whole = bytes.length - (bytes.length % 3);
  let at = 0;
  for (let i = 0; i < whole; i += 3) {
    const group =
      ((bytes[i] as number) << 16) | ((bytes[i + 1] as number) << 8) | (bytes[i + 2] as number);
    out[at] = codes[group >> 18] as number;
    out[at + 1] = codes[(group >> 12) & 63] as number;
    out[at + 2] = codes[(group >> 6) & 63] as number;
    out[at + 3] = codes[group & 63] as number;
    at += 4;
  }
  if (whole < bytes.length) {
    const group = ((bytes[whole] as number) << 16) | ((bytes[whole + 1] ?? 0) << 8);
    out[at] = codes[group >> 18] as number;
    out[at + 1] = codes[(group >> 12) & 63] as number;
    if (bytes.length - whole === 2) out[at + 2] = codes[(group >> 6) & 63] as number;
  }
  return out;
}

function decodeSextets(text: Uint8Array, { values }: Alphabet): Bytes {
  const tail = text.length % 4;
  const whole = text.length - tail;
  const out = new Uint8Array((whole / 4) * 3 + Math.max(0, tail - 1));
  let seen = tail === 1 ? NOT_IN_ALPHABET : 0;
  let at = 0;
  const value = (i: number): number => values[text[i] as number] as number;
  for (let i = 0; i < whole; i += 4) {
    const [a, b, c, d] = [value(i), value(i + 1), value(i + 2), value(i + 3)];
    seen |= a | b | c | d;
    out[at] = (a << 2) | (b >> 4);
    out[at + 1] = (b << 4) | (c >> 2);
    out[at + 2] = (c << 6) | d;
    at += 3;
  }
  let trailing = 0;
  if (tail >= 2) {
    const [a, b, c] = [value(whole), value(whole + 1), tail === 3 ? value(whole + 2) : 0];
    seen |= a | b | c;
    out[at] = (a << 2) | (b >> 4);
    if (tail === 3) out[at + 1] = (b << 4) | (c >> 2);
    trailing = tail === 3 ? c & 3 : b & 15;
  }
  if (seen > 63 || trailing !== 0) {
    throw new CryptoError('invalid_encoding', 'text is not canonical base64');
  }
  return out;
}
