import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as bytes from '../../lib/crypto/bytes.ts';
import { CryptoError } from '../../lib/crypto/errors.ts';
import { codeOf } from './helpers.ts';

const binary = fc.uint8Array({ maxLength: 300 });

describe('base64url (RFC 4648 §5, as in RFC 7515 §2)', () => {
  it.each([
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ])('encodes %j as %j (RFC 4648 §10)', (text, encoded) => {
    expect(bytes.toBase64url(bytes.utf8(text))).toBe(encoded);
    expect(bytes.fromUtf8(bytes.fromBase64url(encoded))).toBe(text);
  });

  it('agrees with Node on any bytes', () => {
    fc.assert(
      fc.property(binary, (value) => {
        const text = bytes.toBase64url(value);
        expect(text).toBe(Buffer.from(value).toString('base64url'));
        expect(bytes.fromBase64url(text)).toEqual(value);
      }),
    );
  });

  it.each(['Zg==', 'Zg=', 'Zh', 'Zm9', 'Z', 'Zm9v\n', ' Zm9v', 'Zm+v', 'Zm/v', 'Zm9vé', 'Zm9vA'])(
    'refuses %j',
    async (text) => {
      expect(await codeOf(() => bytes.fromBase64url(text))).toBe('invalid_encoding');
    },
  );

  it('has one text for each byte string: what decodes encodes to itself', () => {
    const letters = fc.constantFrom(...'ABgw09-_=+/ é');
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 12 }), (text) => {
        try {
          expect(bytes.toBase64url(bytes.fromBase64url(text))).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(CryptoError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('accepts exactly one last letter of those that share the same bytes', () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const accepted = [...letters].filter((letter) => {
      try {
        return bytes.fromBase64url(`A${letter}`).length === 1;
      } catch {
        return false;
      }
    });
    expect(accepted).toEqual(['A', 'Q', 'g', 'w']);
  });
});

describe('base64 (RFC 4648 §4)', () => {
  it('agrees with Node on any bytes', () => {
    fc.assert(
      fc.property(binary, (value) => {
        const text = bytes.toBase64(value);
        expect(text).toBe(Buffer.from(value).toString('base64'));
        expect(bytes.fromBase64(text)).toEqual(value);
      }),
    );
  });

  it.each(['Zg', 'Zg=', 'Zg===', 'Zh==', 'Zm9=', '====', '=', 'Zm9v====', 'Zm-v', 'Zm9vZg'])(
    'refuses %j',
    async (text) => {
      expect(await codeOf(() => bytes.fromBase64(text))).toBe('invalid_encoding');
    },
  );
});

describe('hexadecimal', () => {
  it('agrees with Node on any bytes', () => {
    fc.assert(
      fc.property(binary, (value) => {
        expect(bytes.toHex(value)).toBe(Buffer.from(value).toString('hex'));
        expect(bytes.fromHex(bytes.toHex(value))).toEqual(value);
      }),
    );
  });

  it.each(['0', 'AB', '0x', 'g0', '0g', ' 00', 'é'])('refuses %j', async (text) => {
    expect(await codeOf(() => bytes.fromHex(text))).toBe('invalid_encoding');
  });
});

describe('UTF-8', () => {
  it('round-trips any well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        expect(bytes.fromUtf8(bytes.utf8(text))).toBe(text);
      }),
    );
  });

  it('keeps a byte order mark', () => {
    expect(bytes.fromUtf8(bytes.utf8('\ufeffa'))).toBe('\ufeffa');
  });

  it('refuses what is not UTF-8, both ways', async () => {
    const overlong = Uint8Array.of(0xc0, 0x80);
    expect(await codeOf(() => bytes.fromUtf8(overlong))).toBe('invalid_encoding');
    expect(await codeOf(() => bytes.utf8('\ud800'))).toBe('invalid_encoding');
  });
});

describe('byte strings', () => {
  it('compares as Node does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 }), (a, b) => {
        expect(Math.sign(bytes.compareBytes(a, b))).toBe(Buffer.compare(a, b));
        expect(bytes.equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
      }),
    );
  });

  it('concatenates into memory of its own', () => {
    const part = Uint8Array.of(1, 2);
    const whole = bytes.concatBytes(part, new Uint8Array(0), Uint8Array.of(3));
    part[0] = 9;
    expect(whole).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('writes numbers big-endian', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (n) => {
        const expected = Buffer.alloc(8);
        expected.writeBigUInt64BE(BigInt(n));
        expect(bytes.toHex(bytes.u64be(n))).toBe(expected.toString('hex'));
      }),
    );
    expect(bytes.toHex(bytes.u32be(0xffff_fffe))).toBe('fffffffe');
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 53, Infinity])('refuses to write %d', async (n) => {
    expect(await codeOf(() => bytes.u64be(n))).toBe('invalid_argument');
    expect(await codeOf(() => bytes.u32be(n))).toBe('invalid_argument');
    expect(await codeOf(() => bytes.u32be(2 ** 32))).toBe('invalid_argument');
  });

  it('copies for WebCrypto only what lies in shared memory', () => {
    const own = Uint8Array.of(1);
    const shared = new Uint8Array(new SharedArrayBuffer(1));
    expect(bytes.webBytes(own)).toBe(own);
    expect(bytes.webBytes(shared).buffer).toBeInstanceOf(ArrayBuffer);
  });
});
