import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { padmeLength, padPlaintext, unpad } from '../../lib/crypto/padme.ts';
import { codeOf, collect, sampleBytes, streamOf } from './helpers.ts';

/** The algorithm of the paper (PETS 2019, §4, Algorithm 1), word for word in whole numbers. */
function paper(length: bigint): bigint {
  const e = BigInt(length.toString(2).length - 1);
  const s = e === 0n ? 0n : BigInt(e.toString(2).length);
  const mask = (1n << (e - s)) - 1n;
  return (length + mask) & ~mask;
}

const length = fc.integer({ min: 2, max: 2 ** 50 });

describe('Padmé length', () => {
  it.each([
    [0, 0],
    [1, 1],
    [7, 7],
    [8, 8],
    [9, 10],
    [100, 104],
    [1_000, 1_024],
    [1_000_000, 1_015_808],
    [2 ** 31 + 1, 2 ** 31 + 2 ** 26],
    [2 ** 48 - 1, 2 ** 48],
  ])('of %d is %d', (n, padded) => {
    expect(padmeLength(n)).toBe(padded);
  });

  it('is that of the paper', () => {
    fc.assert(
      fc.property(length, (n) => {
        expect(BigInt(padmeLength(n))).toBe(paper(BigInt(n)));
      }),
    );
    for (let n = 2; n < 5_000; n += 1) expect(BigInt(padmeLength(n))).toBe(paper(BigInt(n)));
  });

  it('adds at most 12 %, never falls, and stays where it is', () => {
    fc.assert(
      fc.property(length, fc.nat(1_000_000), (n, more) => {
        const padded = padmeLength(n);
        expect(padded).toBeGreaterThanOrEqual(n);
        expect(padded - n).toBeLessThanOrEqual(0.12 * n);
        expect(padmeLength(padded)).toBe(padded);
        expect(padmeLength(n + more)).toBeGreaterThanOrEqual(padded);
      }),
    );
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53, 2 ** 53 - 1])('refuses %d', async (n) => {
    expect(await codeOf(() => padmeLength(n))).toBe('invalid_argument');
  });
});

describe('padding a stream', () => {
  const pad = (bytes: Uint8Array, n = bytes.length): Promise<Uint8Array> =>
    collect(padPlaintext(streamOf(bytes, [97]), n));
  const cut = (bytes: Uint8Array, n: number, sizes = [89]): Promise<Uint8Array> =>
    collect(unpad(streamOf(bytes, sizes), n));

  it('adds zeros, and takes them away again, in any chunking', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.nat(3_000), sizes, async (n, chunking) => {
        const bytes = sampleBytes(n);
        const padded = await pad(bytes);
        expect(padded).toHaveLength(padmeLength(n));
        expect(padded.subarray(0, n)).toEqual(bytes);
        expect(padded.subarray(n).every((byte) => byte === 0)).toBe(true);
        expect(await cut(padded, n, chunking)).toEqual(bytes);
      }),
    );
  });

  it('adds more zeros than one chunk holds', async () => {
    const n = 2 ** 26 + 1;
    let length = 0;
    const source = streamOf(new Uint8Array(n), [n]);
    for await (const chunk of padPlaintext(source, n)) length += chunk.length;
    expect(length).toBe(padmeLength(n));
    expect(length - n).toBeGreaterThan(1_048_576);
  });

  it('refuses a source that is not as long as announced', async () => {
    expect(await codeOf(() => pad(sampleBytes(100), 99))).toBe('length_mismatch');
    expect(await codeOf(() => pad(sampleBytes(100), 101))).toBe('length_mismatch');
  });

  it('refuses padding with any set bit, missing or too long', async () => {
    const padded = await pad(sampleBytes(1_000));
    for (let at = 1_000; at < padded.length; at += 1) {
      const changed = new Uint8Array(padded).fill(1 << (at % 8), at, at + 1);
      expect(await codeOf(() => cut(changed, 1_000))).toBe('invalid_padding');
    }
    expect(await codeOf(() => cut(padded.subarray(0, -1), 1_000))).toBe('length_mismatch');
    const longer = new Uint8Array(padded.length + 1);
    longer.set(padded);
    expect(await codeOf(() => cut(longer, 1_000))).toBe('length_mismatch');
  });

  it('refuses another true length', async () => {
    const padded = await pad(new Uint8Array(1_000).fill(1));
    expect(await codeOf(() => cut(padded, 999))).toBe('invalid_padding');
    expect(await codeOf(() => cut(padded, 900))).not.toBe('none');
  });
});
