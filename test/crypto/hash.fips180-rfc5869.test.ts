import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toHex, u32be, u64be, utf8 } from '../../lib/crypto/bytes.ts';
import { hkdfSha256, hmacSha256, sha256, taggedHash } from '../../lib/crypto/hash.ts';
import { codeOf, vectors } from './helpers.ts';

type HkdfVectors = {
  testGroups: {
    tests: {
      tcId: number;
      ikm: string;
      salt: string;
      info: string;
      size: number;
      okm: string;
      result: string;
    }[];
  }[];
};

describe('SHA-256 and HMAC', () => {
  it('gives the FIPS 180-4 example', () => {
    expect(toHex(sha256(utf8('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  it('gives RFC 4231 test case 2', () => {
    expect(toHex(hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?')))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
  });
});

describe('HKDF-SHA256 (RFC 5869, Wycheproof)', () => {
  const { testGroups } = vectors<HkdfVectors>('wycheproof/hkdf_sha256_test.json');
  it.each(testGroups.flatMap(({ tests }) => tests))('case $tcId: $result', async (test) => {
    const derive = (): Uint8Array =>
      hkdfSha256(fromHex(test.ikm), {
        salt: fromHex(test.salt),
        info: fromHex(test.info),
        length: test.size,
      });
    if (test.result === 'valid') expect(toHex(derive())).toBe(test.okm);
    else expect(await codeOf(derive)).toBe('invalid_argument');
  });

  it('takes an absent salt as 32 zeros', () => {
    const info = utf8('i');
    const zeros = hkdfSha256(utf8('k'), { salt: new Uint8Array(32), info, length: 32 });
    expect(hkdfSha256(utf8('k'), { info, length: 32 })).toEqual(zeros);
  });
});

describe('tagged hash', () => {
  it('is SHA-256 over tag and parts, each with its length', () => {
    const tag = utf8('carequorum/v1/t');
    const encoded = concatBytes(u32be(tag.length), tag, u64be(1), utf8('a'), u64be(2), utf8('bc'));
    expect(taggedHash('t', utf8('a'), utf8('bc'))).toEqual(sha256(encoded));
  });

  it('differs whenever tag or parts differ, however they concatenate', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 3, max: 1 }), { maxLength: 3 });
    const tag = fc.constantFrom('t', 'u', 'tu', '');
    fc.assert(
      fc.property(tag, parts, tag, parts, (tagA, a, tagB, b) => {
        const isSame = tagA === tagB && JSON.stringify(a) === JSON.stringify(b);
        expect(toHex(taggedHash(tagA, ...a)) === toHex(taggedHash(tagB, ...b))).toBe(isSame);
      }),
      { numRuns: 500 },
    );
  });
});
