import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../lib/crypto/bytes.ts';
import { commit, plaintextCommitment } from '../../lib/crypto/commitment.ts';
import { fileDigest } from '../../lib/crypto/file-digest.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { codeOf, sampleBytes, streamOf } from './helpers.ts';

const salt = sampleBytes(32);

describe('commitment', () => {
  it('changes with use, salt and value', () => {
    const all = [
      commit('a', salt, utf8('v')),
      commit('b', salt, utf8('v')),
      commit('a', sampleBytes(32).reverse(), utf8('v')),
      commit('a', salt, utf8('w')),
      commit('a', salt, new Uint8Array(0)),
    ].map(toHex);
    expect(new Set(all).size).toBe(all.length);
    expect(toHex(commit('a', salt, utf8('v')))).toBe(all[0]);
  });

  it('refuses a salt that is not 32 bytes', async () => {
    for (const length of [0, 31, 33]) {
      const bad = new Uint8Array(length);
      expect(await codeOf(() => commit('a', bad, utf8('v')))).toBe('invalid_argument');
      expect(await codeOf(() => plaintextCommitment(bad))).toBe('invalid_argument');
    }
  });
});

describe('commitment to a plaintext', () => {
  it('is the tagged hash of salt and file digest, in any chunking', async () => {
    const bytes = sampleBytes(9_000_000);
    const { digest } = await fileDigest(streamOf(bytes));
    for (const sizes of [[bytes.length], [65_536], [4_194_304, 1]]) {
      const commitment = plaintextCommitment(salt);
      for await (const chunk of streamOf(bytes, sizes)) await commitment.update(chunk);
      expect(await commitment.finish()).toEqual(taggedHash('plaintext', salt, digest));
    }
  });

  it('keeps the salt that it was given', async () => {
    const own = new Uint8Array(salt);
    const commitment = plaintextCommitment(own);
    own.fill(0);
    const { digest } = await fileDigest(streamOf(new Uint8Array(0)));
    expect(await commitment.finish()).toEqual(taggedHash('plaintext', salt, digest));
  });
});
