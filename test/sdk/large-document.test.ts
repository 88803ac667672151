/** Memory stays flat, however large a document is: encrypted, hashed, layered and stripped again. */
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../lib/crypto/bytes.ts';
import { FileDigester } from '../../lib/crypto/file-digest.ts';
import { LAYER_KEY_BYTES, Layers } from '../../lib/crypto/layer.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { systemClock } from '../../sdk/clock.ts';
import { decryptDocument, encryptDocument, type EncryptedDocument } from '../../sdk/document.ts';
import type { Spool } from '../../sdk/platform/files.ts';
import { nodeFiles } from '../../sdk/platform/node.ts';
import { download } from '../../sdk/transfer.ts';

const MEBIBYTE = 1_048_576;
/** `LARGE_MIB=2048` tries the largest; the smaller one would show growth as well. */
const SIZE_MIB = Number(process.env['LARGE_MIB'] ?? 384);
const SIZE = SIZE_MIB * MEBIBYTE;
/** Segments in flight, parts being hashed, and what the collector leaves behind. */
const GROWTH_MIB_MAX = 256;

const block = randomBytes(MEBIBYTE);
const key = randomBytes(32);
const aad = utf8('test');
const layerKeys = [randomBytes(LAYER_KEY_BYTES), randomBytes(LAYER_KEY_BYTES)];

async function* source(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= block.length) {
    yield left >= block.length ? block : block.subarray(0, left);
  }
}

/** Runs work and gives the highest growth of the process in it, in MiB; `look` is to be called often. */
async function growth(work: (look: () => void) => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let peak = before;
  await work(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  });
  return (peak - before) / MEBIBYTE;
}

describe(`a document of ${SIZE_MIB} MiB`, () => {
  let ciphertext: Spool;
  let made: EncryptedDocument;
  beforeAll(async () => {
    ciphertext = await nodeFiles.spool();
  });
  afterAll(() => ciphertext.discard());

  it('is made ready in flat memory', async () => {
    const document = { path: 'made up', length: SIZE, stream: () => source(SIZE) };
    const grown = await growth(async (onProgress) => {
      made = await encryptDocument(document, ciphertext, {
        ...{ key, aad, salt: randomBytes(32) },
        header: { salt: randomBytes(32), noncePrefix: randomBytes(7) },
        onProgress,
      });
    });
    expect(made.digest.length).toBeGreaterThan(SIZE);
    expect(grown).toBeLessThan(GROWTH_MIB_MAX);
  });

  it('is fetched with layers on it, stripped, and opened in flat memory', async () => {
    const layers = await Layers.of(layerKeys);
    const below = new FileDigester();
    async function* layered(): AsyncGenerator<Uint8Array> {
      let at = 0;
      for await (const chunk of ciphertext.stream()) {
        const bytes = await layers.apply(at, chunk);
        at += chunk.length;
        yield bytes;
      }
    }
    const body = (): BodyInit => Readable.toWeb(Readable.from(layered())) as BodyInit;
    for await (const bytes of layered()) await below.update(bytes);
    const { digest } = await below.finish();
    const { length, digest: original } = made.digest;
    const spool = await nodeFiles.spool();
    let opened = 0;
    let kept = '';
    const grown = await growth(async (onProgress) => {
      const expected = { length, digest, layers: layerKeys, original };
      await download(async () => 'http://objects.test/', spool, expected, {
        transport: async () => new Response(body()),
        clock: systemClock,
        onProgress,
      });
      const sink = {
        write: async (bytes: Uint8Array) => void (opened += bytes.length),
        keep: async () => 'kept',
        discard: async () => undefined,
      };
      const { commitment, salt } = made;
      const wanted = { key, aad, ciphertextLength: length, size: SIZE, commitment, salt };
      kept = await decryptDocument(spool, sink, wanted, onProgress);
    }).finally(() => spool.discard());
    expect([kept, opened]).toEqual(['kept', SIZE]);
    expect(grown).toBeLessThan(GROWTH_MIB_MAX);
  });
});
