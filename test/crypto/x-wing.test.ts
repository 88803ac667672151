import { identityToRecipient } from 'age-encryption';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { bech32Data, codeOf, vectorText } from './helpers.ts';

describe('X-Wing key pairs', () => {
  const identity = /^identity: (.*)$/m.exec(vectorText('age/hybrid'))?.[1] as string;

  it('are those of age for the same seed (CCTV vector, another implementation)', async () => {
    const recipient = await identityToRecipient(identity);
    const { publicKey } = await xWingKeyPair(bech32Data(identity.toLowerCase()));
    expect(toHex(publicKey)).toBe(toHex(bech32Data(recipient)));
  });

  it('come from the seed alone, wherever it lies in memory', async () => {
    const memory = sha256(Uint8Array.of(1));
    const wide = new Uint8Array(64);
    wide.set(memory, 16);
    const pair = await xWingKeyPair(memory);
    const other = await xWingKeyPair(wide.subarray(16, 48));
    expect(other.publicKey).toEqual(pair.publicKey);
    expect(other.seed).toEqual(pair.seed);
    expect(pair.publicKey).toHaveLength(1_216);
  });

  it('leave the caller its seed: neither changes the other', async () => {
    const seed = new Uint8Array(32).fill(7);
    const pair = await xWingKeyPair(seed);
    expect(seed).toEqual(new Uint8Array(32).fill(7));
    seed.fill(0);
    expect(pair.seed).toEqual(new Uint8Array(32).fill(7));
  });

  it('are fresh without a seed', async () => {
    const [a, b] = [await xWingKeyPair(), await xWingKeyPair()];
    expect(toHex(a.seed)).not.toBe(toHex(b.seed));
    expect((await xWingKeyPair(a.seed)).publicKey).toEqual(a.publicKey);
  });

  it.each(['', '00', '00'.repeat(33), '00'.repeat(64)])('refuse a seed %s', async (text) => {
    expect(await codeOf(() => xWingKeyPair(fromHex(text)))).toBe('invalid_key');
  });
});
