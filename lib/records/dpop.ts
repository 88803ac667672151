/**
 * Proofs of possession after RFC 9449 (DPoP): a key's holder made this very request just now. The
 * public key is in the payload, as JWS headers here hold no keys; `rth` binds a receipt.
 */
import { z } from 'zod';
import { fromBase64url, fromUtf8, toBase64url, utf8 } from '../crypto/bytes.ts';
import { sha256 } from '../crypto/hash.ts';
import { parseJws, signJws, verifyJws } from '../crypto/jws.ts';
import { type SigningKey, thumbprint } from '../crypto/p256.ts';
import { randomId } from '../crypto/random.ts';
import { recordsBounds } from './bounds.ts';
import { RecordsError } from './errors.ts';

export const dpopJwsType = 'dpop+jwt';

const payloadSchema = z.strictObject({
  htm: z.enum(['GET', 'POST', 'PUT', 'DELETE']),
  /** The address without query and fragment. */
  htu: z.string().min(1).max(1_024),
  /** Whole seconds since 1970 (RFC 7519, NumericDate). */
  iat: z.int().min(0),
  jti: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  /** The signer's P-256 point, 65 bytes. */
  key: z.string().regex(/^[A-Za-z0-9_-]{87}$/),
  /** `receiptHash` of the receipt in the body, if there is one. */
  rth: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/)
    .optional(),
});

/** What a proof was made for, as the verifier received it; any of the addresses is its own. */
export interface ReceivedRequest extends Omit<ProvenRequest, 'url'> {
  urls: readonly string[];
}

/** The request that a proof is for. */
export interface ProvenRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Query and fragment are ignored. */
  url: string;
  /** Bytes of the receipt in the body, or null without one. */
  receipt: Uint8Array | null;
}

/** What a verified proof says. */
export interface VerifiedProof {
  /** Thumbprint of the caller's key. */
  kid: string;
  publicKey: Uint8Array;
  /** Counts once: the verifier remembers it until `expiresAt`. */
  jti: string;
  /** Milliseconds since 1970, from when the proof is too old anyway. */
  expiresAt: number;
}

/** SHA-256 of a receipt's bytes, base64url. */
export function receiptHash(receipt: Uint8Array): string {
  return toBase64url(sha256(receipt));
}

/** A proof for one request at `nowMs`, good for a minute and for one use. */
export async function createDpop(
  request: ProvenRequest,
  key: SigningKey,
  nowMs: number,
): Promise<string> {
  const payload = {
    htm: request.method,
    htu: addressOf(request.url),
    iat: Math.floor(nowMs / 1_000),
    jti: randomId(),
    key: toBase64url(key.publicKey),
    ...(request.receipt === null ? {} : { rth: receiptHash(request.receipt) }),
  };
  const header = { typ: dpopJwsType, kid: thumbprint(key.publicKey) };
  return signJws(header, utf8(JSON.stringify(payload)), key);
}

/**
 * Checks a proof: form, key, signature, request, freshness. Whether its `jti` was used before, and
 * whether the key may do this, is judged by the caller. Throws RecordsError `proof_…`.
 */
export async function verifyDpop(
  compact: string,
  request: ReceivedRequest,
  nowMs: number,
): Promise<VerifiedProof> {
  const { jws, payload } = parseProof(compact);
  const publicKey = fromBase64url(payload.key);
  if (jws.header.kid !== thumbprint(publicKey)) {
    throw new RecordsError('proof_wrong_key', 'kid and key of the proof differ');
  }
  if (!(await verifyJws(jws, publicKey))) {
    throw new RecordsError('proof_bad_signature', 'the proof is not signed by its key');
  }
  const rth = request.receipt === null ? undefined : receiptHash(request.receipt);
  const isAddressed = request.urls.some((url) => addressOf(url) === payload.htu);
  if (payload.htm !== request.method || !isAddressed) {
    throw new RecordsError('proof_wrong_request', 'the proof is for another method or address');
  }
  if (payload.rth !== rth) {
    throw new RecordsError('proof_wrong_request', 'the proof is for another receipt');
  }
  const issuedAt = payload.iat * 1_000;
  const isOld = nowMs - issuedAt > recordsBounds.proofAgeMsMax;
  if (isOld || issuedAt - nowMs > recordsBounds.proofSkewMsMax) {
    throw new RecordsError('proof_not_fresh', 'sign a new proof; check the clock');
  }
  const expiresAt = issuedAt + recordsBounds.proofAgeMsMax + recordsBounds.proofSkewMsMax;
  return { kid: jws.header.kid, publicKey, jti: payload.jti, expiresAt };
}

function parseProof(compact: string) {
  try {
    const jws = parseJws(compact, recordsBounds.proofCharsMax);
    if (jws.header.typ !== dpopJwsType || jws.header.x5c) throw new TypeError('another header');
    const text = fromUtf8(jws.payload);
    const value: unknown = JSON.parse(text);
    if (JSON.stringify(value) !== text) throw new TypeError('not compact JSON');
    return { jws, payload: payloadSchema.parse(value) };
  } catch (cause) {
    throw new RecordsError('proof_malformed', `not a proof of type ${dpopJwsType}`, { cause });
  }
}

function addressOf(url: string): string {
  return url.replace(/[?#].*$/s, '');
}
