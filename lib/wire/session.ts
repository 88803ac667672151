/** Session certificates: a validator's KMS key vouches for a short-lived signing key. */
import { z } from 'zod';
import { taggedHash } from '../crypto/hash.ts';
import { verifyP256, type VerifySignature } from '../crypto/p256.ts';
import { encodeCbor } from './codec.ts';
import {
  heightField,
  networkField,
  publicKeyField,
  signatureField,
  validatorIdField,
} from './fields.ts';

export const sessionBodySchema = z.strictObject({
  network: networkField,
  validator: validatorIdField,
  incarnation: heightField,
  /** `vote` keys sign consensus; `read` keys sign answers to fresh reads and never a vote. */
  purpose: z.enum(['vote', 'read']),
  key: publicKeyField,
  /** Judged by message height only, never by a clock. */
  fromHeight: heightField,
  untilHeight: heightField,
});
export type SessionBody = z.infer<typeof sessionBodySchema>;

export const sessionCertificateSchema = z.strictObject({
  body: sessionBodySchema,
  signature: signatureField,
});
export type SessionCertificate = z.infer<typeof sessionCertificateSchema>;

/** The bytes that the KMS key signs. */
export function sessionSigningBytes(body: SessionBody): Uint8Array {
  return taggedHash('session-certificate', encodeCbor(body));
}

export async function verifySessionCertificate(
  certificate: SessionCertificate,
  kmsKey: Uint8Array,
  verify: VerifySignature = verifyP256,
): Promise<boolean> {
  return verify(kmsKey, sessionSigningBytes(certificate.body), certificate.signature);
}

/**
 * Whether a certificate covers a validator's incarnation at a height for a purpose. Heights are
 * those of the main ledger: null, on a case ledger, asks for the incarnation alone.
 */
export function sessionCovers(
  body: SessionBody,
  wanted: Pick<SessionBody, 'validator' | 'incarnation' | 'purpose'> & { height: number | null },
): boolean {
  if (body.validator !== wanted.validator || body.purpose !== wanted.purpose) return false;
  if (body.incarnation !== wanted.incarnation) return false;
  const { height } = wanted;
  return height === null || (height >= body.fromHeight && height <= body.untilHeight);
}
