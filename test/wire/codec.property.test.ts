/** The fast codec agrees with the library, to the byte and to the error. */
import { isDeepStrictEqual } from 'node:util';
import { decode, encode } from '@ipld/dag-cbor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, fromHex, toHex } from '../../lib/crypto/bytes.ts';
import { PLAIN_DEPTH_MAX, writePlain } from '../../lib/wire/cbor-writer.ts';
import { readPlain, unread } from '../../lib/wire/cbor-reader.ts';
import { decodeCbor, encodeCbor } from '../../lib/wire/codec.ts';
import { WireError } from '../../lib/wire/errors.ts';

const bytesMax = 1_048_576;
const runs = { numRuns: 2_000 };

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({ maxLength: 300 }),
  // Lone surrogates, the byte order mark, what names a prototype or a link.
  fc.array(fc.constantFrom('\ud800', '\udc00', '\ufeff', 'a', 'é'), { maxLength: 5 }).map(joined),
  fc.constantFrom('__proto__', '/', 'constructor', 'toString', '', '10', '2'),
);
const integer = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  fc.constantFrom(0, -0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
  fc.constantFrom(-1, -24, -25, -256, -257, -65_537, -(2 ** 32) - 1, -(2 ** 53) + 1),
);
const scalar = fc.oneof(text, integer, fc.boolean(), fc.constant(null), fc.uint8Array());
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(text, tie('value'), { maxKeys: 8, noNullPrototype: true }),
  ),
})).value;
/** What CBOR or the library may know besides: all of it is refused, or left to the library. */
const odd = fc.constantFrom<unknown>(
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  -(2 ** 53),
  10n,
  2n ** 70n,
  undefined,
  new Date(0),
  new Map([['a', 1]]),
  Symbol.iterator,
  { a: undefined },
  { '/': 'link' },
  Object.create(null),
);
const anything = fc.oneof(
  plain,
  odd,
  fc.array(fc.oneof(plain, odd), { maxLength: 4 }),
  fc.dictionary(text, odd, { maxKeys: 3 }),
);

function joined(parts: readonly string[]): string {
  return parts.join('');
}

function outcome(run: () => unknown): unknown {
  try {
    return { value: run() };
  } catch (error) {
    return { code: error instanceof WireError ? error.code : 'error' };
  }
}

/** Also of maps that have a key `constructor`, which `toStrictEqual` takes for a class. */
function expectSame(mine: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(mine, wanted)) expect(mine).toStrictEqual(wanted);
  expect(isDeepStrictEqual(mine, wanted)).toBe(true);
}

/** What `decodeCbor` did before there was a faster way: the library, then the same bytes again. */
function decodeByLibrary(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = decode(bytes);
  } catch {
    throw new WireError('malformed', 'not deterministic CBOR');
  }
  if (!equalBytes(encode(value), bytes)) throw new WireError('not_canonical', 'not canonical');
  return value;
}

describe('writing', () => {
  it('gives the bytes of the library for plain values, and without its help', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const wanted = toHex(encode(value));
        expect(toHex(encodeCbor(value))).toBe(wanted);
        const hasLink = JSON.stringify(value).includes('"/":');
        if (!hasLink) expect(toHex(writePlain(value) ?? new Uint8Array())).toBe(wanted);
      }),
      runs,
    );
  });

  it('does what the library does with anything else', () => {
    const hexOf = (write: (value: unknown) => Uint8Array, value: unknown) =>
      outcome(() => toHex(write(value)));
    fc.assert(
      fc.property(anything, (value) => {
        expect(hexOf(encodeCbor, value)).toEqual(hexOf(encode, value));
      }),
      runs,
    );
  });

  it('sorts many keys, and keys of every length', () => {
    const keys = fc.uniqueArray(text, { minLength: 65, maxLength: 200 });
    fc.assert(
      fc.property(keys, (names) => {
        const map = Object.fromEntries(names.map((name, index) => [`k${name}`, index]));
        expect(toHex(encodeCbor(map))).toBe(toHex(encode(map)));
      }),
      { numRuns: 100 },
    );
  });

  it('gives bytes that later writing does not change', () => {
    const first = encodeCbor({ a: 'x'.repeat(10_000) });
    const before = toHex(first);
    encodeCbor({ b: 'y'.repeat(20_000) });
    expect(toHex(first)).toBe(before);
  });
});

