/** POST /v1/certificates: batches of one-time certificates that nothing links to a person. */

import { fromBase64url, toBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { verifyP256 } from '../../lib/crypto/p256.ts';
import { issueCertificate, randomSerial } from '../../lib/membership/certificates.ts';
import { oneTimeWindow } from '../../lib/membership/one-time.ts';
import {
  checkMembershipRequest,
  oneTimeKeyProofBytes,
  parseMembershipRequest,
} from '../../lib/membership/requests.ts';
import { roleRow } from '../../lib/membership/roles.ts';
import type { HttpAnswer } from '../aws/http.ts';
import { mapParallel } from '../aws/parallel.ts';
import { HttpError } from '../aws/problems.ts';
import type { MembershipContext } from './context.ts';
import { itemKeys, requireEnrolment } from './enrolment.ts';

const DAY_MS = 86_400_000;
const SIGNATURES_IN_FLIGHT_MAX = 8;

/** How long two persons may still ask who got a certificate, days. */
const TRACE_DAYS = 400;

/**
 * Certificates in the order of the keys. What is stored is the nonce of the batch and, for each
 * certificate, a keyed digest of its serial number beside the sealed name of the enrolment.
 */
export async function issueOneTime(
  context: MembershipContext,
  compact: string,
): Promise<HttpAnswer> {
  const ca = await context.authority.current();
  const request = parseMembershipRequest('cq-tcert-request', compact);
  const { enrolmentId, keys, nonce, expiresAt } = request.payload;
  const { enrolment } = await requireEnrolment(context.store, enrolmentId);
  await checkMembershipRequest(request, {
    publicKey: enrolment.signingKey,
    network: context.network,
    now: context.now(),
  });
  const { role } = enrolment;
  if (enrolment.status !== 'active' || roleRow(role).way !== 'person') {
    throw new HttpError(
      'not_enrolled',
      'Only an enrolled patient or representative gets these certificates.',
    );
  }
  const proofBytes = oneTimeKeyProofBytes(enrolmentId, nonce);
  const asked = await mapParallel(keys, SIGNATURES_IN_FLIGHT_MAX, async (key) => {
    const publicKey = fromBase64url(key.publicKey);
    const { week = 0 } = key;
    if (await verifyP256(publicKey, proofBytes, fromBase64url(key.proof))) {
      return { publicKey, week };
    }
    throw new HttpError('bad_key_proof', 'A one-time key has not signed for itself.');
  });
  const names = new Set([enrolment.signingKey, ...asked.map((one) => one.publicKey)].map(toHex));
  if (names.size !== asked.length + 1) {
    throw new HttpError('invalid_request', 'Each one-time key is a key of its own.');
  }
  const used = itemKeys.nonce(enrolment.kid, nonce);
  if (!(await context.store.insert(used, {}, Math.ceil(expiresAt / 1_000) + 60))) {
    throw new HttpError('replayed', 'This request was used: sign a new one.');
  }
  const now = context.now();
  const serials = asked.map(() => randomSerial());
  // Traces come first: no certificate is out that two persons could not trace.
  await context.store.stage(
    await Promise.all(serials.map((serial) => traceOf(context, enrolmentId, serial))),
  );
  const certificates = await mapParallel(
    asked.map((one, index) => ({ ...one, serial: serials[index] as string })),
    SIGNATURES_IN_FLIGHT_MAX,
    ({ publicKey, week, serial }) =>
      issueCertificate({
        ca,
        publicKey,
        claims: { kind: 'tcert', network: context.network, role },
        serial,
        ...oneTimeWindow(now, week),
      }),
  );
  return { status: 200, body: { certificates: certificates.map(toBase64url) } };
}

async function traceOf(context: MembershipContext, enrolmentId: string, serial: string) {
  const digest = await context.vault.digest('serial', serial);
  const sealed = await context.vault.seal(`trace ${digest}`, enrolmentId);
  // Whole days, so that the end of a trace does not tell which others came with it.
  const ttlSeconds = (Math.ceil(context.now() / DAY_MS) + TRACE_DAYS) * (DAY_MS / 1_000);
  return { key: itemKeys.trace(digest), value: { sealed }, ttlSeconds };
}
