/** ECDSA over P-256 with SHA-256 (FIPS 186-5) by WebCrypto; signatures here have low S. */

import { compareBytes, concatBytes, equalBytes, fromBase64url, fromHex } from './bytes.ts';
import { toBase64url, toHex, utf8, webBytes } from './bytes.ts';
import type { Bytes } from './bytes.ts';
import { CryptoError } from './errors.ts';
import { sha256 } from './hash.ts';

/** The signing port: what signs, wherever the private key is (WebCrypto, KMS, a simulator). */
export type SigningKey = {
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array;
  /** Signs SHA-256 of `data`; gives r‖s, 64 bytes, with low S. */
  sign(data: Uint8Array): Promise<Uint8Array>;
};

/** A signing key whose private half is a WebCrypto key. */
export type WebSigningKey = SigningKey & { readonly privateKey: CryptoKey };

/** A P-256 public key as RFC 7518 §6.2.1 writes it. */
export type PublicJwk = {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
};

/** Length of an uncompressed point, in bytes. */
export const PUBLIC_KEY_BYTES = 65;

/** Length of r‖s, in bytes. */
export const SIGNATURE_BYTES = 64;

const COORDINATE_BYTES = 32;
const UNCOMPRESSED_POINT = 0x04;
const IMPORTED_KEYS_MAX = 1_024;

/** The order n of the group (SP 800-186 §3.2.1.3), and ⌊n / 2⌋: the largest low S. */
const ORDER = fromHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const HALF_ORDER = fromHex('7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8');
const ZERO = new Uint8Array(COORDINATE_BYTES);

/** DER of SubjectPublicKeyInfo for id-ecPublicKey on P-256 (RFC 5480), up to the point. */
const SPKI_PREFIX = fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200');

const DER_SEQUENCE = 0x30;
const DER_INTEGER = 0x02;

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGN_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** Public keys that WebCrypto has parsed, least recently used first. */
const importedKeys = new Map<string, CryptoKey>();

/** A new key; `extractable` (default false) lets `exportSigningKey` give it out. */
export async function generateSigningKey(options?: {
  readonly extractable?: boolean | undefined;
}): Promise<WebSigningKey> {
  const extractable = options?.extractable ?? false;
  const pair = await globalThis.crypto.subtle.generateKey(KEY_ALGORITHM, extractable, [
    'sign',
    'verify',
  ]);
  const point = await globalThis.crypto.subtle.exportKey('raw', pair.publicKey);
  return webSigningKey(pair.privateKey, new Uint8Array(point));
}

/**
 * The key of PKCS #8 `pkcs8` (RFC 5958); `extractable` as in `generateSigningKey`. The public half
 * that the file claims is tried against the private one. Throws `invalid_key`.
 */
export async function importSigningKey(
  pkcs8: Uint8Array,
  options?: { readonly extractable?: boolean | undefined },
): Promise<WebSigningKey> {
  try {
    const { subtle } = globalThis.crypto;
    const bytes = webBytes(pkcs8);
    const parsed = await subtle.importKey('pkcs8', bytes, KEY_ALGORITHM, true, ['sign']);
    const publicKey = jwkToPublicKey({ ...(await subtle.exportKey('jwk', parsed)), d: undefined });
    const extractable = options?.extractable ?? false;
    const privateKey = extractable
      ? parsed
      : await subtle.importKey('pkcs8', bytes, KEY_ALGORITHM, false, ['sign']);
    const key = webSigningKey(privateKey, publicKey);
    if (!(await verifyP256(publicKey, pkcs8, await key.sign(pkcs8)))) {
      throw new CryptoError('invalid_key', 'public and private halves do not belong together');
    }
    return key;
  } catch (cause) {
    if (cause instanceof CryptoError) throw cause;
    throw new CryptoError('invalid_key', 'not a PKCS #8 P-256 private key', { cause });
  }
}

/** PKCS #8 of an extractable key. Throws `invalid_key` where the key is not extractable. */
export async function exportSigningKey(key: { readonly privateKey: CryptoKey }): Promise<Bytes> {
  try {
    return new Uint8Array(await globalThis.crypto.subtle.exportKey('pkcs8', key.privateKey));
  } catch (cause) {
    throw new CryptoError('invalid_key', 'the private key is not extractable', { cause });
  }
}

