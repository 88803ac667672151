import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toHex } from '../../lib/crypto/bytes.ts';
import { vectors } from './helpers.ts';

type GcmVectors = {
  testGroups: {
    ivSize: number;
    tagSize: number;
    tests: {
      tcId: number;
      key: string;
      iv: string;
      aad: string;
      msg: string;
      ct: string;
      tag: string;
      result: string;
    }[];
  }[];
};

/** The files use 96-bit nonces and 128-bit tags only, so these are what WebCrypto is tried on. */
const groups = vectors<GcmVectors>('wycheproof/aes_gcm_test.json').testGroups.filter(
  ({ ivSize, tagSize }) => ivSize === 96 && tagSize === 128,
);

describe('AES-GCM of WebCrypto (SP 800-38D, Wycheproof)', () => {
  it.each(groups.flatMap(({ tests }) => tests))('case $tcId: $result', async (test) => {
    const { subtle } = globalThis.crypto;
    const usages: KeyUsage[] = ['encrypt', 'decrypt'];
    const key = await subtle.importKey('raw', fromHex(test.key), 'AES-GCM', false, usages);
    const params = {
      name: 'AES-GCM',
      iv: fromHex(test.iv),
      additionalData: fromHex(test.aad),
      tagLength: 128,
    };
    const sealed = concatBytes(fromHex(test.ct), fromHex(test.tag));
    const opening = subtle.decrypt(params, key, sealed);
    if (test.result !== 'valid') return expect(opening).rejects.toThrow();
    expect(toHex(new Uint8Array(await opening))).toBe(test.msg);
    const again = await subtle.encrypt(params, key, fromHex(test.msg));
    expect(toHex(new Uint8Array(again))).toBe(toHex(sealed));
  });
});
