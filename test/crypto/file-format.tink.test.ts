import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toHex, utf8 } from '../../lib/crypto/bytes.ts';
import * as file from '../../lib/crypto/file-format.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { codeOf, collect, sampleBytes, streamOf, vectors } from './helpers.ts';

type TinkVectors = {
  key: string;
  aad: string;
  cases: {
    plaintextLength: number;
    header: string;
    ciphertextLength: number;
    ciphertextSha256: string;
    ciphertext?: string;
  }[];
};

const FIRST = file.SEGMENT_BYTES - 56;
const OTHER = file.SEGMENT_BYTES - 16;
const key = sampleBytes(32);
const aad = utf8('format‖network‖record');

const encrypt = (bytes: Uint8Array, options?: file.EncryptFileOptions): Promise<Uint8Array> =>
  collect(file.encryptFile(key, aad, streamOf(bytes), options));
const decrypt = (bytes: Uint8Array): Promise<Uint8Array> =>
  collect(file.decryptFile(key, aad, streamOf(bytes)));

/** What a reader that was given `bytes` sees: a code, never plaintext to the end. */
const refusal = (bytes: Uint8Array): Promise<string> => codeOf(() => decrypt(bytes));

describe('Tink AES256_GCM_HKDF_1MB vectors', () => {
  const tink = vectors<TinkVectors>('tink/aes256-gcm-hkdf-1mb.json');
  const [tinkKey, tinkAad] = [fromHex(tink.key), fromHex(tink.aad)];

  it.each(tink.cases)('$plaintextLength bytes: the same ciphertext', async (test) => {
    const plaintext = sampleBytes(test.plaintextLength);
    const { salt, noncePrefix } = file.parseFileHeader(fromHex(test.header));
    const source = streamOf(plaintext, [65_536, 1, 300_000]);
    const options = { salt, noncePrefix };
    const ours = await collect(file.encryptFile(tinkKey, tinkAad, source, options));
    expect(ours).toHaveLength(test.ciphertextLength);
    expect(toHex(sha256(ours))).toBe(test.ciphertextSha256);
    expect(file.ciphertextLength(test.plaintextLength)).toBe(test.ciphertextLength);
    // The digest says that these are Tink's bytes, so what opens here is Tink's file.
    const opened = await collect(file.decryptFile(tinkKey, tinkAad, streamOf(ours, [99_991])));
    expect(Buffer.compare(opened, plaintext)).toBe(0);
  });

  it.each(tink.cases.filter(({ ciphertext }) => ciphertext !== undefined))(
    '$plaintextLength bytes: opens what Tink wrote',
    async ({ plaintextLength, ciphertext }) => {
      const source = streamOf(fromHex(ciphertext as string), [1, 7]);
      const opened = await collect(file.decryptFile(tinkKey, tinkAad, source));
      expect(opened).toEqual(sampleBytes(plaintextLength));
    },
  );
});