/** Whether s of r‖s is at most n / 2. False on another length; ranges are not judged here. */
export function isLowS(signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  return compareBytes(signature.subarray(COORDINATE_BYTES), HALF_ORDER) <= 0;
}

/**
 * The same signature with low S, so that it has one form: (r, s) and (r, n − s) both verify.
 * Throws `invalid_signature` where r or s is not in 1 … n − 1.
 */
export function normaliseLowS(signature: Uint8Array): Bytes {
  if (!isInRange(signature)) {
    throw new CryptoError('invalid_signature', 'r or s is not in 1 … n − 1');
  }
  const out = new Uint8Array(signature);
  if (isLowS(out)) return out;
  const s = BigInt(`0x${toHex(out.subarray(COORDINATE_BYTES))}`);
  const lowS = BigInt(`0x${toHex(ORDER)}`) - s;
  out.set(fromHex(lowS.toString(16).padStart(2 * COORDINATE_BYTES, '0')), COORDINATE_BYTES);
  return out;
}

/** r‖s of a DER `ECDSA-Sig-Value` (RFC 3279 §2.2.3). Throws `invalid_encoding` on any BER. */
export function derToRaw(der: Uint8Array): Bytes {
  const out = new Uint8Array(SIGNATURE_BYTES);
  // Both integers of P-256 fit 72 bytes, so every length has the short form of one byte.
  if (der[0] !== DER_SEQUENCE || der[1] !== der.length - 2 || der.length > 72) {
    throw new CryptoError('invalid_encoding', 'not a DER sequence of P-256 size');
  }
  const afterR = copyDerInteger(der, 2, out.subarray(0, COORDINATE_BYTES));
  const afterS = copyDerInteger(der, afterR, out.subarray(COORDINATE_BYTES));
  if (afterS !== der.length) {
    throw new CryptoError('invalid_encoding', 'bytes follow s in the DER sequence');
  }
  return out;
}

/** The 65-byte point of a DER SubjectPublicKeyInfo, P-256 and uncompressed only: `invalid_key`. */
export function spkiToRaw(spki: Uint8Array): Bytes {
  const point = spki.subarray(SPKI_PREFIX.length);
  if (!equalBytes(spki.subarray(0, SPKI_PREFIX.length), SPKI_PREFIX) || !isPoint(point)) {
    throw new CryptoError('invalid_key', 'not the SubjectPublicKeyInfo of a P-256 key');
  }
  return new Uint8Array(point);
}

/** The DER SubjectPublicKeyInfo of a 65-byte point. Throws `invalid_key`. */
export function rawToSpki(publicKey: Uint8Array): Bytes {
  return concatBytes(SPKI_PREFIX, requirePoint(publicKey));
}

/** Whether a signature over data is of a public key: a port, so that a simulation is deterministic. */
export type VerifySignature = (
  publicKey: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
) => Promise<boolean>;

/**
 * Whether `signature` (r‖s, low S) over SHA-256 of `data` is of `publicKey`. False, never an
 * error, on a malformed key or signature.
 */
export async function verifyP256(
  publicKey: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  return isLowS(signature) && (await verifyP256AnyS(publicKey, data, signature));
}

/** As `verifyP256`, with high S too: for X.509 and OAuth, whose signers do not normalise. */
export async function verifyP256AnyS(
  publicKey: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (!isInRange(signature)) return false;
  const key = await importedKey(publicKey);
  if (key === undefined) return false;
  const { subtle } = globalThis.crypto;
  return subtle.verify(SIGN_ALGORITHM, key, webBytes(signature), webBytes(data));
}

/** The JWK of a 65-byte point. Throws `invalid_key`. */
export function publicKeyToJwk(publicKey: Uint8Array): PublicJwk {
  const point = requirePoint(publicKey);
  return {
    kty: 'EC',
    crv: 'P-256',
    x: toBase64url(point.subarray(1, 1 + COORDINATE_BYTES)),
    y: toBase64url(point.subarray(1 + COORDINATE_BYTES)),
  };
}

/**
 * The 65-byte point of a public JWK; members such as `kid` or `use` are ignored. Throws
 * `invalid_key`, also on a private JWK: it has no business where a public one is read.
 */
