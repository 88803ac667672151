/** How a ciphertext is cut for the store: parts of 8 MiB, the units of its registered digest. */
import { concatBytes } from '../crypto/bytes.ts';
import { DIGEST_PART_BYTES } from '../crypto/file-digest.ts';
import { sha256 } from '../crypto/hash.ts';
import { recordsBounds } from './bounds.ts';
import { RecordsError } from './errors.ts';

/** One part of an upload; numbers start at 1, as in S3. */
export interface UploadPart {
  number: number;
  offset: number;
  length: number;
}

/** The parts of a ciphertext of `length` bytes. Throws `invalid_argument` outside 1 … 4 GiB. */
export function planUpload(length: number): UploadPart[] {
  if (!Number.isSafeInteger(length) || length < 1 || length > recordsBounds.objectBytesMax) {
    throw new RecordsError('invalid_argument', 'the length of a record is 1 byte to 4 GiB');
  }
  const count = Math.ceil(length / DIGEST_PART_BYTES);
  return Array.from({ length: count }, (_, index) => {
    const offset = index * DIGEST_PART_BYTES;
    return { number: index + 1, offset, length: Math.min(DIGEST_PART_BYTES, length - offset) };
  });
}

/** The registered digest of the SHA-256s of all parts: S3's composite form, for every size. */
export function compositeDigest(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 0 || parts.some((part) => part.length !== 32)) {
    throw new RecordsError('invalid_argument', 'each part has a SHA-256 of 32 bytes');
  }
  return sha256(concatBytes(...parts));
}
