/** POST /v1/revocations: by an operator of the hospital, or by the key's own holder. */

import { parseCertificate } from '../../lib/membership/certificates.ts';
import { checkMembershipRequest, parseMembershipRequest } from '../../lib/membership/requests.ts';
import type { HttpAnswer } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import { findOperator } from './authority.ts';
import type { MembershipContext } from './context.ts';
import { type Enrolment, findPointer, itemKeys, requireEnrolment } from './enrolment.ts';

/** Ends an enrolment here: no certificate is issued for it any more. Harmless when repeated. */
export async function revoke(context: MembershipContext, compact: string): Promise<HttpAnswer> {
  const genesis = await context.genesis.require();
  const request = parseMembershipRequest('cq-revoke', compact);
  const { kid, reason } = request.payload;
  const pointer = await findPointer(context.store, itemKeys.kid(kid));
  // Whoever may not revoke a key does not learn either whether it is enrolled.
  const denied = new HttpError('not_permitted', 'Only its operator or its holder may.');
  if (!pointer) throw denied;
  const { enrolment, version } = await requireEnrolment(context.store, pointer.id);
  const operator = findOperator(genesis, request.kid);
  const isOperator = operator !== null && operator.validator === enrolment.hospital;
  if (!isOperator && request.kid !== kid) throw denied;
  await checkMembershipRequest(request, {
    publicKey: isOperator ? operator.publicKey : enrolment.signingKey,
    network: context.network,
    now: context.now(),
  });
  if (enrolment.revoked) return answerOf(enrolment, enrolment.revoked.at);
  const at = context.now();
  const by = isOperator ? operator.validator : 'holder';
  const next: Enrolment = { ...enrolment, status: 'revoked', revoked: { at, reason, by } };
  if (!(await context.store.replace(itemKeys.enrolment(pointer.id), version, next))) {
    throw new HttpError('conflict', 'Another request came first; send it again.', {
      retryAfterSeconds: 1,
    });
  }
  await context.store.remove([itemKeys.pending(pointer.id)]);
  return answerOf(next, at);
}

function answerOf({ kid, certificate }: Enrolment, revokedAt: number): HttpAnswer {
  const serial = certificate && parseCertificate(certificate).serial;
  return { status: 200, body: { kid, status: 'revoked', serial, revokedAt } };
}
