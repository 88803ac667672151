import fc from 'fast-check';
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromBase64url, fromHex, toHex, utf8 } from '../../lib/crypto/bytes.ts';
import * as p256 from '../../lib/crypto/p256.ts';
import { codeOf, vectors } from './helpers.ts';

type EcdsaVectors = {
  testGroups: {
    publicKey: { uncompressed: string };
    publicKeyDer: string;
    tests: { tcId: number; comment: string; msg: string; sig: string; result: string }[];
  }[];
};

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const hex32 = (n: bigint): string => n.toString(16).padStart(64, '0');

function casesOf(path: string) {
  return vectors<EcdsaVectors>(path).testGroups.flatMap(({ publicKey, publicKeyDer, tests }) =>
    tests.map((test) => ({ ...test, publicKey: publicKey.uncompressed, spki: publicKeyDer })),
  );
}

describe('Wycheproof ecdsa_secp256r1_sha256_p1363', () => {
  const cases = casesOf('wycheproof/ecdsa_secp256r1_sha256_p1363_test.json');

  it.each(cases)('case $tcId: $result ($comment)', async (test) => {
    const [key, data, sig] = [fromHex(test.publicKey), fromHex(test.msg), fromHex(test.sig)];
    const isValid = test.result === 'valid';
    expect(await p256.verifyP256AnyS(key, data, sig)).toBe(isValid);
    const isLow = sig.length === 64 && BigInt(`0x${toHex(sig.subarray(32))}`) <= ORDER / 2n;
    expect(await p256.verifyP256(key, data, sig)).toBe(isValid && isLow);
    if (isValid) expect(await p256.verifyP256(key, data, p256.normaliseLowS(sig))).toBe(true);
  });

  it('has cases of both forms of S', () => {
    const valid = cases.filter(({ result }) => result === 'valid');
    const low = valid.filter(({ sig }) => p256.isLowS(fromHex(sig))).length;
    expect([low > 0, low < valid.length]).toEqual([true, true]);
  });
});

describe('Wycheproof ecdsa_secp256r1_sha256 (DER)', () => {
  const cases = casesOf('wycheproof/ecdsa_secp256r1_sha256_test.json');

  it.each(cases)('case $tcId: $result ($comment)', async (test) => {
    let isGood: boolean;
    try {
      const raw = p256.derToRaw(fromHex(test.sig));
      isGood = await p256.verifyP256AnyS(fromHex(test.publicKey), fromHex(test.msg), raw);
    } catch {
      expect(await codeOf(() => p256.derToRaw(fromHex(test.sig)))).toBe('invalid_encoding');
      isGood = false;
    }
    expect(isGood).toBe(test.result === 'valid');
  });

  it('reads and writes the SubjectPublicKeyInfo of every key', () => {
    for (const { publicKey, spki } of cases) {
      expect(toHex(p256.spkiToRaw(fromHex(spki)))).toBe(publicKey);
      expect(toHex(p256.rawToSpki(fromHex(publicKey)))).toBe(spki);
    }
  });
});

