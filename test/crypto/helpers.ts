/** Shared by the tests of `lib/crypto`: streams in any chunking, vectors, errors as codes. */

import { readFileSync } from 'node:fs';
import { CryptoError } from '../../lib/crypto/errors.ts';
import type { CryptoErrorCode } from '../../lib/crypto/errors.ts';

/** The text of `test/vectors/<path>`. */
export function vectorText(path: string): string {
  return readFileSync(new URL(`../vectors/${path}`, import.meta.url), 'latin1');
}

/** The JSON of `test/vectors/<path>`. */
export function vectors<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${path}`, import.meta.url), 'utf8')) as T;
}

/** `bytes` as a stream in chunks of `sizes`, which repeat; without sizes in one chunk. */
export async function* streamOf(
  bytes: Uint8Array,
  sizes: readonly number[] = [Math.max(1, bytes.length)],
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] as number;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** All of `source` in one array. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

/** Bytes that differ from place to place, the same for each call. */
export function sampleBytes(length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) out[i] = 31 * i + 17 * (i >> 8) + 7 * (i >> 16);
  return out;
}

/** The code of the CryptoError that `work` ends in, or `none`; other errors are thrown on. */
export async function codeOf(work: () => unknown): Promise<CryptoErrorCode | 'none'> {
  try {
    await work();
    return 'none';
  } catch (error) {
    if (error instanceof CryptoError) return error.code;
    throw error;
  }
}

/** The data of a bech32 text (BIP 173) without its checksum; enough for the keys of age. */
export function bech32Data(text: string): Uint8Array {
  const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
  const digits = [...text.slice(text.lastIndexOf('1') + 1, -6)].map((c) => alphabet.indexOf(c));
  const bits = digits.map((digit) => digit.toString(2).padStart(5, '0')).join('');
  const length = Math.floor(bits.length / 8);
  return Uint8Array.from({ length }, (_, i) => Number.parseInt(bits.slice(8 * i, 8 * i + 8), 2));
}
