/** POST /v1/enrolments: both keys are tied to one request, and the X-Wing key gets a challenge. */

import { equalBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { hpkeInfo, hpkeSeal } from '../../lib/crypto/hpke.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { encryptionKeyDigest } from '../../lib/membership/certificates.ts';
import { isValidNpi } from '../../lib/membership/npi.ts';
import { checkMembershipRequest, parseMembershipRequest } from '../../lib/membership/requests.ts';
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
} from './enrolment.ts';
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
  const answer = randomBytes(CHALLENGE_BYTES);
  const challenge = {
    digest: sha256(answer),
    expiresAt: context.now() + CHALLENGE_MS,
    attempts: 0,
  };
  let id: string;
  if (known && isSame(known.enrolment, body, encryptionKey)) {
    id = known.enrolment.id;
    const next: Enrolment = { ...known.enrolment, challenge };
    await mustWrite(context.store.replace(itemKeys.enrolment(id), known.version, next));
  } else {
    if (known && known.enrolment.status !== 'refused' && known.enrolment.status !== 'challenged') {
      throw new HttpError('already_enrolled', 'This key is enrolled already.');
    }
    id = randomId();
    const enrolment: Enrolment = parseWith(enrolmentSchema, {
      id,
      role: body.role,
      kid,
      signingKey,
      encryptionKey,
      identity: await context.vault.seal(id, body.identity),
      hospital: hospitalOf(context, body, kid),
      isInvited,
      status: 'challenged',
      reason: null,
      challenge,
      subject: randomId(),
      certificate: null,
      createdAt: context.now(),
      revoked: null,
    });
    const pointer = { key: itemKeys.kid(kid), expected: known?.pointer ?? null, value: { id } };
    const state = { key: itemKeys.enrolment(id), expected: null, value: enrolment };
    await mustWrite(context.store.transact([state, pointer]));
  }
  const sealed = await hpkeSeal(encryptionKey, {
    info: hpkeInfo({
      network: context.network,
      purpose: CHALLENGE_PURPOSE,
      subject: id,
      recipient: kid,
    }),
    aad: new Uint8Array(),
    plaintext: answer,
  });
  const { enc, ciphertext } = sealed;
  return {
    status: 201,
    body: {
      enrolmentId: id,
      challenge: { enc: toBase64url(enc), ciphertext: toBase64url(ciphertext) },
    },
  };
}

async function checkRequest(
  context: MembershipContext,
  body: EnrolBody,
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
  if (role === 'custodian' || role === 'representative') {
    throw new HttpError('role_denied', 'This role is not given by enrolment.');
  }
  if (role === 'operator') {
    if (operatorOf(context, kid) === null) {
      throw new HttpError('role_denied', 'This key is of no operator of the network.');
    }
    return;
  }
  if (role === 'patient') {
    const isClinical = identity.npi ?? identity.licence ?? identity.hospital;
    if (isClinical !== undefined) refuse('A patient gives no number, licence or hospital.');
    return;
  }
  if (identity.npi !== undefined && !isValidNpi(identity.npi)) refuse('This is no valid NPI.');
  if (role === 'doctor' && identity.npi === undefined) refuse('A doctor gives an NPI.');
  if (identity.npi !== undefined && (!identity.state || !identity.licence)) {
    refuse('An NPI comes with the state and number of the licence.');
  }
  if (identity.hospital === undefined || !Object.hasOwn(context.operatorKeys, identity.hospital)) {
    refuse('Name the hospital by the id of its validator.');
  }
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
  const isFit =
    payload.kid === kid &&
    payload.role === body.role &&
    payload.hospital === body.identity.hospital &&
    payload.hospital === operator.validator;
  if (!isFit) throw new HttpError('wrong_invitation', 'The invitation is for another.');
  return true;
}

function hospitalOf(context: MembershipContext, body: EnrolBody, kid: string): string | null {
  if (body.role === 'patient') return null;
  return body.role === 'operator' ? operatorOf(context, kid) : (body.identity.hospital ?? null);
}

function operatorOf(context: MembershipContext, kid: string): string | null {
  const entries = Object.entries(context.operatorKeys);
  return entries.find(([, operator]) => operator === kid)?.[0] ?? null;
}

async function findEnrolment(context: MembershipContext, kid: string) {
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
