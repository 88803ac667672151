/** Padmé lengths (Nikitin et al., PETS 2019, §4): a length tells little, at most 12 % is added. */

import { CryptoError } from './errors.ts';

/** Zeros are given in chunks of this size, in bytes. */
const ZERO_CHUNK_BYTES = 1_048_576;

/**
 * The length, in bytes, to which `length` is padded: as a floating point number whose mantissa has
 * no more bits than its exponent. Throws `invalid_argument` unless it is a safe count.
 */
export function padmeLength(length: number): number {
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new CryptoError('invalid_argument', 'not a length');
  }
  if (length < 2) return length;
  const exponent = bitLength(length) - 1;
  const mantissaBits = bitLength(exponent);
  const step = 2 ** (exponent - mantissaBits);
  const padded = step > 1 ? Math.ceil(length / step) * step : length;
  if (!Number.isSafeInteger(padded)) {
    throw new CryptoError('invalid_argument', 'the padded length is not a safe integer');
  }
  return padded;
}

/**
 * `source`, then zeros up to the Padmé length of `trueLength`. Throws `length_mismatch` where
 * `source` does not hold exactly `trueLength` bytes.
 */
export async function* padPlaintext(
  source: AsyncIterable<Uint8Array>,
  trueLength: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let missing = padmeLength(trueLength) - trueLength;
  let seen = 0;
  for await (const chunk of source) {
    seen += chunk.length;
    if (seen > trueLength) throw lengthMismatch();
    yield chunk;
  }
  if (seen !== trueLength) throw lengthMismatch();
  const zeros = new Uint8Array(Math.min(missing, ZERO_CHUNK_BYTES));
  while (missing > 0) {
    const chunk = zeros.subarray(0, missing);
    yield chunk;
    missing -= chunk.length;
  }
}

/**
 * The first `trueLength` bytes of `source`. It reads to the end, and throws `invalid_padding`
 * where a later byte is not zero, `length_mismatch` where there are not exactly as many as Padmé
 * adds: what it gave counts only once it ended well.
 */
export async function* unpad(
  source: AsyncIterable<Uint8Array>,
  trueLength: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const paddedLength = padmeLength(trueLength);
  let seen = 0;
  for await (const chunk of source) {
    const kept = Math.min(chunk.length, Math.max(0, trueLength - seen));
    seen += chunk.length;
    if (seen > paddedLength) throw lengthMismatch();
    if (!isZero(chunk.subarray(kept))) {
      throw new CryptoError('invalid_padding', 'the padding is not zero');
    }
    if (kept > 0) yield chunk.subarray(0, kept);
  }
  if (seen !== paddedLength) throw lengthMismatch();
}

/** Bits of `n` ≥ 1. Exact to 2⁵³, as `Math.log2` is not. */
function bitLength(n: number): number {
  return n.toString(2).length;
}

function isZero(bytes: Uint8Array): boolean {
  let seen = 0;
  for (let i = 0; i < bytes.length; i += 1) seen |= bytes[i] as number;
  return seen === 0;
}

function lengthMismatch(): CryptoError {
  return new CryptoError('length_mismatch', 'the stream is not as long as was announced');
}