describe('signing', () => {
  let key: p256.WebSigningKey;
  beforeAll(async () => {
    key = await p256.generateSigningKey({ extractable: true });
  });

  it('always gives low S that verifies', async () => {
    for (let i = 0; i < 40; i += 1) {
      const data = utf8(`message ${i}`);
      const signature = await key.sign(data);
      expect(p256.isLowS(signature)).toBe(true);
      expect(await p256.verifyP256(key.publicKey, data, signature)).toBe(true);
    }
  });

  it('refuses the other form of each signature, other data and another key', async () => {
    const data = utf8('consent');
    const signature = await key.sign(data);
    const s = BigInt(`0x${toHex(signature.subarray(32))}`);
    const malleated = fromHex(toHex(signature.subarray(0, 32)) + hex32(ORDER - s));
    expect(await p256.verifyP256(key.publicKey, data, malleated)).toBe(false);
    expect(await p256.verifyP256AnyS(key.publicKey, data, malleated)).toBe(true);
    expect(p256.normaliseLowS(malleated)).toEqual(signature);
    expect(await p256.verifyP256(key.publicKey, utf8('other'), signature)).toBe(false);
    const other = await p256.generateSigningKey();
    expect(await p256.verifyP256(other.publicKey, data, signature)).toBe(false);
  });

  it('verifies what OpenSSL signed, from its DER', async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const publicKey = p256.spkiToRaw(pair.publicKey.export({ format: 'der', type: 'spki' }));
    for (let i = 0; i < 20; i += 1) {
      const data = utf8(`kms ${i}`);
      const raw = p256.derToRaw(sign('sha256', data, pair.privateKey));
      expect(await p256.verifyP256(publicKey, data, p256.normaliseLowS(raw))).toBe(true);
    }
  });

  it('keeps a key over PKCS #8', async () => {
    const pkcs8 = await p256.exportSigningKey(key);
    const again = await p256.importSigningKey(pkcs8);
    expect(again.publicKey).toEqual(key.publicKey);
    const signature = await again.sign(utf8('x'));
    expect(await p256.verifyP256(key.publicKey, utf8('x'), signature)).toBe(true);
    expect(await codeOf(() => p256.exportSigningKey(again))).toBe('invalid_key');
    const open = await p256.importSigningKey(pkcs8, { extractable: true });
    expect(await p256.exportSigningKey(open)).toEqual(pkcs8);
  });

  it('does not give out a key that was not made extractable', async () => {
    const closed = await p256.generateSigningKey();
    expect(await codeOf(() => p256.exportSigningKey(closed))).toBe('invalid_key');
  });

  it('refuses a PKCS #8 that is damaged, of another curve or of mixed halves', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    const pkcs8 = await p256.exportSigningKey(key);
    const mixed = new Uint8Array(pkcs8);
    const foreign = await p256.generateSigningKey();
    mixed.set(foreign.publicKey, mixed.length - p256.PUBLIC_KEY_BYTES);
    const bad = [
      pkcs8.subarray(1),
      new Uint8Array(0),
      other.export({ format: 'der', type: 'pkcs8' }),
      mixed,
    ];
    for (const bytes of bad) {
      expect(await codeOf(() => p256.importSigningKey(bytes))).toBe('invalid_key');
    }
  });
});

describe('low S', () => {
  it('is at most n / 2, exactly', () => {
    const one = hex32(1n);
    expect(p256.isLowS(fromHex(one + hex32(ORDER / 2n)))).toBe(true);
    expect(p256.isLowS(fromHex(one + hex32(ORDER / 2n + 1n)))).toBe(false);
    expect(p256.isLowS(new Uint8Array(63))).toBe(false);
  });

  it('has one form of s and n − s, for every s', () => {
    const scalar = fc.bigInt({ min: 1n, max: ORDER - 1n });
    fc.assert(
      fc.property(scalar, scalar, (r, s) => {
        const low = p256.normaliseLowS(fromHex(hex32(r) + hex32(s)));
        expect(p256.isLowS(low)).toBe(true);
        expect(p256.normaliseLowS(fromHex(hex32(r) + hex32(ORDER - s)))).toEqual(low);
      }),
    );
  });

  it.each([
    ['r = 0', 0n, 1n],
    ['s = 0', 1n, 0n],
    ['r = n', ORDER, 1n],
    ['s = n', 1n, ORDER],
    ['all ones', 2n ** 256n - 1n, 2n ** 256n - 1n],
  ])('is refused for %s', async (_, r, s) => {
    const signature = fromHex(hex32(r) + hex32(s));
    expect(await codeOf(() => p256.normaliseLowS(signature))).toBe('invalid_signature');
    const key = await p256.generateSigningKey();
    expect(await p256.verifyP256AnyS(key.publicKey, utf8(''), signature)).toBe(false);
  });
});

