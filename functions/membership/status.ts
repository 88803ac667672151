/** GET /v1/enrolments/{id}: how far an enrolment is, for the key that enrols. */

import { toBase64url } from '../../lib/crypto/bytes.ts';
import { checkMembershipRequest, parseMembershipRequest } from '../../lib/membership/requests.ts';
import type { HttpAnswer } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import type { MembershipContext } from './context.ts';
import { requireEnrolment } from './enrolment.ts';
import { noticesOf } from './unmask.ts';

const SCHEME = 'CQ-Enrolment ';

export async function enrolmentStatus(
  context: MembershipContext,
  id: string,
  authorization: string | undefined,
): Promise<HttpAnswer> {
  await context.genesis.require();
  if (!authorization?.startsWith(SCHEME)) {
    throw new HttpError('proof_missing', `Sign the request: ${SCHEME}<JWS>.`);
  }
  const request = parseMembershipRequest('cq-enrol-status', authorization.slice(SCHEME.length));
  const { enrolment } = await requireEnrolment(context.store, id);
  await checkMembershipRequest(request, {
    publicKey: enrolment.signingKey,
    network: context.network,
    now: context.now(),
  });
  if (request.payload.enrolmentId !== id) {
    throw new HttpError('bad_signature', 'The signed request is for another enrolment.');
  }
  const { status, reason, certificate, subject } = enrolment;
  const issued = certificate && { certificate: toBase64url(certificate), subject };
  const notices = await noticesOf(context, id);
  const told = notices.length > 0 && { notices };
  return { status: 200, body: { status, ...(reason && { reason }), ...issued, ...told } };
}
