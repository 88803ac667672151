/** The answer to a challenge, and what follows: verification, certificate, or pending. */

import { equalBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import {
  encryptionKeyDigest,
  issueCertificate,
  randomSerial,
} from '../../lib/membership/certificates.ts';
import { canonicalName } from '../../lib/membership/person-name.ts';
import { namedRoles, roleRow } from '../../lib/membership/roles.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer } from '../aws/http.ts';
import type { ItemChange } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';
import type { MembershipContext } from './context.ts';
import {
  type Enrolment,
  findPointer,
  type Identity,
  identitySchema,
  itemKeys,
  requireEnrolment,
  type StoredEnrolment,
} from './enrolment.ts';
import type { ClinicianClaim } from './registry/registry.ts';

const ATTEMPTS_MAX = 5;
const DAY_MS = 86_400_000;
const CERTIFICATE_DAYS = 365;
/** Clocks differ: a certificate is valid a little before it was made. */
const BACKDATED_MS = 5 * 60_000;

/** Takes the answer to a challenge; a right one may be given again. */
export async function prove(
  context: MembershipContext,
  id: string,
  answer: string,
): Promise<HttpAnswer> {
  await context.genesis.require();
  const { enrolment, version } = await requireEnrolment(context.store, id);
  const { challenge } = enrolment;
  if (!challenge || challenge.expiresAt <= context.now()) {
    throw new HttpError('challenge_over', 'The challenge is over: enrol again.');
  }
  if (challenge.attempts >= ATTEMPTS_MAX) {
    throw new HttpError('too_many_attempts', 'Too many wrong answers: enrol again.');
  }
  if (!equalBytes(sha256(fromBase64url(answer)), challenge.digest)) {
    const next = { ...enrolment, challenge: { ...challenge, attempts: challenge.attempts + 1 } };
    await context.store.replace(itemKeys.enrolment(id), version, next);
    throw new HttpError('wrong_answer', 'This is not what was sealed to the key.');
  }
  return advance(context, { enrolment, version });
}

/** Verifies whoever proved both keys, as far as it goes today. */
export async function advance(
  context: MembershipContext,
  stored: StoredEnrolment,
): Promise<HttpAnswer> {
  const { enrolment } = stored;
  switch (enrolment.status) {
    case 'active':
      return activeAnswer(enrolment);
    case 'revoked':
      throw new HttpError('revoked', 'This enrolment was revoked.');
    case 'refused':
      throw notVerified();
    case 'challenged':
    case 'pending':
      break;
  }
  const identity = parseWith(
    identitySchema,
    await context.vault.open(enrolment.id, enrolment.identity),
  );
  const verdict = await judge(context, enrolment, identity);
  switch (verdict) {
    case 'verified':
      return activate(context, stored, identity);
    case 'not_verified':
      await end(context, stored);
      throw notVerified();
    case 'registry_unavailable':
    case 'review':
      return wait(context, stored, verdict);
  }
}

type Verdict = 'verified' | 'not_verified' | 'registry_unavailable' | 'review';

/** A number is asked for at the registry; without one, an operator must have invited. */
async function judge(
  context: MembershipContext,
  enrolment: Enrolment,
  identity: Identity,
): Promise<Verdict> {
  const { way, needsNumber } = roleRow(enrolment.role);
  if (way !== 'cosigned') return 'verified';
  const { npi, state, licence, name } = identity;
  if (npi !== undefined && state !== undefined && licence !== undefined) {
    const verdict = await context.registry.verify({ npi, name, state, licence });
    if (verdict === 'unavailable') return 'registry_unavailable';
    if (verdict !== 'verified') return verdict === 'review' ? verdict : 'not_verified';
    return needsNumber ? askNpdb(context, enrolment, { npi, name, state, licence }) : verdict;
  }
  if (needsNumber) return 'not_verified';
  return enrolment.isInvited ? 'verified' : 'review';
}

/** A certified self-query will do; with reports, a person reads them and an operator vouches. */
async function askNpdb(
  { npdb }: MembershipContext,
  { selfQuery, isInvited }: Enrolment,
  claim: ClinicianClaim,
): Promise<Verdict> {
  if (npdb.service === null && selfQuery === null) return 'verified';
  const found = selfQuery?.verdict ?? (await npdb.service?.query(claim)) ?? 'unavailable';
  if (found === 'unavailable') return 'registry_unavailable';
  return found === 'clear' || isInvited ? 'verified' : 'review';
}

async function activate(
  context: MembershipContext,
  { enrolment, version }: StoredEnrolment,
  identity: Identity,
): Promise<HttpAnswer> {
  const next: Enrolment = {
    ...enrolment,
    status: 'active',
    reason: null,
    certificate: new Uint8Array(await certify(context, enrolment, identity)),
  };
  const { id } = enrolment;
  const changes: ItemChange[] = [{ key: itemKeys.enrolment(id), expected: version, value: next }];
  const person = await personDigest(context, enrolment, identity);
  if (person !== null) {
    const replaced = await replaceable(context, enrolment, person);
    const expected = replaced?.pointer ?? null;
    changes.push({ key: itemKeys.person(person), expected, value: { id } });
    // A patient with new keys: the old ones get no one-time certificates any more.
    if (replaced && enrolment.role === replaced.enrolment.role && isPerson(enrolment)) {
      changes.push({
        key: itemKeys.enrolment(replaced.enrolment.id),
        expected: replaced.version,
        value: endedBy(replaced.enrolment, { reason: 're-enrolled', at: context.now() }),
      });
    }
  }
  if (isListed(enrolment)) {
    const digest = await context.vault.digest('name', canonicalName(identity.name));
    changes.push({ key: itemKeys.name(digest, id), expected: null, value: { id } });
    const pointer = await findPointer(context.store, itemKeys.subject(enrolment.subject));
    const expected = pointer?.version ?? null;
    changes.push({ key: itemKeys.subject(enrolment.subject), expected, value: { id } });
    changes.push({ key: itemKeys.checked(id), expected: null, value: { at: context.now() } });
  }
  if (!(await context.store.transact(changes))) await explainConflict(context, enrolment, person);
  await context.store.remove([itemKeys.pending(id)]);
  return activeAnswer((await requireEnrolment(context.store, id)).enrolment);
}

interface Replaced {
  enrolment: Enrolment;
  version: number;
  /** Version of what names the person. */
  pointer: number;
}

/**
 * Whose place a new enrolment takes: one that was revoked, the same person's older one, or that of
 * a patient for whose new key an operator vouches. Null where nobody, or somebody who stays, has it.
 */
async function replaceable(
  context: MembershipContext,
  fresh: Enrolment,
  person: string,
): Promise<Replaced | null> {
  const holder = await findPointer(context.store, itemKeys.person(person));
  if (!holder) return null;
  const { enrolment, version } = await requireEnrolment(context.store, holder.id);
  const isOpen =
    enrolment.status === 'revoked' ||
    enrolment.subject === fresh.subject ||
    (isPerson(fresh) && fresh.isInvited);
  return isOpen ? { enrolment, version, pointer: holder.version } : null;
}

function isPerson({ role }: Enrolment): boolean {
  return roleRow(role).way === 'person';
}

function endedBy(enrolment: Enrolment, { reason, at }: { reason: string; at: number }): Enrolment {
  if (enrolment.status === 'revoked') return enrolment;
  return { ...enrolment, status: 'revoked', revoked: { at, reason, by: 'operator' } };
}

/** Returns where the enrolment is active all the same; else says who holds the number. */
async function explainConflict(
  context: MembershipContext,
  enrolment: Enrolment,
  person: string | null,
): Promise<void> {
  const now = (await requireEnrolment(context.store, enrolment.id)).enrolment;
  if (now.status === 'active') return;
  const holder = person && (await findPointer(context.store, itemKeys.person(person)));
  if (holder && holder.id !== enrolment.id) {
    throw new HttpError('already_enrolled', 'This person is enrolled with another key.');
  }
  throw new HttpError('conflict', 'Another request came first; send it again.');
}

/** One enrolment for each number, and for each patient who says a birth date. */
async function personDigest(
  context: MembershipContext,
  { role, kid }: Enrolment,
  { npi, name, birthDate }: Identity,
): Promise<string | null> {
  if (role === 'operator') return context.vault.digest('person', `operator ${kid}`);
  if (npi !== undefined) return context.vault.digest('npi', npi);
  if (roleRow(role).way !== 'person' || birthDate === undefined) return null;
  return context.vault.digest('person', `${role} ${canonicalName(name)} ${birthDate}`);
}

/** By this the one active patient of a name and birth date is found. */
export function patientDigest(
  { vault }: Pick<MembershipContext, 'vault'>,
  { name, birthDate }: { name: string; birthDate: string },
): Promise<string> {
  return vault.digest('person', `patient ${canonicalName(name)} ${birthDate}`);
}

/** Only those whom others look up by name. */
export function isListed({ role }: Enrolment): boolean {
  return roleRow(role).way === 'cosigned';
}

async function certify(
  context: MembershipContext,
  enrolment: Enrolment,
  identity: Identity,
): Promise<Uint8Array> {
  const { role, subject, hospital, signingKey, encryptionKey } = enrolment;
  return issueCertificate({
    ca: await context.authority.current(),
    publicKey: signingKey,
    claims: {
      kind: 'ecert',
      network: context.network,
      role,
      subject,
      ...(hospital === null ? {} : { hospital }),
      ...(namedRoles.has(role) ? { name: identity.name } : {}),
      encryptionKeyDigest: encryptionKeyDigest(encryptionKey),
    },
    serial: randomSerial(),
    notBefore: context.now() - BACKDATED_MS,
    notAfter: context.now() + CERTIFICATE_DAYS * DAY_MS,
  });
}

async function wait(
  context: MembershipContext,
  { enrolment, version }: StoredEnrolment,
  reason: 'registry_unavailable' | 'review',
): Promise<HttpAnswer> {
  const { id } = enrolment;
  const next: Enrolment = { ...enrolment, status: 'pending', reason };
  await context.store.insert(itemKeys.pending(id), { id });
  await context.store.replace(itemKeys.enrolment(id), version, next);
  return { status: 202, body: { status: 'pending', reason }, retryAfterSeconds: 60 };
}

async function end(
  context: MembershipContext,
  { enrolment, version }: StoredEnrolment,
): Promise<void> {
  const next: Enrolment = { ...enrolment, status: 'refused', reason: null };
  await context.store.replace(itemKeys.enrolment(enrolment.id), version, next);
  await context.store.remove([itemKeys.pending(enrolment.id)]);
}

function activeAnswer({ certificate, subject }: Enrolment): HttpAnswer {
  if (!certificate) throw new Error('an active enrolment has a certificate');
  return {
    status: 200,
    body: { status: 'active', certificate: toBase64url(certificate), subject },
  };
}

function notVerified(): HttpError {
  return new HttpError(
    'not_verified',
    'The registry does not confirm number, name, state and licence together.',
  );
}
