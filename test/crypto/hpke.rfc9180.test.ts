import * as core from '@hpke/core';
import { XWing } from '@hpke/hybridkem-x-wing';
import { shake128 } from '@noble/hashes/sha3.js';
import { createDecipheriv } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toHex, utf8 } from '../../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../../lib/crypto/hpke.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import type { XWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { bech32Data, codeOf, vectorText, vectors } from './helpers.ts';

type SuiteVector = {
  kem_id: number;
  kdf_id: number;
  aead_id: number;
  info: string;
  ikmE: string;
  ikmR: string;
  pkRm: string;
  enc: string;
};
type FullVector = SuiteVector & { encryptions: { aad: string; ct: string; pt: string }[] };
type AccumulatedVector = SuiteVector & { encryptions_accumulated: string };

const KEMS = {
  16: () => new core.DhkemP256HkdfSha256(),
  18: () => new core.DhkemP521HkdfSha512(),
  32: () => new core.DhkemX25519HkdfSha256(),
} as Record<number, () => ConstructorParameters<typeof core.CipherSuite>[0]['kem']>;
const KDFS = { 1: () => new core.HkdfSha256(), 3: () => new core.HkdfSha512() } as Record<
  number,
  () => ConstructorParameters<typeof core.CipherSuite>[0]['kdf']
>;
const AEADS = { 1: () => new core.Aes128Gcm(), 2: () => new core.Aes256Gcm() } as Record<
  number,
  () => ConstructorParameters<typeof core.CipherSuite>[0]['aead']
>;

/** Whether @hpke/core has the suite: ChaCha20-Poly1305 is another package. */
const isThere = ({ aead_id }: SuiteVector): boolean => aead_id in AEADS;

/** Sender and recipient of a vector, with the vector's ephemeral key. */
async function contextsOf(vector: SuiteVector) {
  const kem = (KEMS[vector.kem_id] as () => core.DhkemX25519HkdfSha256)();
  const kdf = (KDFS[vector.kdf_id] as () => core.HkdfSha256)();
  const aead = (AEADS[vector.aead_id] as () => core.Aes256Gcm)();
  const suite = new core.CipherSuite({ kem, kdf, aead });
  const recipientKey = await suite.kem.deriveKeyPair(fromHex(vector.ikmR).buffer);
  const ekm = await suite.kem.deriveKeyPair(fromHex(vector.ikmE).buffer);
  const publicKey = await suite.kem.serializePublicKey(recipientKey.publicKey);
  expect(toHex(new Uint8Array(publicKey))).toBe(vector.pkRm);
  const info = fromHex(vector.info).buffer;
  const sender = await suite.createSenderContext({
    recipientPublicKey: recipientKey.publicKey,
    info,
    ekm,
  });
  expect(toHex(new Uint8Array(sender.enc))).toBe(vector.enc);
  const enc = fromHex(vector.enc).buffer;
  const recipient = await suite.createRecipientContext({ recipientKey, enc, info });
  return { sender, recipient };
}

describe('RFC 9180 vectors: @hpke/core is believed', () => {
  const full = vectors<FullVector[]>('hpke/test-vectors.x25519-sha256-base.json').filter(isThere);
  it.each(full)('kem $kem_id, kdf $kdf_id, aead $aead_id, all messages', async (vector) => {
    const { sender, recipient } = await contextsOf(vector);
    for (const { aad, ct, pt } of vector.encryptions) {
      const sealed = await sender.seal(fromHex(pt).buffer, fromHex(aad).buffer);
      expect(toHex(new Uint8Array(sealed))).toBe(ct);
      const opened = await recipient.open(fromHex(ct).buffer, fromHex(aad).buffer);
      expect(toHex(new Uint8Array(opened))).toBe(pt);
    }
  });

  const accumulated = vectors<AccumulatedVector[]>('hpke/rfc9180.json').filter(isThere);
  it.each(accumulated)('kem $kem_id, kdf $kdf_id, aead $aead_id, 1,000 random', async (vector) => {
    const { sender } = await contextsOf(vector);
    // The vectors draw inputs from SHAKE128 of nothing and hash all ciphertexts with another.
    const [source, sink] = [shake128.create(), shake128.create()];
    const draw = (): ArrayBuffer => new Uint8Array(source.xof(source.xof(1)[0] as number)).buffer;
    for (let i = 0; i < 1_000; i += 1) {
      const aad = draw();
      sink.update(new Uint8Array(await sender.seal(draw(), aad)));
    }
    expect(toHex(sink.xof(16))).toBe(vector.encryptions_accumulated);
  });
});

