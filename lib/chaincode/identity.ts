/** Identities: a certificate takes effect when a hospital's operator cosigns it (design §6). */
import { z } from 'zod';
import { fromBase64url, toBase64url, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { thumbprint } from '../crypto/p256.ts';
import { identityOf } from './actor.ts';
import { decodeCertificateText, verifyCertified } from './authority.ts';
import { cells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { certificateField, kidField, signatureText, subjectField } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { keys } from './keys.ts';
import { everybody, identityRoleField, registrableRoles } from './roles.ts';
import { leaveTeams } from './team-parts.ts';
import type { Identity } from './values.ts';

export const revocationReasonField = z.enum([
  'licence-lapsed',
  'left-hospital',
  'key-compromised',
  'own-request',
  'registered-in-error',
  'other',
]);

export const identityRegisterClinician = defineTransaction({
  name: 'identity.register-clinician',
  summary: 'Makes a certificate of the membership service count, cosigned by the hospital.',
  roles: ['operator'],
  schema: z.strictObject({ certificate: certificateField }),
  hints: () => [keys.authority],
  async run({ certificate }, call) {
    const { draft } = call;
    const certified = await readCertificate(call, certificate);
    const { kid, identity } = certified;
    if (await draft.get(cells.identity(kid))) throw new ChaincodeError('already_registered');
    if (await draft.get(cells.subject(identity.subject))) {
      throw new ChaincodeError('subject_exists');
    }
    activate(call, certified);
    await draft.notify({ subject: identity.subject }, 'identity.registered');
    return { kid, subject: identity.subject, role: identity.role, hospital: identity.hospital };
  },
});

export const identityRenew = defineTransaction({
  name: 'identity.renew',
  summary: 'Replaces a key by a newly certified one, which the old key signed; the subject stays.',
  roles: ['operator', ...registrableRoles],
  schema: z.strictObject({
    certificate: certificateField,
    previousKid: kidField,
    /** The old key's signature over `renewalSigningBytes`. */
    previousSignature: signatureText,
  }),
  hints: ({ previousKid }) => [keys.authority, keys.identity(previousKid)],
  async run({ certificate, previousKid, previousSignature }, call) {
    const { draft, context } = call;
    const certified = await readCertificate(call, certificate);
    const { kid, identity } = certified;
    if (await draft.get(cells.identity(kid))) throw new ChaincodeError('already_registered');
    const previous = await draft.get(cells.identity(previousKid));
    if (!previous) throw new ChaincodeError('unknown_identity');
    requireRenewer(call, previousKid);
    if (previous.status === 'revoked') throw new ChaincodeError('already_revoked');
    if (previous.status === 'suspended') throw new ChaincodeError('identity_suspended');
    if (previous.status === 'renewed') throw new ChaincodeError('identity_renewed');
    const { subject, role, hospital } = identity;
    const isSame = previous.subject === subject && previous.hospital === hospital;
    if (!isSame || previous.role !== role) throw new ChaincodeError('renewal_mismatch');
    const signed = renewalSigningBytes({
      network: context.network,
      previousKid,
      publicKey: identity.publicKey,
    });
    if (!(await context.verify(previous.publicKey, signed, fromBase64url(previousSignature)))) {
      throw new ChaincodeError('bad_renewal_signature');
    }
    const ended = { time: context.time, height: context.height, reason: 'renewed' };
    draft.put(cells.identity(previousKid), {
      ...previous,
      status: 'renewed',
      ended,
      successor: kid,
    });
    const origin = { kid: previousKid, how: 'renewed' as const };
    activate(call, { kid, identity: { ...identity, origin } });
    await draft.notify({ subject }, 'identity.renewed');
    return { kid, previousKid, subject, role, hospital };
  },
});

export const identityRevoke = defineTransaction({
  name: 'identity.revoke',
  summary: 'Ends an identity: by its hospital, by the membership service, or by its holder.',
  roles: ['operator', 'membership', ...registrableRoles],
  schema: z.strictObject({ kid: kidField, reason: revocationReasonField }),
  hints: ({ kid }) => [keys.identity(kid)],
  async run({ kid, reason }, call) {
    const { draft } = call;
    const identity = await draft.get(cells.identity(kid));
    if (!identity) throw new ChaincodeError('unknown_identity');
    requireRevoker(call, identity);
    if (identity.status === 'revoked') throw new ChaincodeError('already_revoked');
    await endKey(call, { kid, identity }, reason);
    await draft.notify({ subject: identity.subject }, 'identity.revoked');
    return { kid, subject: identity.subject, reason };
  },
});

export const identityGet = defineQuery({
  name: 'identity.get',
  summary: 'The identity of a key, or the present one of a subject.',
  roles: [...everybody, 'representative'],
  schema: z
    .strictObject({ kid: kidField.optional(), subject: subjectField.optional() })
    .refine(({ kid, subject }) => (kid === undefined) !== (subject === undefined), 'one of them'),
  hints: ({ kid, subject = '' }) => [
    kid === undefined ? keys.subject(subject) : keys.identity(kid),
  ],
  async run({ kid: named, subject = '' }, { reader }) {
    const kid = named ?? (await reader.get(cells.subject(subject)))?.kid;
    const identity = kid === undefined ? null : await reader.get(cells.identity(kid));
    if (!identity || kid === undefined) throw new ChaincodeError('unknown_identity');
    const { publicKey, encryptionKeyDigest, origin, ...rest } = identity;
    return {
      ...rest,
      kid,
      publicKey: toBase64url(publicKey),
      encryptionKeyDigest: encryptionKeyDigest && toBase64url(encryptionKeyDigest),
      origin: origin ?? null,
    };
  },
});

/** What the old key signs to hand its subject over to a new key. */
export function renewalSigningBytes(renewal: {
  network: string;
  previousKid: string;
  /** The new key, 65 bytes. */
  publicKey: Uint8Array;
}): Uint8Array {
  const { network, previousKid, publicKey } = renewal;
  return taggedHash('identity-renewal', utf8(network), utf8(previousKid), publicKey);
}

/** A key with the identity that a certificate would give it. */
export interface Certified {
  kid: string;
  identity: Identity;
}

/** Checks an ECert at block time: of our authority and network, of the signer's own hospital. */
export async function readCertificate(call: TransactionCall, text: string): Promise<Certified> {
  const { draft, context, actor } = call;
  const { identity: operator } = identityOf(actor);
  const { network, time } = context;
  const wanted = { network, kind: 'ecert', time } as const;
  const parsed = await verifyCertified(draft, decodeCertificateText(text), wanted);
  const { role, subject, hospital, name, encryptionKeyDigest } = parsed.claims;
  const knownRole = identityRoleField.safeParse(role);
  if (!knownRole.success || !registrableRoles.includes(knownRole.data)) {
    throw new ChaincodeError('certificate_role');
  }
  const knownSubject = subjectField.safeParse(subject);
  if (!knownSubject.success || name === undefined || !encryptionKeyDigest) {
    throw new ChaincodeError('certificate_claims');
  }
  if (operator.hospital === null || hospital !== operator.hospital) {
    throw new ChaincodeError('other_hospital');
  }
  return {
    kid: thumbprint(parsed.publicKey),
    identity: {
      role: knownRole.data,
      subject: knownSubject.data,
      hospital,
      name,
      publicKey: parsed.publicKey,
      encryptionKeyDigest,
      validUntil: parsed.notAfter,
      serial: parsed.serial,
      status: 'active',
      since: { time, height: context.height },
      ended: null,
      successor: null,
    },
  };
}

/** Ends a key; with the present key of a subject, the subject, who leaves all teams by that. */
export async function endKey(
  call: TransactionCall,
  { kid, identity }: Certified,
  reason: string,
): Promise<void> {
  const { draft, context } = call;
  const ended = { time: context.time, height: context.height, reason };
  draft.put(cells.identity(kid), { ...identity, status: 'revoked', ended });
  const subject = await draft.get(cells.subject(identity.subject));
  if (subject?.kid === kid) {
    draft.put(cells.subject(identity.subject), { ...subject, status: 'revoked' });
    await leaveTeams(call, identity.subject);
  }
}

/** Makes a key the present one of its subject. */
export function activate({ draft }: TransactionCall, { kid, identity }: Certified): void {
  const { subject, role, hospital } = identity;
  draft.put(cells.identity(kid), identity);
  draft.put(cells.subject(subject), { kid, role, hospital, status: 'active' });
}

/** An operator hands over any key of the own hospital; a clinician only the own. */
function requireRenewer({ actor }: TransactionCall, previousKid: string): void {
  if (actor.role !== 'operator' && actor.kid !== previousKid) {
    throw new ChaincodeError('role_denied');
  }
}

/** Parties of the genesis document are changed by governance, never by one operator. */
function requireRevoker({ actor }: TransactionCall, identity: Identity): void {
  const { role, identity: own } = identityOf(actor);
  if (!registrableRoles.includes(identity.role)) throw new ChaincodeError('not_revocable');
  if (role === 'membership') return;
  if (role === 'operator') {
    if (own.hospital !== identity.hospital) throw new ChaincodeError('other_hospital');
    return;
  }
  if (own.subject !== identity.subject) throw new ChaincodeError('role_denied');
}
