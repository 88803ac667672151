/** Encrypted files in the Tink streaming AEAD wire format, AES256_GCM_HKDF_1MB, over WebCrypto. */

import { concatBytes, u32be, webBytes } from './bytes.ts';
import type { Bytes } from './bytes.ts';
import { CryptoError } from './errors.ts';
import { hkdfSha256 } from './hash.ts';
import { randomBytes } from './random.ts';
import { cutStream, mapInFlight } from './stream.ts';

/** Length of a ciphertext segment with its tag, in bytes; the first includes the header. */
export const SEGMENT_BYTES = 1_048_576;

/** Length of the header, in bytes: a byte with this number, the salt, the nonce prefix. */
export const HEADER_BYTES = 40;

/** What the header of a file says; none of it is secret. */
export type FileHeader = {
  /** HKDF salt, 32 bytes. */
  readonly salt: Uint8Array;
  /** What the nonce of each segment starts with, 7 bytes. */
  readonly noncePrefix: Uint8Array;
};

/** Options of `encryptFile`. */
export type EncryptFileOptions = {
  /** Segments in flight; 4 by default. */
  readonly inFlight?: number | undefined;
  /** For tests and resumption only; random by default. */
  readonly salt?: Uint8Array | undefined;
  /** For tests and resumption only; random by default. */
  readonly noncePrefix?: Uint8Array | undefined;
};

/** Options of `encryptFileFrom`. */
export type ResumeFileOptions = FileHeader & {
  /** Segments in flight; 4 by default. */
  readonly inFlight?: number | undefined;
  /** The first segment to make; those before it are stored already. */
  readonly segmentIndex: number;
};

/** Options of `decryptFile`. */
export type DecryptFileOptions = {
  /** Segments in flight; 4 by default. */
  readonly inFlight?: number | undefined;
};

/** Where one segment lies in the ciphertext, behind the header; offsets in bytes. */
export type SegmentRange = { readonly index: number; readonly start: number; readonly end: number };

const KEY_BYTES = 32;
const SALT_BYTES = 32;
const NONCE_PREFIX_BYTES = 7;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PLAINTEXT_SEGMENT_BYTES = SEGMENT_BYTES - TAG_BYTES;
const FIRST_PLAINTEXT_SEGMENT_BYTES = PLAINTEXT_SEGMENT_BYTES - HEADER_BYTES;
const IN_FLIGHT_DEFAULT = 4;

/** One segment is held back until more arrives, and one is being filled. */
const BUFFERS_BEYOND_FLIGHT = 2;

/**
 * Encrypts `source` under `key` (32 bytes), bound to the associated data `aad`: gives the header,
 * then segment after segment. Memory is flat. Throws `invalid_key` or `invalid_argument`.
 */
export function encryptFile(
  key: Uint8Array,
  aad: Uint8Array,
  source: AsyncIterable<Uint8Array>,
  options: EncryptFileOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return encryptFileFrom(key, aad, source, {
    segmentIndex: 0,
    salt: options.salt ?? randomBytes(SALT_BYTES),
    noncePrefix: options.noncePrefix ?? randomBytes(NONCE_PREFIX_BYTES),
    inFlight: options.inFlight,
  });
}

/**
 * Resumes an encryption at `segmentIndex`, with the salt and prefix of its header; `source` starts
 * at `segmentPlaintextOffset(segmentIndex)`. The plaintext must be the very same as before: two
 * plaintexts under one nonce tell the difference of both and lose integrity. The caller compares
 * the plaintext's commitment first.
 */