describe('public keys', () => {
  // RFC 9449 §4.1 and §6.1: the key of the DPoP examples and its thumbprint.
  const jwk = {
    kty: 'EC',
    x: 'l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs',
    y: '9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA',
    crv: 'P-256',
  };

  it('have the RFC 7638 thumbprint', () => {
    expect(p256.thumbprint(p256.jwkToPublicKey(jwk))).toBe(
      '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I',
    );
  });

  it('keep their bytes over JWK and SubjectPublicKeyInfo, and Node reads both', () => {
    const raw = p256.jwkToPublicKey({ ...jwk, kid: 'ignored', use: 'sig' });
    expect(p256.publicKeyToJwk(raw)).toEqual(jwk);
    expect(p256.spkiToRaw(p256.rawToSpki(raw))).toEqual(raw);
    const spki = Buffer.from(p256.rawToSpki(raw));
    const read = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    expect(read.export({ format: 'jwk' })).toEqual(jwk);
  });

  it.each([
    null,
    'text',
    {},
    { ...jwk, kty: 'OKP' },
    { ...jwk, crv: 'P-384' },
    { ...jwk, x: jwk.x.slice(0, 40) },
    { ...jwk, d: jwk.x },
  ])('are refused as JWK %j', async (bad) => {
    expect(await codeOf(() => p256.jwkToPublicKey(bad))).toBe('invalid_key');
  });

  it('are refused with a coordinate that is not canonical', async () => {
    const bad = { ...jwk, x: `${jwk.x.slice(0, -1)}t` };
    expect(await codeOf(() => p256.jwkToPublicKey(bad))).toBe('invalid_encoding');
  });

  it('are refused as SubjectPublicKeyInfo of another curve, form or length', async () => {
    const spki = p256.rawToSpki(p256.jwkToPublicKey(jwk));
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
    const compressed = new Uint8Array(spki);
    compressed[26] = 0x02;
    const bad = [
      p384.export({ format: 'der', type: 'spki' }),
      compressed,
      spki.subarray(0, 90),
      Uint8Array.of(...spki, 0),
    ];
    for (const bytes of bad) {
      expect(await codeOf(() => p256.spkiToRaw(bytes))).toBe('invalid_key');
    }
  });

  it('never verify where they are no points of the curve', async () => {
    const key = await p256.generateSigningKey();
    const signature = await key.sign(utf8('x'));
    const offCurve = new Uint8Array(key.publicKey);
    offCurve[64] = (offCurve[64] as number) ^ 1;
    const infinity = Uint8Array.of(0);
    const compressed = key.publicKey.slice(0, 33).fill(2, 0, 1);
    const zero = new Uint8Array(65).fill(4, 0, 1);
    for (const bad of [offCurve, infinity, compressed, zero, new Uint8Array(0)]) {
      expect(await p256.verifyP256(bad, utf8('x'), signature)).toBe(false);
    }
    expect(await codeOf(() => p256.thumbprint(infinity))).toBe('invalid_key');
  });

  it('verify still after more keys than are kept parsed', async () => {
    const key = await p256.generateSigningKey();
    const signature = await key.sign(utf8('x'));
    expect(await p256.verifyP256(key.publicKey, utf8('x'), signature)).toBe(true);
    for (let i = 0; i < 1_030; i += 1) {
      const other = await p256.generateSigningKey();
      await p256.verifyP256(other.publicKey, utf8('x'), signature);
    }
    expect(await p256.verifyP256(key.publicKey, utf8('x'), signature)).toBe(true);
  });
});

describe('RFC 7515 A.3', () => {
  it('verifies the ES256 example', async () => {
    const publicKey = p256.jwkToPublicKey({
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    });
    const input =
      'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l' +
      'eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ';
    const signature = fromBase64url(
      'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q',
    );
    expect(await p256.verifyP256AnyS(publicKey, utf8(input), signature)).toBe(true);
  });
});
