/** JWS compact serialisation (RFC 7515), ES256 (RFC 7518 §3.4) and nothing else. */

import { fromBase64, fromBase64url, fromUtf8, toBase64url, utf8 } from './bytes.ts';
import { CryptoError } from './errors.ts';
import { SIGNATURE_BYTES, verifyP256, type VerifySignature } from './p256.ts';
import type { SigningKey } from './p256.ts';

/** The only header there is: no `crit`, no `b64`, no embedded key. */
export type JwsHeader = {
  readonly alg: 'ES256';
  /** What the payload is (RFC 8725 §3.11); the reader compares it. */
  readonly typ: string;
  /** Names the key, by its RFC 7638 thumbprint; the reader compares it. */
  readonly kid: string;
  /** Certificates, leaf first, each DER in standard base64. */
  readonly x5c?: readonly string[];
};

/** A JWS that has the right form; nothing says yet that its signature is good. */
export type ParsedJws = {
  readonly header: JwsHeader;
  readonly payload: Uint8Array;
  /** `BASE64URL(header) . BASE64URL(payload)` as received: the bytes that are signed. */
  readonly signingInput: Uint8Array;
  /** r‖s, 64 bytes. */
  readonly signature: Uint8Array;
};

const HEADER_MEMBERS: ReadonlySet<string> = new Set(['alg', 'typ', 'kid', 'x5c']);
const TYP_CHARS_MAX = 64;
const KID_CHARS_MAX = 128;
const CERTIFICATES_MAX = 3;
const CERTIFICATE_CHARS_MAX = 8_192;

/** The compact JWS over `payload`, signed with `key`. Throws `invalid_jws` on a bad header. */
export async function signJws(
  { typ, kid, x5c }: { typ: string; kid: string; x5c?: readonly string[] | undefined },
  payload: Uint8Array,
  key: SigningKey,
): Promise<string> {
  const header = { alg: 'ES256', typ, kid, ...(x5c === undefined ? {} : { x5c }) };
  checkHeader(header);
  const signingInput = `${toBase64url(utf8(JSON.stringify(header)))}.${toBase64url(payload)}`;
  const signature = await key.sign(utf8(signingInput));
  return `${signingInput}.${toBase64url(signature)}`;
}

/**
 * Reads the one accepted form of a compact JWS of at most `maxBytes` characters. Throws
 * `too_large`, `invalid_encoding` or `invalid_jws`; the signature is judged by `verifyJws`.
 */
export function parseJws(compact: string, maxBytes: number): ParsedJws {
  if (compact.length > maxBytes) {
    throw new CryptoError('too_large', `JWS is over ${maxBytes} bytes`);
  }
  const parts = compact.split('.', 4);
  const [headerPart, payloadPart, signaturePart] = parts;
  if (parts.length !== 3 || !headerPart || payloadPart === undefined || !signaturePart) {
    throw new CryptoError('invalid_jws', 'JWS is not three parts');
  }
  const header = parseHeader(fromUtf8(fromBase64url(headerPart)));
  const payload = fromBase64url(payloadPart);
  const signature = fromBase64url(signaturePart);
  if (signature.length !== SIGNATURE_BYTES) {
    throw new CryptoError('invalid_jws', 'JWS signature is not 64 bytes');
  }
  return { header, payload, signingInput: utf8(`${headerPart}.${payloadPart}`), signature };
}

/** Whether `publicKey` (65 bytes) signed it, with low S. That `kid` names it is not checked. */
export async function verifyJws(
  parsed: Pick<ParsedJws, 'signingInput' | 'signature'>,
  publicKey: Uint8Array,
  verify: VerifySignature = verifyP256,
): Promise<boolean> {
  return verify(publicKey, parsed.signingInput, parsed.signature);
}

function parseHeader(text: string): JwsHeader {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw new CryptoError('invalid_jws', 'JWS header is not JSON', { cause });
  }
  // JSON.parse keeps the last of two equal names; writing it again shows that one is gone.
  if (JSON.stringify(header) !== text) {
    throw new CryptoError('invalid_jws', 'JWS header is not compact JSON with each name once');
  }
  checkHeader(header);
  return header;
}

function checkHeader(header: unknown): asserts header is JwsHeader {
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new CryptoError('invalid_jws', 'JWS header is not an object');
  }
  const unknown = Object.keys(header).find((name) => !HEADER_MEMBERS.has(name));
  if (unknown !== undefined) {
    throw new CryptoError('invalid_jws', 'JWS header has a member that is not allowed');
  }
  const { alg, typ, kid, x5c } = header as Record<string, unknown>;
  if (alg !== 'ES256') throw new CryptoError('invalid_jws', 'JWS alg is not ES256');
  if (!isText(typ, TYP_CHARS_MAX)) throw new CryptoError('invalid_jws', 'JWS typ is not a name');
  if (!isText(kid, KID_CHARS_MAX)) throw new CryptoError('invalid_jws', 'JWS kid is not a name');
  if (x5c !== undefined) checkCertificates(x5c);
}

function checkCertificates(x5c: unknown): void {
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > CERTIFICATES_MAX) {
    throw new CryptoError('invalid_jws', `JWS x5c is not 1 to ${CERTIFICATES_MAX} certificates`);
  }
  for (const certificate of x5c as unknown[]) {
    if (!isText(certificate, CERTIFICATE_CHARS_MAX)) {
      throw new CryptoError('invalid_jws', 'JWS x5c holds something that is not a certificate');
    }
    fromBase64(certificate);
  }
}

/** Whether it is 1 … `charsMax` printable ASCII characters. */
function isText(value: unknown, charsMax: number): value is string {
  return typeof value === 'string' && value.length <= charsMax && /^[\x21-\x7e]+$/.test(value);
}