export async function* encryptFileFrom(
  key: Uint8Array,
  aad: Uint8Array,
  source: AsyncIterable<Uint8Array>,
  { segmentIndex, salt, noncePrefix, inFlight = IN_FLIGHT_DEFAULT }: ResumeFileOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const first = requireCount(segmentIndex);
  const header = { salt, noncePrefix };
  const headerBytes = fileHeaderBytes(header);
  const segmentKey = await deriveSegmentKey(key, aad, header, 'encrypt');
  const firstSize = first === 0 ? FIRST_PLAINTEXT_SEGMENT_BYTES : PLAINTEXT_SEGMENT_BYTES;
  const segments = cutStream(source, {
    firstSize,
    size: PLAINTEXT_SEGMENT_BYTES,
    buffers: inFlight + BUFFERS_BEYOND_FLIGHT,
  });
  if (first === 0) yield headerBytes;
  yield* mapInFlight(segments, inFlight, async ({ bytes, last }, at) => {
    if (first > 0 && bytes.length === 0) {
      throw new CryptoError('invalid_argument', 'there is no plaintext from this segment on');
    }
    const algorithm = gcm(noncePrefix, first + at, last);
    const { subtle } = globalThis.crypto;
    return new Uint8Array(await subtle.encrypt(algorithm, segmentKey, webBytes(bytes)));
  });
}

/**
 * Decrypts `source`, header included, and gives each segment once its tag is checked. Throws
 * `decrypt_failed` at the first segment that is altered, moved, missing or too much, or under
 * another key or `aad`: by then earlier segments were given, so what must not be shown in part is
 * checked first with `verifyLastSegment` and the plaintext's commitment.
 */
export async function* decryptFile(
  key: Uint8Array,
  aad: Uint8Array,
  source: AsyncIterable<Uint8Array>,
  { inFlight = IN_FLIGHT_DEFAULT }: DecryptFileOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  let segmentKey: Promise<CryptoKey> | undefined;
  let noncePrefix: Uint8Array = new Uint8Array(0);
  const segments = cutStream(source, {
    firstSize: SEGMENT_BYTES,
    size: SEGMENT_BYTES,
    buffers: inFlight + BUFFERS_BEYOND_FLIGHT,
  });
  yield* mapInFlight(segments, inFlight, async ({ bytes, last }, index) => {
    if (index === 0) {
      const header = parseFileHeader(bytes.subarray(0, HEADER_BYTES));
      noncePrefix = header.noncePrefix;
      segmentKey = deriveSegmentKey(key, aad, header, 'decrypt');
    }
    const ciphertext = index === 0 ? bytes.subarray(HEADER_BYTES) : bytes;
    return openSegment(await (segmentKey as Promise<CryptoKey>), ciphertext, {
      noncePrefix,
      index,
      last,
    });
  });
}

/**
 * The plaintext of one segment, read alone: `segment` is its ciphertext with the tag, without the
 * header. `last` says whether it ends the file. Throws `decrypt_failed`.
 */
export async function decryptSegmentAt(
  key: Uint8Array,
  aad: Uint8Array,
  header: Uint8Array,
  { segment, index, last }: { segment: Uint8Array; index: number; last: boolean },
): Promise<Uint8Array> {
  const parsed = parseFileHeader(header);
  const segmentKey = await deriveSegmentKey(key, aad, parsed, 'decrypt');
  return openSegment(segmentKey, segment, { noncePrefix: parsed.noncePrefix, index, last });
}

/**
 * Checks that `lastSegment` ends the file of `header` (40 bytes) as segment `index`: so key,
 * associated data and length are right before anything is shown. Throws `decrypt_failed`.
 */
export async function verifyLastSegment(
  key: Uint8Array,
  aad: Uint8Array,
  header: Uint8Array,
  lastSegment: Uint8Array,
  index: number,
): Promise<void> {
  await decryptSegmentAt(key, aad, header, { segment: lastSegment, index, last: true });
}

/** The 40 bytes of a header. Throws `invalid_argument`. */
export function fileHeaderBytes({ salt, noncePrefix }: FileHeader): Uint8Array {
  if (salt.length !== SALT_BYTES || noncePrefix.length !== NONCE_PREFIX_BYTES) {
    throw new CryptoError('invalid_argument', 'a salt is 32 bytes, a nonce prefix 7');
  }
  return concatBytes(Uint8Array.of(HEADER_BYTES), salt, noncePrefix);
}

/** Salt and nonce prefix of a 40-byte header, as copies. Throws `decrypt_failed`. */
export function parseFileHeader(header: Uint8Array): FileHeader {
  if (header.length !== HEADER_BYTES || header[0] !== HEADER_BYTES) {
    throw new CryptoError('decrypt_failed', 'the file has no header of this format');
  }
  const prefixAt = 1 + SALT_BYTES;
  return { salt: header.slice(1, prefixAt), noncePrefix: header.slice(prefixAt) };
}

