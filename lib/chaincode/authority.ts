/** The authority's key over time: who judges certificates, and how operators replace it. */
import { z } from 'zod';
import { equalBytes, fromBase64url, toBase64url } from '../crypto/bytes.ts';
import { thumbprint } from '../crypto/p256.ts';
import { CertificateError } from '../membership/certificate-error.ts';
import {
  authorityKeyId,
  type ParsedCertificate,
  parseCertificate,
  verifyAuthority,
  verifyCertificate,
} from '../membership/certificates.ts';
import type { Authority, FormerAuthority } from './authority-values.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import type { Draft, Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { publicKeyText } from './fields.ts';
import { type ChaincodeContext, defineQuery } from './functions.ts';
import { keys } from './keys.ts';
import { everybody } from './roles.ts';
import { endIdentity, startIdentity } from './seats.ts';

export const networkAuthority = defineQuery({
  name: 'network.authority',
  summary:
    'The key that certifies people, and the retired ones. Anybody may ask, by any key of their own.',
  roles: [...everybody, 'representative'],
  schema: z.strictObject({
    /** The asker's key, where the ledger does not know it. */
    key: publicKeyText.optional(),
  }),
  isForStranger: true,
  hints: () => [keys.authority, keys.formerAuthorities],
  async run(_args, { reader, context }) {
    const { kid, certificate } = await authorityOf(reader);
    const identity = await reader.get(cells.identity(kid));
    if (!identity) throw new Error('the identity of the authority is missing of state');
    const former = await formerOf(reader);
    return {
      height: context.height,
      kid,
      certificate: toBase64url(certificate),
      since: identity.since,
      former: former.map((one) => ({ ...one, publicKey: toBase64url(one.publicKey) })),
    };
  },
});

export async function authorityOf(reader: Pick<Reader, 'get'>): Promise<Authority> {
  const authority = await reader.get(cells.authority);
  if (!authority) throw new Error('the authority is missing of state');
  return authority;
}

/**
 * Checks a leaf by the key that it names: the one in force, or a retired one for as long as that
 * may have issued honestly. @throws ChaincodeError a `certificate_…` code
 */
export async function verifyCertified(
  reader: Pick<Reader, 'get'>,
  der: Uint8Array,
  { time, ...wanted }: { time: number; network: string; kind: 'ecert' | 'tcert' },
): Promise<ParsedCertificate> {
  const present = await authorityOf(reader);
  return certificateOr(async () => {
    const issuer = parseCertificate(der).authorityKeyId;
    const isPresent = issuer === authorityKeyId(present.publicKey);
    const former = isPresent ? undefined : await formerNamed(reader, issuer);
    if (!former) return verifyCertificate(der, present.publicKey, time, wanted);
    const verified = await verifyCertificate(der, former.publicKey, time, wanted);
    requireCounting(former, verified, time);
    return verified;
  });
}

/** A certificate that is not taken is the sender's fault, with the certificate's own code. */
async function certificateOr(read: () => Promise<ParsedCertificate>): Promise<ParsedCertificate> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause;
    throw new ChaincodeError(cause.code, cause.message, { cause });
  }
}

/**
 * Dates say what their signer says. So a retired key certifies nobody for longer than it could have
 * on its last day, and nobody new from then on; one that was stolen certifies nobody at all.
 */
function requireCounting(
  { ended, countsUntil }: FormerAuthority,
  { claims, notBefore, notAfter }: ParsedCertificate,
  time: number,
): void {
  const isLate = claims.kind === 'ecert' ? notBefore > ended.time : notAfter > (countsUntil ?? 0);
  if (countsUntil === null || time > countsUntil || isLate) {
    throw new ChaincodeError('certificate_retired_authority');
  }
}

async function formerNamed(reader: Pick<Reader, 'get'>, issuer: string) {
  const former = await formerOf(reader);
  return former.find((one) => authorityKeyId(one.publicKey) === issuer);
}

/** Retired keys, newest last. */
export async function formerOf(reader: Pick<Reader, 'get'>): Promise<readonly FormerAuthority[]> {
  return (await reader.get(cells.formerAuthorities)) ?? [];
}

/**
 * Puts a successor into force. Its self-signed certificate shows that somebody holds the key; its
 * dates do not matter. A key that was ever used on this ledger never becomes the authority's.
 */
export async function replaceAuthority(
  draft: Draft,
  context: ChaincodeContext,
  successor: { certificate: string; compromised: boolean },
): Promise<void> {
  const { time, height } = context;
  const certificate = decodeCertificateText(successor.certificate);
  const { publicKey } = await certificateOr(() => verifyAuthority(certificate, context.network));
  const present = await authorityOf(draft);
  if (equalBytes(publicKey, present.publicKey)) throw new ChaincodeError('key_unchanged');
  const kid = thumbprint(publicKey);
  if (await draft.get(cells.identity(kid))) throw new ChaincodeError('key_taken');
  const former: FormerAuthority = {
    publicKey: present.publicKey,
    kid: present.kid,
    ended: { time, height },
    countsUntil: successor.compromised ? null : time + chaincodeBounds.authorityOverlapMs,
  };
  const all = [...(await formerOf(draft)), former];
  draft.put(cells.formerAuthorities, all.slice(-chaincodeBounds.formerAuthoritiesMax));
  draft.put(cells.authority, { certificate, publicKey, kid });
  const reason = successor.compromised ? 'key-compromised' : 'replaced';
  await endIdentity(draft, present.publicKey, reason, context);
  const name = 'Membership service';
  const party = { role: 'membership', subject: 'membership', hospital: null, name } as const;
  await startIdentity(draft, { ...party, publicKey }, context);
}

/** A retired key turned out to be in wrong hands: nothing of it counts from here on. */
export async function dropAuthority(draft: Draft, kid: string): Promise<void> {
  const all = await formerOf(draft);
  const found = all.find((one) => one.kid === kid && one.countsUntil !== null);
  if (!found) throw new ChaincodeError('unknown_authority');
  draft.put(
    cells.formerAuthorities,
    all.map((one) => (one === found ? { ...one, countsUntil: null } : one)),
  );
}

/** DER of base64url. @throws ChaincodeError `certificate_malformed` */
export function decodeCertificateText(text: string): Uint8Array {
  try {
    return fromBase64url(text);
  } catch (cause) {
    throw new ChaincodeError('certificate_malformed', 'not canonical base64url', { cause });
  }
}