describe('round trips', () => {
  const chunkings = fc.array(fc.integer({ min: 1, max: 2 ** 21 }), { minLength: 1, maxLength: 4 });
  const big = sampleBytes(3 * file.SEGMENT_BYTES);

  it('hold for any length and chunking', async () => {
    const near = (edge: number) => fc.integer({ min: edge - 2, max: edge + 2 });
    const length = fc.oneof(fc.nat(400), near(FIRST), near(FIRST + OTHER), fc.nat(big.length));
    await fc.assert(
      fc.asyncProperty(
        length,
        chunkings,
        chunkings,
        fc.integer({ min: 1, max: 6 }),
        async (n, cutIn, cutOut, inFlight) => {
          const plaintext = big.subarray(0, n);
          const source = streamOf(plaintext, cutIn);
          const sealed = await collect(file.encryptFile(key, aad, source, { inFlight }));
          expect(sealed).toHaveLength(file.ciphertextLength(n));
          expect(file.plaintextLength(sealed.length)).toBe(n);
          const opened = file.decryptFile(key, aad, streamOf(sealed, cutOut), { inFlight });
          expect(Buffer.compare(await collect(opened), plaintext)).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('are fresh each time: another salt, another key, other bytes', async () => {
    const [a, b] = [await encrypt(utf8('same')), await encrypt(utf8('same'))];
    expect(toHex(a.subarray(1, 40))).not.toBe(toHex(b.subarray(1, 40)));
    expect(toHex(a.subarray(40))).not.toBe(toHex(b.subarray(40)));
  });

  it('keep memory flat: the source is read a few segments ahead only', async () => {
    const chunk = new Uint8Array(65_536);
    const segmentsAheadMax = 4 + 2;
    let readBytes = 0;
    const source = (async function* () {
      for (let i = 0; i < 512; i += 1) {
        readBytes += chunk.length;
        yield chunk;
      }
    })();
    const counted = (async function* () {
      let givenBytes = 0;
      for await (const part of file.encryptFile(key, aad, source)) {
        givenBytes += part.length;
        const ahead = (readBytes - givenBytes) / file.SEGMENT_BYTES;
        expect(ahead).toBeLessThanOrEqual(segmentsAheadMax);
        yield part;
      }
    })();
    let length = 0;
    for await (const part of file.decryptFile(key, aad, counted)) length += part.length;
    expect(length).toBe(512 * 65_536);
  });

  it('end quietly when the reader stops or the source fails', async () => {
    for await (const part of file.encryptFile(key, aad, streamOf(big, [65_536]))) {
      if (part.length > file.HEADER_BYTES) break;
    }
    const failing = (async function* () {
      yield big;
      throw new Error('disk');
    })();
    await expect(collect(file.encryptFile(key, aad, failing))).rejects.toThrow('disk');
  });

  it('refuse keys, salts and prefixes of another length', async () => {
    const [short, none] = [new Uint8Array(31), new Uint8Array(0)];
    const source = streamOf(none);
    const withKey = (bad: Uint8Array) => () => collect(file.encryptFile(bad, aad, source));
    expect(await codeOf(withKey(short))).toBe('invalid_key');
    expect(await codeOf(withKey(none))).toBe('invalid_key');
    const sealed = await encrypt(none);
    const opening = () => collect(file.decryptFile(short, aad, streamOf(sealed)));
    expect(await codeOf(opening)).toBe('invalid_key');
    expect(await codeOf(() => encrypt(none, { salt: short }))).toBe('invalid_argument');
    expect(await codeOf(() => encrypt(none, { noncePrefix: short }))).toBe('invalid_argument');
  });
});

describe('a changed file does not open', () => {
  it('with any one bit flipped', async () => {
    const sealed = await encrypt(utf8('five!'));
    for (let bit = 0; bit < 8 * sealed.length; bit += 1) {
      const changed = new Uint8Array(sealed);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(await refusal(changed)).toBe('decrypt_failed');
    }
  });

  it('cut at any length, or with anything behind it', async () => {
    const sealed = await encrypt(utf8('five!'));
    for (let length = 0; length < sealed.length; length += 1) {
      expect(await refusal(sealed.subarray(0, length))).toBe('decrypt_failed');
    }
    for (const extra of [1, 16, 17, file.SEGMENT_BYTES]) {
      const longer = concatBytes(sealed, new Uint8Array(extra));
      expect(await refusal(longer)).toBe('decrypt_failed');
    }
  });

  it('under another key or associated data', async () => {
    const sealed = await encrypt(utf8('five!'));
    const otherKey = sampleBytes(32).reverse();
    const opens = (k: Uint8Array, a: Uint8Array) => () =>
      collect(file.decryptFile(k, a, streamOf(sealed)));
    expect(await codeOf(opens(key, aad))).toBe('none');
    expect(await codeOf(opens(otherKey, aad))).toBe('decrypt_failed');
    expect(await codeOf(opens(key, utf8('other')))).toBe('decrypt_failed');
    expect(await codeOf(opens(key, new Uint8Array(0)))).toBe('decrypt_failed');
  });

  describe('of several segments', async () => {
    const options = { salt: sampleBytes(32), noncePrefix: sampleBytes(7) };
    const plaintext = sampleBytes(FIRST + 2 * OTHER + 10);
    const sealed = await encrypt(plaintext, options);
    const at = (i: number) => sealed.subarray(i * file.SEGMENT_BYTES, (i + 1) * file.SEGMENT_BYTES);
    const [s0, s1, s2, s3] = [at(0), at(1), at(2), at(3)];
    const exact = await encrypt(plaintext.subarray(0, FIRST + OTHER), options);

    it.each([
      ['unchanged', [s0, s1, s2, s3], 'none'],
      ['without the last segment', [s0, s1, s2], 'decrypt_failed'],
      ['without the last two', [s0, s1], 'decrypt_failed'],
      ['of the first segment only', [s0], 'decrypt_failed'],
      ['without one in the middle', [s0, s2, s3], 'decrypt_failed'],
      ['with two exchanged', [s0, s2, s1, s3], 'decrypt_failed'],
      ['with one twice', [s0, s1, s1, s2, s3], 'decrypt_failed'],
      ['with the last twice', [s0, s1, s2, s3, s3], 'decrypt_failed'],
      ['with a segment behind a last one that is full', [exact, s2, s3], 'decrypt_failed'],
      ['with the last cut by a byte', [s0, s1, s2, s3.subarray(0, -1)], 'decrypt_failed'],
      ['with a byte behind', [s0, s1, s2, s3, new Uint8Array(1)], 'decrypt_failed'],
    ])('%s', async (_, parts, expected) => {
      expect(await refusal(concatBytes(...parts))).toBe(expected);
    });

    it('ended by an empty segment that was made with the key', async () => {
      const empty = file.encryptFileFrom(key, aad, streamOf(new Uint8Array(0)), {
        ...options,
        segmentIndex: 1,
      });
      expect(await codeOf(() => collect(empty))).toBe('invalid_argument');
      const tagOnly = { segment: new Uint8Array(16), index: 1, last: true };
      const header = s0.subarray(0, file.HEADER_BYTES);
      const opening = () => file.decryptSegmentAt(key, aad, header, tagOnly);
      expect(await codeOf(opening)).toBe('decrypt_failed');
    });

    it('gives nothing of a segment before its tag was checked', async () => {
      const changed = concatBytes(s0, s1, s2, s3);
      changed[2 * file.SEGMENT_BYTES] = (changed[2 * file.SEGMENT_BYTES] as number) ^ 1;
      let given = 0;
      const read = async (): Promise<void> => {
        const source = streamOf(changed, [65_536]);
        for await (const part of file.decryptFile(key, aad, source)) given += part.length;
      };
      expect(await codeOf(read)).toBe('decrypt_failed');
      expect(given).toBe(FIRST + OTHER);
    });

    it('is found out by its last segment, before anything else is read', async () => {
      const header = s0.subarray(0, file.HEADER_BYTES);
      const check = (segment: Uint8Array, index: number, k = key, a = aad) =>
        codeOf(() => file.verifyLastSegment(k, a, header, segment, index));
      const { index, start, end } = file.lastSegmentRange(sealed.length);
      expect([index, start, end]).toEqual([3, 3 * file.SEGMENT_BYTES, sealed.length]);
      const last = sealed.subarray(start, end);
      expect(await check(last, index)).toBe('none');
      expect(await check(last, index - 1)).toBe('decrypt_failed');
      expect(await check(s2, 2)).toBe('decrypt_failed');
      expect(await check(last, index, sampleBytes(32).reverse())).toBe('decrypt_failed');
      expect(await check(last, index, key, utf8('other'))).toBe('decrypt_failed');
      expect(await check(last.subarray(1), index)).toBe('decrypt_failed');
    });

    it('opens one segment alone', async () => {
      const header = s0.subarray(0, file.HEADER_BYTES);
      const middle = { segment: s1, index: 1, last: false };
      const opened = await file.decryptSegmentAt(key, aad, header, middle);
      const from = file.segmentPlaintextOffset(1);
      expect(Buffer.compare(opened, plaintext.subarray(from, from + OTHER))).toBe(0);
      const first = { segment: s0.subarray(file.HEADER_BYTES), index: 0, last: false };
      expect(await file.decryptSegmentAt(key, aad, header, first)).toHaveLength(FIRST);
    });

    it.each([0, 1, 2, 3])('resumes at segment %d with the same bytes', async (segmentIndex) => {
      const from = file.segmentPlaintextOffset(segmentIndex);
      const source = streamOf(plaintext.subarray(from), [500_000]);
      const rest = file.encryptFileFrom(key, aad, source, { ...options, segmentIndex });
      const expected = sealed.subarray(segmentIndex * file.SEGMENT_BYTES);
      expect(Buffer.compare(await collect(rest), expected)).toBe(0);
    });
  });
});

describe('lengths', () => {
  it('go both ways, and no other length is that of a file', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(2 ** 40), async (n) => {
        const sealed = file.ciphertextLength(n);
        expect(file.plaintextLength(sealed)).toBe(n);
        const { index, start, end } = file.lastSegmentRange(sealed);
        expect([end, end - start <= file.SEGMENT_BYTES]).toEqual([sealed, true]);
        expect(file.segmentPlaintextOffset(index)).toBeLessThanOrEqual(n);
      }),
    );
    const none = [0, 39, 55, 1.5, -1, file.SEGMENT_BYTES + 1, file.SEGMENT_BYTES + 16];
    for (const length of none) {
      expect(await codeOf(() => file.plaintextLength(length))).toBe('invalid_argument');
    }
    expect(file.plaintextLength(56)).toBe(0);
    expect(file.plaintextLength(file.SEGMENT_BYTES)).toBe(FIRST);
    expect(file.plaintextLength(file.SEGMENT_BYTES + 17)).toBe(FIRST + 1);
  });

  it('align eight segments with one part of S3, so an upload resumes at a part', () => {
    expect(file.ciphertextLength(file.segmentPlaintextOffset(8))).toBe(8 * 1_048_576);
  });
});
