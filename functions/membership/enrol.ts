/** POST /v1/enrolments: both keys are tied to one request, and the X-Wing key gets a challenge. */

import { equalBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { hpkeInfo, hpkeSeal } from '../../lib/crypto/hpke.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { encryptionKeyDigest } from '../../lib/membership/certificates.ts';
import { isValidNpi } from '../../lib/membership/npi.ts';
import { checkMembershipRequest, parseMembershipRequest } from '../../lib/membership/requests.ts';
import { roleRow } from '../../lib/membership/roles.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { HttpAnswer } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import { findOperator } from './authority.ts';
import type { MembershipContext } from './context.ts';
import {
  type Enrolment,
  enrolmentSchema,
  findPointer,
  itemKeys,
  requireEnrolment,
  type StoredEnrolment,
} from './enrolment.ts';
import { subjectOf } from './held-certificate.ts';
import { verifySelfQuery } from './registry/self-query.ts';
import type { EnrolBody } from './routes.ts';

const CHALLENGE_BYTES = 32;
const CHALLENGE_MS = 15 * 60_000;

/** What HPKE binds a challenge to; its AAD is empty. */
export const CHALLENGE_PURPOSE = 'enrolment-challenge';

/** Starts an enrolment, or gives a new challenge for one that the same keys have started. */
export async function enrol(context: MembershipContext, body: EnrolBody): Promise<HttpAnswer> {
  const genesis = await context.genesis.require();
  const signingKey = fromBase64url(body.signingKey);
  const encryptionKey = fromBase64url(body.encryptionKey);
  const kid = thumbprint(signingKey);
  await checkRequest(context, body, { signingKey, encryptionKey });
  checkIdentity(context, body, kid);
  const isInvited = await checkInvitation(context, genesis, body, kid);

  const known = await findEnrolment(context, kid);
  if (known && isSame(known.enrolment, body, encryptionKey)) {
    const { enrolment, version } = known;
    const invited = { ...enrolment, isInvited: enrolment.isInvited || isInvited };
    return challengeAgain(context, { enrolment: invited, version });
  }
  requireFree(known);
  const id = randomId();
  const hospital = hospitalOf(context, body, kid);
  return begin(context, known?.pointer ?? null, {
    id,
    role: body.role,
    ...{ kid, signingKey, encryptionKey },
    identity: await context.vault.seal(id, body.identity),
    hospital,
    isInvited,
    subject: await subjectOf(context, body, { signingKey, encryptionKey, hospital }),
    predecessor: null,
    selfQuery: await readSelfQuery(context, body),
  });
}

/** Writes a fresh enrolment and gives its challenge; `pointer` is the version that it replaces. */
export async function begin(
  context: MembershipContext,
  pointer: number | null,
  fresh: FreshEnrolment,
): Promise<HttpAnswer> {
  const { id, kid } = fresh;
  const { answer, challenge } = newChallenge(context);
  const enrolment: Enrolment = parseWith(enrolmentSchema, {
    ...fresh,
    status: 'challenged',
    reason: null,
    challenge,
    certificate: null,
    createdAt: context.now(),
    revoked: null,
    doubtedAt: null,
  });
  const state = { key: itemKeys.enrolment(id), expected: null, value: enrolment };
  const named = { key: itemKeys.kid(kid), expected: pointer, value: { id } };
  await mustWrite(context.store.transact([state, named]));
  return sealChallenge(context, enrolment, answer);
}

/** A new challenge for an enrolment that goes on. */
export async function challengeAgain(
  context: MembershipContext,
  { enrolment, version }: StoredEnrolment,
): Promise<HttpAnswer> {
  const { answer, challenge } = newChallenge(context);
  const next: Enrolment = { ...enrolment, challenge };
  await mustWrite(context.store.replace(itemKeys.enrolment(enrolment.id), version, next));
  return sealChallenge(context, enrolment, answer);
}

/** Throws HttpError `already_enrolled` for a key whose enrolment goes on, or ended. */
export function requireFree(known: { enrolment: Enrolment } | null): void {
  const status = known?.enrolment.status;
  if (known && status !== 'refused' && status !== 'challenged') {
    throw new HttpError('already_enrolled', 'This key is enrolled already.');
  }
}

/** What an enrolment is begun with. */
export type FreshEnrolment = Pick<
  Enrolment,
  'id' | 'role' | 'kid' | 'hospital' | 'isInvited' | 'subject' | 'predecessor' | 'selfQuery'
> &
  Record<'signingKey' | 'encryptionKey' | 'identity', Uint8Array>;

function newChallenge(context: MembershipContext) {
  const answer = randomBytes(CHALLENGE_BYTES);
  const expiresAt = context.now() + CHALLENGE_MS;
  return { answer, challenge: { digest: sha256(answer), expiresAt, attempts: 0 } };
}

async function sealChallenge(
  context: MembershipContext,
  { id, kid, encryptionKey }: Enrolment,
  answer: Uint8Array,
): Promise<HttpAnswer> {
  const { enc, ciphertext } = await hpkeSeal(encryptionKey, {
    info: hpkeInfo({
      network: context.network,
      purpose: CHALLENGE_PURPOSE,
      subject: id,
      recipient: kid,
    }),
    aad: new Uint8Array(),
    plaintext: answer,
  });
  const challenge = { enc: toBase64url(enc), ciphertext: toBase64url(ciphertext) };
  return { status: 201, body: { enrolmentId: id, challenge } };
}

/** The new key signed the request, which vouches for the encryption key. */
export async function checkRequest(
  context: MembershipContext,
  body: Pick<EnrolBody, 'request' | 'role'>,
  keys: { signingKey: Uint8Array; encryptionKey: Uint8Array },
): Promise<void> {
  const request = parseMembershipRequest('cq-enrol', body.request);
  await checkMembershipRequest(request, {
    publicKey: keys.signingKey,
    network: context.network,
    now: context.now(),
  });
  const digest = toBase64url(encryptionKeyDigest(keys.encryptionKey));
  if (request.payload.role !== body.role || request.payload.encryptionKeyDigest !== digest) {
    throw new HttpError('invalid_request', 'The signed request says something else.');
  }
}

/** What each role has to say of itself; unknown means denied. */
function checkIdentity(context: MembershipContext, body: EnrolBody, kid: string): void {
  const { role, identity } = body;
  const refuse = (detail: string): never => {
    throw new HttpError('invalid_identity', detail);
  };
  const { way, needsNumber } = roleRow(role);
  if (way === 'party') throw new HttpError('role_denied', 'This role is not given by enrolment.');
  if (way === 'seat') {
    if (operatorOf(context, kid) === null) {
      throw new HttpError('role_denied', 'This key is of no operator of the network.');
    }
    return;
  }
  if (way === 'person') {
    const isClinical = identity.npi ?? identity.licence ?? identity.hospital;
    if (isClinical !== undefined) refuse(`A ${role} gives no number, licence or hospital.`);
    return;
  }
  if (identity.npi !== undefined && !isValidNpi(identity.npi)) refuse('This is no valid NPI.');
  if (needsNumber && identity.npi === undefined) refuse(`A ${role} gives an NPI.`);
  if (identity.npi !== undefined && (!identity.state || !identity.licence)) {
    refuse('An NPI comes with the state and number of the licence.');
  }
  if (identity.hospital === undefined || !Object.hasOwn(context.operatorKeys, identity.hospital)) {
    refuse('Name the hospital by the id of its validator.');
  }
}

/** What the data bank certified for this very person. Throws where the document does not fit. */
async function readSelfQuery(
  context: MembershipContext,
  { selfQuery, identity }: EnrolBody,
): Promise<Enrolment['selfQuery']> {
  const { issuer } = context.npdb;
  if (selfQuery === undefined || issuer === null) return null;
  const { npi = '', name, state = '', licence = '' } = identity;
  const claim = { npi, name, state, licence };
  const now = context.now();
  const { verdict, searchedAt, reference } = await verifySelfQuery(selfQuery, claim, {
    issuer,
    now,
  });
  if (verdict === 'void') {
    throw new HttpError('invalid_identity', 'The self-query is not certified, old, or of another.');
  }
  const digest = await context.vault.digest('reference', reference);
  return { verdict, searchedAt, digest };
}

/** True with a good invitation, false without one. Throws where it is not good. */
async function checkInvitation(
  context: MembershipContext,
  genesis: Genesis,
  body: EnrolBody,
  kid: string,
): Promise<boolean> {
  if (body.operatorInvitation === undefined) return false;
  const invitation = parseMembershipRequest('cq-invitation', body.operatorInvitation);
  const operator = findOperator(genesis, invitation.kid);
  if (!operator) throw new HttpError('unknown_signer', 'No operator signed the invitation.');
  await checkMembershipRequest(invitation, {
    publicKey: operator.publicKey,
    network: context.network,
    now: context.now(),
  });
  const { payload } = invitation;
  // People have no hospital of their own: any operator may vouch for whom they saw.
  const hospital =
    roleRow(body.role).way === 'person' ? operator.validator : body.identity.hospital;
  const isFit =
    payload.kid === kid &&
    payload.role === body.role &&
    payload.hospital === hospital &&
    payload.hospital === operator.validator;
  if (!isFit) throw new HttpError('wrong_invitation', 'The invitation is for another.');
  return true;
}

function hospitalOf(context: MembershipContext, body: EnrolBody, kid: string): string | null {
  const { way } = roleRow(body.role);
  if (way === 'person') return null;
  return way === 'seat' ? operatorOf(context, kid) : (body.identity.hospital ?? null);
}

function operatorOf(context: MembershipContext, kid: string): string | null {
  const entries = Object.entries(context.operatorKeys);
  return entries.find(([, operator]) => operator === kid)?.[0] ?? null;
}

/** The enrolment of a key, with the version of what names it. */
export async function findEnrolment(context: MembershipContext, kid: string) {
  const pointer = await findPointer(context.store, itemKeys.kid(kid));
  if (!pointer) return null;
  const { enrolment, version } = await requireEnrolment(context.store, pointer.id);
  return { enrolment, version, pointer: pointer.version };
}

/** Whether this only repeats an enrolment that goes on: then nothing but the challenge is new. */
function isSame(known: Enrolment, body: EnrolBody, encryptionKey: Uint8Array): boolean {
  const goesOn = known.status === 'active' || known.status === 'pending';
  return goesOn && known.role === body.role && equalBytes(known.encryptionKey, encryptionKey);
}

async function mustWrite(written: Promise<boolean>): Promise<void> {
  if (await written) return;
  throw new HttpError('conflict', 'Another request of this key came first; send it again.', {
    retryAfterSeconds: 1,
  });
}
