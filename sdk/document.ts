/** A document on its way: encrypted into a spool before it is registered, opened after every check. */
import { equalBytes } from '../lib/crypto/bytes.ts';
import { plaintextCommitment } from '../lib/crypto/commitment.ts';
import { type FileDigest, FileDigester } from '../lib/crypto/file-digest.ts';
import {
  decryptFile,
  encryptFile,
  type FileHeader,
  HEADER_BYTES,
  lastSegmentRange,
  plaintextLength,
  verifyLastSegment,
} from '../lib/crypto/file-format.ts';
import { padmeLength, padPlaintext, unpad } from '../lib/crypto/padme.ts';
import { SdkError } from './errors.ts';
import type { DocumentSink, DocumentSource, Spool } from './platform/files.ts';

/** Bytes done of all, for progress. */
export type ByteProgress = (done: number, total: number) => void;

/** What encryption found out: what is registered, and what goes into the metadata. */
export interface EncryptedDocument {
  readonly digest: FileDigest;
  /** Commitment to the document's true bytes, and its salt. */
  readonly commitment: Uint8Array;
  readonly salt: Uint8Array;
}

export interface EncryptOptions {
  readonly key: Uint8Array;
  readonly aad: Uint8Array;
  /** Of the ciphertext; the same one with the same key is for the same document only. */
  readonly header: FileHeader;
  /** Of the commitment. */
  readonly salt: Uint8Array;
  readonly onProgress?: ByteProgress;
}

/** Encrypts a document into `spool`, padded; memory is flat. Throws `bad_input` if it changes. */
export async function encryptDocument(
  source: DocumentSource,
  spool: Spool,
  { key, aad, header, salt, onProgress }: EncryptOptions,
): Promise<EncryptedDocument> {
  const commitment = plaintextCommitment(salt);
  const digester = new FileDigester();
  const plaintext = padPlaintext(observed(source, commitment, onProgress), source.length);
  try {
    for await (const segment of encryptFile(key, aad, plaintext, header)) {
      await digester.update(segment);
      await spool.write(segment);
    }
  } catch (cause) {
    if (!isCode(cause, 'length_mismatch')) throw cause;
    throw new SdkError('bad_input', `${source.path} changed while it was read.`, {
      nextStep: 'Upload it again once nobody writes to it.',
      cause,
    });
  }
  await spool.close();
  return { digest: await digester.finish(), commitment: await commitment.finish(), salt };
}

/** What a document must be, once it is opened. */
export interface ExpectedDocument {
  readonly key: Uint8Array;
  readonly aad: Uint8Array;
  /** Bytes of the ciphertext in the spool. */
  readonly ciphertextLength: number;
  /** True length, bytes. */
  readonly size: number;
  readonly commitment: Uint8Array;
  readonly salt: Uint8Array;
}

/**
 * Decrypts a spool into `sink`. The length and the last segment are checked first, the commitment
 * before the document appears. Throws `mismatch` or `not_readable`; nothing is left then.
 */
export async function decryptDocument(
  spool: Spool,
  sink: DocumentSink,
  expected: ExpectedDocument,
  onProgress?: ByteProgress,
): Promise<string> {
  const { key, aad, ciphertextLength, size } = expected;
  try {
    if (plaintextLength(ciphertextLength) !== padmeLength(size)) {
      throw altered('its length is not the one in its metadata');
    }
    const { index, start, end } = lastSegmentRange(ciphertextLength);
    const header = await spool.read(0, HEADER_BYTES);
    await verifyLastSegment(key, aad, header, await spool.read(start, end), index);
    const commitment = plaintextCommitment(expected.salt);
    let done = 0;
    for await (const chunk of unpad(decryptFile(key, aad, spool.stream()), size)) {
      await commitment.update(chunk);
      await sink.write(chunk);
      done += chunk.length;
      onProgress?.(done, size);
    }
    if (!equalBytes(await commitment.finish(), expected.commitment)) {
      throw altered('its bytes are not those that were committed to');
    }
    return await sink.keep();
  } catch (cause) {
    await sink.discard();
    if (cause instanceof SdkError) throw cause;
    if (!isCode(cause, 'decrypt_failed', 'invalid_padding', 'length_mismatch')) throw cause;
    throw new SdkError('not_readable', 'The document does not open with its key.', {
      nextStep: 'Nothing was written. Tell the uploader and the custodian.',
      cause,
    });
  }
}

async function* observed(
  source: DocumentSource,
  commitment: ReturnType<typeof plaintextCommitment>,
  onProgress: ByteProgress | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let done = 0;
  for await (const chunk of source.stream()) {
    await commitment.update(chunk);
    done += chunk.length;
    onProgress?.(done, source.length);
    yield chunk;
  }
}

function altered(why: string): SdkError {
  return new SdkError('mismatch', `The document is not the one that was uploaded: ${why}.`, {
    nextStep: 'Nothing was written. Tell the uploader and the custodian.',
  });
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
