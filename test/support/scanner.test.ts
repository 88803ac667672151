import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Scanner } from '../e2e/support/scanner.ts';
import { wrappings } from '../e2e/support/wrappings.ts';

const NAME = 'Zsófia Öhrenfeld-Quist';
const KEY = new Uint8Array(randomBytes(32));
const scanner = new Scanner([
  { name: 'name', value: NAME },
  { name: 'key', value: KEY },
]);

const viasOf = (bytes: Uint8Array): string[] =>
  scanner
    .scan(bytes)
    .filter((one) => one.needle === 'name')
    .map((one) => one.via);

describe('the scanner finds a name', () => {
  it.each(wrappings)('as $name', ({ wrap, via }) => {
    expect(viasOf(wrap(NAME))).toContain(via);
  });

  it.each(wrappings)('as $name, amid random bytes', ({ wrap, via }) => {
    const bytes = Buffer.concat([randomBytes(5_000), wrap(NAME), randomBytes(5_000)]);
    expect(viasOf(bytes)).toContain(via);
  });

  it.each(wrappings)('as $name, in each of them once more', ({ wrap }) => {
    for (const outer of wrappings.filter((one) => one.name.includes('base64'))) {
      const text = wrap(NAME).toString('base64');
      expect(viasOf(outer.wrap(text)), outer.name).not.toEqual([]);
    }
  });

  it('in a compressed member that is cut off, and in the second of two', () => {
    const member = gzipSync(Buffer.from(NAME + randomBytes(9_000).toString('hex')));
    expect(viasOf(member.subarray(0, 3_000))).toContain('gzip > utf8');
    const first = gzipSync(Buffer.from('nothing'));
    expect(viasOf(Buffer.concat([first, member]))).toContain('gzip > utf8');
  });
});

describe('the scanner', () => {
  it('finds a key in hexadecimal, in base64 and as it is', () => {
    const found = (bytes: Uint8Array): string[] => scanner.scan(bytes).map((one) => one.via);
    expect(found(KEY)).toEqual(['bytes']);
    const hex = Buffer.from(Buffer.from(KEY).toString('hex'));
    expect(found(hex)).toContain('hex > bytes');
    const pkcs8 = Buffer.concat([randomBytes(36), KEY, randomBytes(70)]);
    expect(found(Buffer.from(`"${pkcs8.toString('base64url')}"`))).toContain('base64 > bytes');
  });

  it('finds nothing where there is nothing', () => {
    const bytes = randomBytes(300_000);
    const text = Buffer.from(bytes.toString('base64'));
    expect(scanner.scan(bytes)).toEqual([]);
    expect(scanner.scan(text)).toEqual([]);
    expect(scanner.scan(gzipSync(text))).toEqual([]);
    expect(scanner.scan(new Uint8Array(0))).toEqual([]);
  });

  it('refuses needles that chance would find', () => {
    expect(() => new Scanner([{ name: 'short', value: 'Quist' }])).toThrow(RangeError);
  });

  it('says where a needle stands, for every one that overlaps', () => {
    const two = new Scanner([
      { name: 'whole', value: 'abcdefgh' },
      { name: 'part', value: 'bcdefg' },
    ]);
    expect(two.scan(Buffer.from('..abcdefgh'))).toEqual([
      { needle: 'part', via: 'utf8', at: 3 },
      { needle: 'whole', via: 'utf8', at: 2 },
    ]);
  });
});
