/** Memory stays flat, however large a document is: encrypted, hashed, layered and stripped again. */
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../lib/crypto/bytes.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { encryptDocument } from '../../sdk/document.ts';
import type { Spool } from '../../sdk/platform/files.ts';

const MEBIBYTE = 1_048_576;
/** `LARGE_MIB=2048` tries the largest; the smaller one would show growth as well. */
const SIZE_MIB = Number(process.env['LARGE_MIB'] ?? 384);
/** Segments in flight, parts being hashed, and what the collector leaves behind. */
const GROWTH_MIB_MAX = 256;

const block = randomBytes(MEBIBYTE);

async function* source(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= block.length) {
    yield left >= block.length ? block : block.subarray(0, left);
  }
}

describe('a large document', () => {
  it(`of ${SIZE_MIB} MiB is made ready in flat memory`, async () => {
    const length = SIZE_MIB * MEBIBYTE;
    let written = 0;
    let peak = 0;
    const before = process.memoryUsage.rss();
    const spool: Spool = {
      async write(bytes) {
        written += bytes.length;
        peak = Math.max(peak, process.memoryUsage.rss());
      },
      close: async () => undefined,
      read: async () => new Uint8Array(),
      stream: () => source(0),
      discard: async () => undefined,
    };
    const document = { path: 'made up', length, stream: () => source(length) };
    const { digest } = await encryptDocument(document, spool, {
      ...{ key: randomBytes(32), aad: utf8('test'), salt: randomBytes(32) },
      header: { salt: randomBytes(32), noncePrefix: randomBytes(7) },
    });
    expect(digest.length).toBe(written);
    expect(written).toBeGreaterThan(length);
    expect((peak - before) / MEBIBYTE).toBeLessThan(GROWTH_MIB_MAX);
  }, 120_000);
});
