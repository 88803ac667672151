import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../lib/crypto/bytes.ts';
import { DIGEST_PART_BYTES, fileDigest, FileDigester } from '../../lib/crypto/file-digest.ts';
import { codeOf, sampleBytes, streamOf } from './helpers.ts';

const sha256 = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest();

/** The composite checksum of S3, by its definition. */
function composite(bytes: Uint8Array): string {
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += DIGEST_PART_BYTES) {
    parts.push(sha256(bytes.subarray(at, at + DIGEST_PART_BYTES)));
  }
  return sha256(Buffer.concat(parts)).toString('hex');
}

const big = sampleBytes(3 * DIGEST_PART_BYTES + 5);

describe('file digest (S3 composite SHA-256)', () => {
  it('of an empty file is SHA-256 of SHA-256 of nothing', async () => {
    const { digest, length, parts } = await fileDigest(streamOf(new Uint8Array(0)));
    expect(toHex(digest)).toBe(sha256(sha256(new Uint8Array(0))).toString('hex'));
    expect([length, parts.length]).toEqual([0, 1]);
  });

  it.each([
    [1, 1],
    [DIGEST_PART_BYTES - 1, 1],
    [DIGEST_PART_BYTES, 1],
    [DIGEST_PART_BYTES + 1, 2],
    [3 * DIGEST_PART_BYTES, 3],
    [big.length, 4],
  ])('of %d bytes has %d parts, in any chunking', async (length, count) => {
    const bytes = big.subarray(0, length);
    const expected = composite(bytes);
    for (const sizes of [[length], [65_536], [1_048_576, 9_000_001]]) {
      const result = await fileDigest(streamOf(bytes, sizes));
      expect(toHex(result.digest)).toBe(expected);
      expect([result.length, result.parts.length]).toEqual([length, count]);
    }
  });

  it('takes the bytes at once, so that the caller may use the chunk again', async () => {
    const digester = new FileDigester();
    const chunk = new Uint8Array(DIGEST_PART_BYTES);
    const waits = [1, 2, 3].map(async (value) => digester.update(chunk.fill(value)));
    await Promise.all(waits);
    const expected = [1, 2, 3].map((value) => toHex(sha256(chunk.fill(value))));
    expect((await digester.finish()).parts.map(toHex)).toEqual(expected);
  });

  it('ends once', async () => {
    const digester = new FileDigester();
    await digester.finish();
    expect(await codeOf(() => digester.update(new Uint8Array(1)))).toBe('invalid_argument');
    expect(await codeOf(() => digester.finish())).toBe('invalid_argument');
  });
});