describe('reading', () => {
  it('gives back what was written, as the library does', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const bytes = encode(value);
        const read = readPlain(bytes);
        if (read !== unread) expect(toHex(encode(read))).toBe(toHex(bytes));
        expectSame(
          outcome(() => decodeCbor(bytes, bytesMax)),
          outcome(() => decodeByLibrary(bytes)),
        );
      }),
      runs,
    );
  });

  it('takes and refuses exactly what the library does, of bytes with faults', () => {
    const fault = fc.record({ at: fc.nat(), put: fc.nat(255), kind: fc.nat(2) });
    const faulty = fc.tuple(anything, fc.array(fault, { maxLength: 3 })).map(([value, faults]) => {
      const written = outcome(() => [...encode(value)]) as { value?: number[] };
      const bytes = written.value ?? [0xf6];
      for (const { at, put, kind } of faults) {
        const place = at % (bytes.length + 1);
        if (kind === 0) bytes[Math.min(place, bytes.length - 1)] = put;
        else if (kind === 1) bytes.splice(place, 0, put);
        else bytes.splice(place, 1);
      }
      return Uint8Array.from(bytes);
    });
    fc.assert(
      fc.property(fc.oneof(faulty, fc.uint8Array({ maxLength: 24 })), (bytes) => {
        expectSame(
          outcome(() => decodeCbor(bytes, bytesMax)),
          outcome(() => decodeByLibrary(bytes)),
        );
      }),
      { numRuns: 10_000 },
    );
  });

  it.each([
    ['a longer head than needed', '1801', 'malformed'],
    ['a head that is cut off', '19ff', 'malformed'],
    ['keys out of order', 'a2616201616101', 'not_canonical'],
    ['a longer key first', 'a262616101616201', 'not_canonical'],
    ['a key twice', 'a2616101616102', 'malformed'],
    ['a key that is no text', 'a10101', 'malformed'],
    ['bad UTF-8', '61ff', 'not_canonical'],
    ['an indefinite length', '9f01ff', 'malformed'],
    ['undefined', 'f7', 'not_canonical'],
    ['a tag', 'c101', 'malformed'],
    ['a short float', 'f93c00', 'not_canonical'],
    ['something behind', '0101', 'malformed'],
    ['nothing', '', 'malformed'],
    ['a length beyond the end', '9b001fffffffffffff', 'malformed'],
  ])('refuses %s', (_, hex, code) => {
    expect(readPlain(fromHex(hex))).toBe(unread);
    expect(outcome(() => decodeCbor(fromHex(hex), bytesMax))).toEqual({ code });
  });

  it('leaves what is nested deep to the library, which takes or refuses it as before', () => {
    const deep = (levels: number): Uint8Array =>
      Uint8Array.from([...Array<number>(levels).fill(0x81), 0x01]);
    const beyond = deep(PLAIN_DEPTH_MAX + 1);
    expect(readPlain(deep(PLAIN_DEPTH_MAX))).not.toBe(unread);
    expect(readPlain(beyond)).toBe(unread);
    expect(toHex(encodeCbor(decodeCbor(beyond, bytesMax)))).toBe(toHex(beyond));
    expect(outcome(() => decodeCbor(deep(500_000), bytesMax))).toEqual({ code: 'malformed' });
  });

  it('gives bytes that share nothing with what was read', () => {
    const bytes = encode({ a: Uint8Array.of(1, 2, 3) });
    for (const source of [Uint8Array.from(bytes), Buffer.from(bytes)]) {
      const read = decodeCbor(source, bytesMax) as { a: Uint8Array };
      source.fill(0);
      expect([...read.a]).toEqual([1, 2, 3]);
      expect(Buffer.isBuffer(read.a)).toBe(false);
    }
  });
});
