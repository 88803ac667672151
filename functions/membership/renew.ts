/** POST /v1/renewals: a new key for an enrolment; by the old key, or by the hospital's operator. */

import { equalBytes, fromBase64url } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { checkMembershipRequest, parseMembershipRequest } from '../../lib/membership/requests.ts';
import { roleRow } from '../../lib/membership/roles.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { HttpAnswer } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import { findOperator } from './authority.ts';
import type { MembershipContext } from './context.ts';
import { begin, challengeAgain, checkRequest, findEnrolment, requireFree } from './enrol.ts';
import { type Enrolment, findPointer, itemKeys, requireEnrolment } from './enrolment.ts';
import type { RenewBody } from './routes.ts';

/**
 * Starts the enrolment of a new key under the subject of an older one; both keys prove themselves
 * as at a first enrolment. The ledger alone decides whether the new key takes over.
 */
export async function renew(context: MembershipContext, body: RenewBody): Promise<HttpAnswer> {
  const genesis = await context.genesis.require();
  const signingKey = fromBase64url(body.signingKey);
  const encryptionKey = fromBase64url(body.encryptionKey);
  const kid = thumbprint(signingKey);
  await checkRequest(context, body, { signingKey, encryptionKey });
  const previous = await ('renewal' in body
    ? byOldKey(context, body.renewal, kid)
    : byOperator(context, genesis, body.reenrolment, kid));
  if (previous.role !== body.role) {
    throw new HttpError('invalid_request', 'A renewal keeps the role.');
  }
  if (roleRow(previous.role).way !== 'cosigned') {
    throw new HttpError('role_denied', 'Only certificates that a hospital cosigns are renewed.');
  }
  if (previous.status !== 'active') {
    throw new HttpError('revoked', 'The enrolment that would be renewed is not active.');
  }
  const known = await findEnrolment(context, kid);
  const goesOn =
    known !== null &&
    known.enrolment.predecessor === previous.id &&
    known.enrolment.status !== 'refused' &&
    equalBytes(known.enrolment.encryptionKey, encryptionKey);
  if (goesOn) return challengeAgain(context, known);
  requireFree(known);
  const id = randomId();
  const identity = await context.vault.open(previous.id, previous.identity);
  const { role, hospital, isInvited, subject } = previous;
  return begin(context, known?.pointer ?? null, {
    ...{ id, role, kid, signingKey, encryptionKey },
    identity: await context.vault.seal(id, identity),
    ...{ hospital, isInvited, subject },
    predecessor: previous.id,
    selfQuery: null,
  });
}

async function byOldKey(
  context: MembershipContext,
  compact: string,
  kid: string,
): Promise<Enrolment> {
  const request = parseMembershipRequest('cq-renew', compact);
  const { enrolment } = await requireEnrolment(context.store, request.payload.enrolmentId);
  await checkMembershipRequest(request, {
    publicKey: enrolment.signingKey,
    network: context.network,
    now: context.now(),
  });
  if (request.payload.kid !== kid) {
    throw new HttpError('wrong_invitation', 'The old key names another key.');
  }
  return enrolment;
}

async function byOperator(
  context: MembershipContext,
  genesis: Genesis,
  compact: string,
  kid: string,
): Promise<Enrolment> {
  const request = parseMembershipRequest('cq-reenrol', compact);
  const operator = findOperator(genesis, request.kid);
  if (!operator) throw new HttpError('unknown_signer', 'No operator signed the re-enrolment.');
  await checkMembershipRequest(request, {
    publicKey: operator.publicKey,
    network: context.network,
    now: context.now(),
  });
  const { subject, hospital } = request.payload;
  const pointer = await findPointer(context.store, itemKeys.subject(subject));
  const enrolment = pointer && (await requireEnrolment(context.store, pointer.id)).enrolment;
  const isOwn = hospital === operator.validator && enrolment?.hospital === hospital;
  if (!enrolment || !isOwn || request.payload.kid !== kid) {
    throw new HttpError('wrong_invitation', 'The re-enrolment is for another key or hospital.');
  }
  return enrolment;
}
