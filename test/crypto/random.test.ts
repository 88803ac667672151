import { describe, expect, it } from 'vitest';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';

describe('randomness', () => {
  it.each([0, 1, 32, 65_536, 65_537, 200_000])('gives %d bytes', (length) => {
    expect(randomBytes(length)).toHaveLength(length);
  });

  it('fills past the limit of one WebCrypto call', () => {
    expect(randomBytes(65_536 + 64).subarray(65_536)).not.toEqual(new Uint8Array(64));
  });

  it('gives ids of 128 bits that do not repeat', () => {
    const ids = Array.from({ length: 1_000 }, () => randomId());
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(fromBase64url(id)).toHaveLength(16);
  });
});