/** Length of the ciphertext, header included, of `plaintextLength` bytes. */
export function ciphertextLength(plaintextLength: number): number {
  const rest = requireCount(plaintextLength) - FIRST_PLAINTEXT_SEGMENT_BYTES;
  const segments = 1 + Math.max(0, Math.ceil(rest / PLAINTEXT_SEGMENT_BYTES));
  return HEADER_BYTES + plaintextLength + segments * TAG_BYTES;
}

/** Length of the plaintext of a ciphertext. Throws `invalid_argument` where no file fits. */
export function plaintextLength(ciphertextLength: number): number {
  const { index } = lastSegmentRange(ciphertextLength);
  return ciphertextLength - HEADER_BYTES - (index + 1) * TAG_BYTES;
}

/**
 * Where the last segment lies, to read it first. Throws `invalid_argument` on a length that no
 * file has: the last segment holds a tag, and a byte too unless it is the only one.
 */
export function lastSegmentRange(ciphertextLength: number): SegmentRange {
  const index = Math.max(0, Math.ceil(requireCount(ciphertextLength) / SEGMENT_BYTES) - 1);
  const start = index === 0 ? HEADER_BYTES : index * SEGMENT_BYTES;
  if (ciphertextLength - start < TAG_BYTES + Math.min(index, 1)) {
    throw new CryptoError('invalid_argument', 'no encrypted file has this length');
  }
  return { index, start, end: ciphertextLength };
}

/** Offset in the plaintext where segment `index` starts: where to read the source on resuming. */
export function segmentPlaintextOffset(index: number): number {
  if (requireCount(index) === 0) return 0;
  return FIRST_PLAINTEXT_SEGMENT_BYTES + (index - 1) * PLAINTEXT_SEGMENT_BYTES;
}

/** The AES key of one file: HKDF over the main key, with the associated data as `info`. */
async function deriveSegmentKey(
  key: Uint8Array,
  aad: Uint8Array,
  { salt }: FileHeader,
  usage: 'encrypt' | 'decrypt',
): Promise<CryptoKey> {
  if (key.length !== KEY_BYTES) throw new CryptoError('invalid_key', 'a file key is 32 bytes');
  const derived = hkdfSha256(key, { salt, info: aad, length: KEY_BYTES });
  const { subtle } = globalThis.crypto;
  const segmentKey = await subtle.importKey('raw', derived, 'AES-GCM', false, [usage]);
  derived.fill(0);
  return segmentKey;
}

/** Nonce = prefix ‖ segment number, 32 bits big-endian ‖ 1 for the last segment, else 0. */
function gcm(noncePrefix: Uint8Array, index: number, last: boolean): AesGcmParams {
  const iv: Bytes = new Uint8Array(NONCE_BYTES);
  iv.set(noncePrefix);
  iv.set(u32be(index), NONCE_PREFIX_BYTES);
  iv[NONCE_BYTES - 1] = last ? 1 : 0;
  return { name: 'AES-GCM', iv, tagLength: 8 * TAG_BYTES };
}

async function openSegment(
  segmentKey: CryptoKey,
  ciphertext: Uint8Array,
  { noncePrefix, index, last }: { noncePrefix: Uint8Array; index: number; last: boolean },
): Promise<Uint8Array> {
  // No writer makes an empty segment after the first: one would be an extension.
  if (ciphertext.length < TAG_BYTES || (index > 0 && ciphertext.length === TAG_BYTES)) {
    throw new CryptoError('decrypt_failed', 'a segment is too short');
  }
  try {
    const algorithm = gcm(noncePrefix, index, last);
    const { subtle } = globalThis.crypto;
    return new Uint8Array(await subtle.decrypt(algorithm, segmentKey, webBytes(ciphertext)));
  } catch (cause) {
    throw new CryptoError('decrypt_failed', 'a segment does not open', { cause });
  }
}

function requireCount(count: number): number {
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new CryptoError('invalid_argument', 'not a length or index');
  }
  return count;
}
