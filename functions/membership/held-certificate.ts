/** Who enrols again because the service forgot: a certificate of before says who that was. */

import { equalBytes, fromBase64url } from '../../lib/crypto/bytes.ts';
import { randomId } from '../../lib/crypto/random.ts';
import {
  authorityKeyId,
  type CertificateClaims,
  encryptionKeyDigest,
  parseCertificate,
  verifyCertificate,
} from '../../lib/membership/certificates.ts';
import { HttpError } from '../aws/problems.ts';
import type { MembershipContext } from './context.ts';
import { findPointer, itemKeys } from './enrolment.ts';
import type { EnrolBody } from './routes.ts';

type Context = Pick<MembershipContext, 'network' | 'store' | 'authorityKeys' | 'now'>;

/**
 * The subject of a fresh enrolment: a random one, or the one that a valid certificate of the same keys and
 * the same person names. So whoever enrolled after the point to which the table was restored stays who it
 * is on the ledger. Throws HttpError `invalid_request`, `already_enrolled`; CertificateError.
 */
export async function subjectOf(
  context: Context,
  body: Pick<EnrolBody, 'certificate' | 'role' | 'identity'>,
  own: { signingKey: Uint8Array; encryptionKey: Uint8Array; hospital: string | null },
): Promise<string> {
  if (body.certificate === undefined) return randomId();
  const { claims, publicKey } = await verified(context, fromBase64url(body.certificate));
  const { role, hospital = null, name, encryptionKeyDigest: digest, subject } = claims;
  const isOwn =
    equalBytes(publicKey, own.signingKey) &&
    digest !== undefined &&
    equalBytes(digest, encryptionKeyDigest(own.encryptionKey)) &&
    role === body.role &&
    hospital === own.hospital &&
    (name ?? body.identity.name) === body.identity.name;
  if (!isOwn || subject === undefined) {
    throw new HttpError('invalid_request', 'The certificate is of other keys or another person.');
  }
  // A key that was renewed since would take over a person that is known by the newer one.
  if (await findPointer(context.store, itemKeys.subject(subject))) {
    throw new HttpError('already_enrolled', 'This person is enrolled with another key.');
  }
  return subject;
}

/** By any key that this service has or had: what an earlier one signed still names its holder. */
async function verified(
  { network, authorityKeys, now }: Context,
  certificate: Uint8Array,
): Promise<{ claims: CertificateClaims; publicKey: Uint8Array }> {
  const { authorityKeyId: issuer } = parseCertificate(certificate);
  const keys = await authorityKeys();
  const authority = keys.find(({ publicKey }) => authorityKeyId(publicKey) === issuer);
  if (!authority) throw new HttpError('invalid_request', 'The certificate is of another service.');
  return verifyCertificate(certificate, authority.publicKey, now(), { network, kind: 'ecert' });
}
