/** The registered digest of a file: S3's composite SHA-256 over fixed parts of 8 MiB. */

import { concatBytes, webBytes } from './bytes.ts';
import type { Bytes } from './bytes.ts';
import { CryptoError } from './errors.ts';
import { sha256 } from './hash.ts';

/** Length of each part but the last, in bytes: eight ciphertext segments. */
export const DIGEST_PART_BYTES = 8_388_608;

/** Parts hashed at once; a further one waits, so memory stays flat. */
const IN_FLIGHT_MAX = 2;

/** What a file hashes to. */
export type FileDigest = {
  /** SHA-256 over the concatenated SHA-256s of the parts, 32 bytes. */
  readonly digest: Uint8Array;
  /** Bytes seen. */
  readonly length: number;
  /** SHA-256 of each part, 32 bytes each; an empty file has one empty part. */
  readonly parts: readonly Uint8Array[];
};

/** The digest of all of `source`. */
export async function fileDigest(source: AsyncIterable<Uint8Array>): Promise<FileDigest> {
  const digester = new FileDigester();
  for await (const chunk of source) await digester.update(chunk);
  return digester.finish();
}

/**
 * The digest of bytes that come piece by piece. `update` takes the bytes at once, so the caller
 * may use the chunk again; it waits on the promise before it gives more, which bounds memory.
 */
export class FileDigester {
  readonly #parts: Promise<Bytes>[] = [];
  readonly #idleBuffers: Bytes[] = [];
  #buffer: Bytes | undefined;
  #filled = 0;
  #length = 0;
  #isFinished = false;

  /** Adds `chunk`. The promise, if any, ends when more may come. */
  update(chunk: Uint8Array): Promise<void> | void {
    if (this.#isFinished) throw new CryptoError('invalid_argument', 'the digest is finished');
    const before = this.#parts.length;
    let offset = 0;
    while (offset < chunk.length) {
      this.#buffer ??= this.#idleBuffers.pop() ?? new Uint8Array(DIGEST_PART_BYTES);
      const taken = Math.min(chunk.length - offset, DIGEST_PART_BYTES - this.#filled);
      this.#buffer.set(chunk.subarray(offset, offset + taken), this.#filled);
      this.#filled += taken;
      offset += taken;
      if (this.#filled === DIGEST_PART_BYTES) this.#closePart();
    }
    this.#length += chunk.length;
    if (this.#parts.length > before) return this.#settled(this.#parts.length - IN_FLIGHT_MAX);
  }

  /** The digest of all that was added; nothing can be added after it. */
  async finish(): Promise<FileDigest> {
    if (this.#isFinished) throw new CryptoError('invalid_argument', 'the digest is finished');
    this.#isFinished = true;
    if (this.#filled > 0 || this.#parts.length === 0) this.#closePart();
    const parts = await Promise.all(this.#parts);
    this.#idleBuffers.length = 0;
    return { digest: sha256(concatBytes(...parts)), length: this.#length, parts };
  }

  #closePart(): void {
    const buffer = this.#buffer ?? new Uint8Array(0);
    const part = buffer.subarray(0, this.#filled);
    this.#parts.push(this.#hash(part, buffer));
    this.#buffer = undefined;
    this.#filled = 0;
  }

  async #hash(part: Bytes, buffer: Bytes): Promise<Bytes> {
    const digest = await globalThis.crypto.subtle.digest('SHA-256', webBytes(part));
    this.#idleBuffers.push(buffer);
    return new Uint8Array(digest);
  }

  /** Waits until the first `count` parts are hashed. */
  async #settled(count: number): Promise<void> {
    if (count > 0) await this.#parts[count - 1];
  }
}