describe('X-Wing in HPKE (0x647a): the hybrid vector of age (C2SP CCTV)', () => {
  /** ChaCha20-Poly1305 (RFC 8439), which age uses and @hpke/core has not; for opening only. */
  const chaCha = {
    id: core.AeadId.Chacha20Poly1305,
    keySize: 32,
    nonceSize: 12,
    tagSize: 16,
    createEncryptionContext: (key: ArrayBuffer) => ({
      seal: () => Promise.reject(new Error('only opens')),
      open: async (iv: ArrayBuffer, data: ArrayBuffer) => {
        const bytes = new Uint8Array(data);
        const options = { authTagLength: 16 };
        const nonce = new Uint8Array(iv);
        const cipher = createDecipheriv('chacha20-poly1305', new Uint8Array(key), nonce, options);
        cipher.setAuthTag(bytes.subarray(-16));
        const opened = Buffer.concat([cipher.update(bytes.subarray(0, -16)), cipher.final()]);
        return new Uint8Array(opened).buffer;
      },
    }),
  };

  it.each([
    ['hybrid', true],
    ['hybrid_no_match', false],
  ])('%s: the file key opens: %s', async (name, opens) => {
    const text = vectorText(`age/${name}`);
    const field = (pattern: RegExp): string => pattern.exec(text)?.[1] as string;
    const seed = bech32Data(field(/^identity: (.*)$/m).toLowerCase());
    const [, share, body] = /^-> mlkem768x25519 (\S+)\n(\S+)$/m.exec(text) as unknown as string[];
    const kem = new XWing();
    const kdf = new core.HkdfSha256();
    const suite = new core.CipherSuite({ kem, kdf, aead: chaCha });
    const recipientKey = await kem.deserializePrivateKey(new Uint8Array(seed).buffer);
    const opening = suite.open(
      {
        recipientKey,
        enc: new Uint8Array(Buffer.from(share as string, 'base64')).buffer,
        info: utf8('age-encryption.org/mlkem768x25519').buffer,
      },
      new Uint8Array(Buffer.from(body as string, 'base64')).buffer,
    );
    if (!opens) return expect(opening).rejects.toThrow();
    expect(toHex(new Uint8Array(await opening))).toBe(field(/^file key: (.*)$/m));
  });
});

describe('hpkeSeal and hpkeOpen', () => {
  let pair: XWingKeyPair;
  beforeAll(async () => {
    pair = await xWingKeyPair();
  });
  const info = hpkeInfo({ network: 'n', purpose: 'file-key', subject: 'r', recipient: 'k' });
  const aad = utf8('aad');
  const plaintext = utf8('thirty-two bytes of a file key..');

  it('round-trip, fresh each time', async () => {
    for (const message of [plaintext, new Uint8Array(0), new Uint8Array(100_000)]) {
      const sealed = await hpkeSeal(pair.publicKey, { info, aad, plaintext: message });
      expect(sealed.enc).toHaveLength(1_120);
      expect(sealed.ciphertext).toHaveLength(message.length + 16);
      expect(await hpkeOpen(pair.seed, { ...sealed, info, aad })).toEqual(message);
      const again = await hpkeSeal(pair.publicKey, { info, aad, plaintext: message });
      expect(toHex(again.enc)).not.toBe(toHex(sealed.enc));
    }
  });

  it('read views, not the memory around them', async () => {
    const wide = (bytes: Uint8Array): Uint8Array => {
      const memory = new Uint8Array(bytes.length + 20).fill(9);
      memory.set(bytes, 10);
      return memory.subarray(10, 10 + bytes.length);
    };
    const input = { info: wide(info), aad: wide(aad), plaintext: wide(plaintext) };
    const { enc, ciphertext } = await hpkeSeal(wide(pair.publicKey), input);
    const sealed = { enc: wide(enc), ciphertext: wide(ciphertext), info, aad };
    expect(await hpkeOpen(wide(pair.seed), sealed)).toEqual(plaintext);
  });

  it('refuse another info, aad, key, or any altered or cut part', async () => {
    const sealed = { ...(await hpkeSeal(pair.publicKey, { info, aad, plaintext })), info, aad };
    const flip = (bytes: Uint8Array, at: number): Uint8Array =>
      bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const other = await xWingKeyPair();
    const bad = [
      { ...sealed, info: utf8('other') },
      { ...sealed, aad: new Uint8Array(0) },
      { ...sealed, enc: flip(sealed.enc, 0) },
      { ...sealed, enc: flip(sealed.enc, 1_119) },
      { ...sealed, enc: sealed.enc.subarray(1) },
      { ...sealed, enc: new Uint8Array(1_120) },
      { ...sealed, ciphertext: sealed.ciphertext.subarray(0, -1) },
      { ...sealed, ciphertext: new Uint8Array(0) },
      ...[...sealed.ciphertext.keys()].map((at) => ({
        ...sealed,
        ciphertext: flip(sealed.ciphertext, at),
      })),
    ];
    for (const changed of bad) {
      expect(await codeOf(() => hpkeOpen(pair.seed, changed))).toBe('open_failed');
    }
    expect(await codeOf(() => hpkeOpen(other.seed, sealed))).toBe('open_failed');
    expect(await codeOf(() => hpkeOpen(pair.seed.subarray(1), sealed))).toBe('invalid_key');
  });

  it('refuse public keys of another length or with coefficients out of range', async () => {
    const input = { info, aad, plaintext };
    const short = pair.publicKey.subarray(1);
    const notReduced = new Uint8Array(pair.publicKey).fill(0xff, 0, 1_152);
    expect(await codeOf(() => hpkeSeal(short, input))).toBe('invalid_key');
    // FIPS 203 §7.2: an encapsulation key is refused unless each coefficient is below q.
    expect(await codeOf(() => hpkeSeal(notReduced, input))).toBe('invalid_key');
  });

  it('bind each member of the context, however they concatenate', () => {
    const base = { network: 'a', purpose: 'b', subject: 'c', recipient: 'd' };
    const others = [
      { ...base, network: 'ac', subject: '' },
      { ...base, network: '' },
      { ...base, purpose: 'B' },
      { ...base, subject: 'd', recipient: 'c' },
      { ...base, recipient: 'dd' },
    ].map((context) => toHex(hpkeInfo(context)));
    expect(new Set([toHex(hpkeInfo(base)), ...others]).size).toBe(6);
  });
});