export function jwkToPublicKey(jwk: unknown): Bytes {
  const { kty, crv, x, y, d } = (jwk ?? {}) as Record<string, unknown>;
  if (kty !== 'EC' || crv !== 'P-256' || typeof x !== 'string' || typeof y !== 'string') {
    throw new CryptoError('invalid_key', 'not a P-256 JWK');
  }
  if (d !== undefined) throw new CryptoError('invalid_key', 'the JWK holds a private key');
  const [xBytes, yBytes] = [fromBase64url(x), fromBase64url(y)];
  if (xBytes.length !== COORDINATE_BYTES || yBytes.length !== COORDINATE_BYTES) {
    throw new CryptoError('invalid_key', 'a coordinate of the JWK is not 32 bytes');
  }
  return concatBytes(Uint8Array.of(UNCOMPRESSED_POINT), xBytes, yBytes);
}

/** The RFC 7638 thumbprint of a 65-byte point: SHA-256 as base64url, 43 characters. */
export function thumbprint(publicKey: Uint8Array): string {
  const { crv, kty, x, y } = publicKeyToJwk(publicKey);
  // RFC 7638 §3: the required members only, in lexicographic order, without white space.
  return toBase64url(sha256(utf8(JSON.stringify({ crv, kty, x, y }))));
}

function webSigningKey(privateKey: CryptoKey, publicKey: Uint8Array): WebSigningKey {
  return {
    publicKey,
    privateKey,
    async sign(data: Uint8Array): Promise<Uint8Array> {
      const { subtle } = globalThis.crypto;
      const signature = await subtle.sign(SIGN_ALGORITHM, privateKey, webBytes(data));
      return normaliseLowS(new Uint8Array(signature));
    },
  };
}

/** The parsed key, or undefined where the point is not of the curve; only good keys are kept. */
async function importedKey(publicKey: Uint8Array): Promise<CryptoKey | undefined> {
  if (!isPoint(publicKey)) return undefined;
  const id = toHex(publicKey);
  const known = importedKeys.get(id);
  if (known !== undefined) {
    importedKeys.delete(id);
    importedKeys.set(id, known);
    return known;
  }
  try {
    const { subtle } = globalThis.crypto;
    const bytes = webBytes(publicKey);
    const key = await subtle.importKey('raw', bytes, KEY_ALGORITHM, false, ['verify']);
    importedKeys.set(id, key);
    if (importedKeys.size > IMPORTED_KEYS_MAX) {
      for (const oldest of importedKeys.keys()) {
        importedKeys.delete(oldest);
        break;
      }
    }
    return key;
  } catch {
    return undefined;
  }
}

function isPoint(publicKey: Uint8Array): boolean {
  return publicKey.length === PUBLIC_KEY_BYTES && publicKey[0] === UNCOMPRESSED_POINT;
}

function requirePoint(publicKey: Uint8Array): Uint8Array {
  if (!isPoint(publicKey)) {
    throw new CryptoError('invalid_key', 'not an uncompressed P-256 point of 65 bytes');
  }
  return publicKey;
}

function isInRange(signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  return [signature.subarray(0, COORDINATE_BYTES), signature.subarray(COORDINATE_BYTES)].every(
    (part) => compareBytes(part, ZERO) > 0 && compareBytes(part, ORDER) < 0,
  );
}

/** Copies the DER integer at `start`, right-aligned, into `target`; gives where it ended. */
function copyDerInteger(der: Uint8Array, start: number, target: Uint8Array): number {
  const length = der[start + 1];
  const first = der[start + 2];
  if (der[start] !== DER_INTEGER || length === undefined || first === undefined || length === 0) {
    throw new CryptoError('invalid_encoding', 'not a DER integer');
  }
  const end = start + 2 + length;
  const isPadded = first === 0 && length > 1;
  if (end > der.length || first > 0x7f || (isPadded && (der[start + 3] as number) < 0x80)) {
    throw new CryptoError('invalid_encoding', 'a DER integer is cut, negative or not minimal');
  }
  const value = der.subarray(start + 2 + (isPadded ? 1 : 0), end);
  if (value.length > target.length) {
    throw new CryptoError('invalid_encoding', 'a DER integer is over 32 bytes');
  }
  target.set(value, target.length - value.length);
  return end;
}
