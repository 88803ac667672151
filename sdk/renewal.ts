/** New keys for a clinician in time: certified, handed over by the old key, without a gap. */
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { thumbprint } from '../lib/crypto/p256.ts';
import { renewalSigningBytes } from '../lib/chaincode/identity.ts';
import { parseCertificate } from '../lib/membership/certificates.ts';
import type { Role } from '../lib/membership/roles.ts';
import { Clinician } from './clinician.ts';
import { findIdentity } from './directory.ts';
import { SdkError } from './errors.ts';
import { reasonOf } from './http.ts';
import { keyPairs, makeKeys } from './keystore.ts';
import type { FilePlatform } from './platform/files.ts';
import type { CertifiedResult } from './proofs.ts';
import { fieldsOf, requireEnrolment } from './session.ts';

/** How long before its end a certificate is renewed, milliseconds. */
const RENEW_AHEAD_MS = 30 * 86_400_000;
/** Keys before the present ones that are kept. */
const FORMER_MAX = 32;

/** The last moment of a clinician's certificate, or null before there is one. */
export function certificateEnd({ data }: Clinician): number | null {
  const certificate = data.enrolment?.certificate;
  return certificate === undefined ? null : parseCertificate(fromBase64url(certificate)).notAfter;
}

/** Whether a renewal is due, or one was begun and not ended. */
export function isRenewalDue(clinician: Clinician): boolean {
  const end = certificateEnd(clinician);
  if (end === null) return false;
  return clinician.data.next !== undefined || end - clinician.session.clock.now() < RENEW_AHEAD_MS;
}

export interface Renewed {
  readonly result: CertifiedResult | null;
  /** The same person, who works with the new keys from now on. */
  readonly clinician: Clinician;
}

/**
 * Replaces the keys of a keystore. Every step may be repeated: an interrupted renewal goes on with
 * the keys that it began with. Throws `refused` where the registry confirms no longer.
 */
export async function renewKeys(clinician: Clinician, files: FilePlatform): Promise<Renewed> {
  const { session, keystore } = clinician;
  const enrolment = requireEnrolment(session, clinician.data.enrolment);
  if (!clinician.data.next) await clinician.change({ next: { keys: await makeKeys() } });
  const keys = clinician.data.next?.keys;
  if (!keys) throw new Error('the new keys were kept just before');
  const fresh = await keyPairs(keys);
  const kid = thumbprint(fresh.signingKey.publicKey);
  const role = enrolment.role as Role;
  let certified = clinician.data.next?.enrolment;
  if (certified?.status !== 'active') {
    const { enrolmentId: old } = enrolment;
    const renewal = await session.membership.signed(
      'cq-renew',
      { enrolmentId: old, kid },
      { key: keystore.signingKey },
    );
    const { enrolmentId, state } = await session.membership.renew({
      ...{ role, signingKey: fresh.signingKey, encryption: fresh.encryption },
      authorisation: { renewal },
    });
    certified = { network: enrolment.network, enrolmentId, role, ...fieldsOf(state) };
    await clinician.change({ next: { keys, enrolment: certified } });
  }
  const { certificate } = certified;
  if (certified.status !== 'active' || certificate === undefined) {
    throw new SdkError('refused', 'The renewal is pending: the registry does not answer.', {
      nextStep: 'Run it again later: the present keys go on working until their certificate ends.',
      details: { reason: 'pending' },
    });
  }
  const result = await handOver(clinician, { certificate, kid, key: fresh.signingKey.publicKey });
  const former = [...(clinician.data.former ?? []), keystore.keptKeys].slice(-FORMER_MAX);
  await keystore.replaceKeys(keys);
  await clinician.change({ enrolment: certified, former, next: undefined });
  return { result, clinician: new Clinician(session, keystore, files) };
}

/** The ledger's word; null where an earlier try had it already. */
async function handOver(
  { session, keystore, signer }: Clinician,
  next: { certificate: string; kid: string; key: Uint8Array },
): Promise<CertifiedResult | null> {
  const previousKid = keystore.kid;
  const network = session.client.name;
  const signed = renewalSigningBytes({ network, previousKid, publicKey: next.key });
  const previousSignature = toBase64url(await keystore.signingKey.sign(signed));
  const args = { certificate: next.certificate, previousKid, previousSignature };
  try {
    return await session.client.submit({ fn: 'identity.renew', args }, signer);
  } catch (error) {
    const known = ['already_registered', 'identity_renewed'];
    if (!known.includes(reasonOf(error) ?? '')) throw error;
    const identity = await findIdentity(session, signer, { kid: next.kid }).catch(() => null);
    if (identity?.status !== 'active') throw error;
    return null;
  }
}
