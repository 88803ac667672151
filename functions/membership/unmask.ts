/** POST /v1/unmaskings: who got a one-time certificate, for the certified word of two persons. */

import { z } from 'zod';
import { equalBytes, fromBase64url, fromHex } from '../../lib/crypto/bytes.ts';
import { commit } from '../../lib/crypto/commitment.ts';
import { UNMASK_COMMITMENT } from '../../lib/membership/unmask.ts';
import { checkHolder } from '../../lib/records/capability.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { type PermitContext, requireReceipt } from '../aws/permit.ts';
import { HttpError } from '../aws/problems.ts';
import type { MembershipContext } from './context.ts';
import { identitySchema, itemKeys, requireEnrolment } from './enrolment.ts';
import type { UnmaskBody } from './routes.ts';

const NOTICES_MAX = 20;

/** What the receipt of the second person says. */
const approvalSchema = z.object({
  fn: z.literal('identity.approve-unmask'),
  unmaskId: z.string(),
  commitment: z.string(),
  reasonCode: z.string(),
  requesterKid: z.string(),
  requesterHospital: z.string(),
  approverKid: z.string(),
  approverHospital: z.string(),
  usableUntil: z.int(),
});

const traceSchema = z.strictObject({ sealed: z.instanceof(Uint8Array) });
const noticeSchema = z.strictObject({
  at: z.int(),
  reasonCode: z.string(),
  requesterHospital: z.string(),
  approverHospital: z.string(),
});

/**
 * Answers whoever asked first, with a proof of that key, while the receipt is fresh; the person is
 * told at the next login. Without the salt and the serial number the receipt names nobody.
 */
export async function unmask(
  context: MembershipContext,
  request: HttpRequest,
  { receipt: text, serial, salt }: UnmaskBody,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(permitOf(context), request, text);
  const approval = approvalSchema.safeParse(receipt.result.value);
  if (receipt.result.status !== 'COMMITTED' || !approval.success) {
    throw new HttpError('receipt_wrong_kind', 'The receipt is of no agreement of two persons.');
  }
  const { data } = approval;
  checkHolder(data.requesterKid, proof.kid);
  const isTwo =
    data.requesterKid !== data.approverKid && data.requesterHospital !== data.approverHospital;
  if (!isTwo) throw new HttpError('not_permitted', 'Two persons of two hospitals have to agree.');
  if (context.now() >= data.usableUntil) {
    throw new HttpError('receipt_expired', 'The agreement is over: ask the ledger anew.');
  }
  const opened = commit(UNMASK_COMMITMENT, fromBase64url(salt), fromHex(serial));
  if (!equalBytes(opened, fromBase64url(data.commitment))) {
    throw new HttpError('wrong_answer', 'The agreement is about another certificate.');
  }
  const id = await enrolmentOf(context, serial);
  const { enrolment } = await requireEnrolment(context.store, id);
  const { name, birthDate } = parseWith(
    identitySchema,
    await context.vault.open(id, enrolment.identity),
  );
  const { unmaskId, reasonCode, requesterHospital, approverHospital } = data;
  // It is kept before the answer is given: nobody is named without being told.
  await context.store.insert(itemKeys.notice(id, unmaskId), {
    ...{ at: context.now(), reasonCode, requesterHospital, approverHospital },
  });
  const { role, createdAt: enrolledAt } = enrolment;
  return {
    status: 200,
    body: { unmaskId, role, name, birthDate: birthDate ?? null, enrolledAt },
  };
}

/** What the holder of an enrolment is told. */
export async function noticesOf(context: MembershipContext, id: string): Promise<object[]> {
  const items = await context.store.list(itemKeys.notice(id, '').pk, { limit: NOTICES_MAX });
  return items.map(({ sk, value }) => ({ unmaskId: sk, ...parseWith(noticeSchema, value) }));
}

async function enrolmentOf(context: MembershipContext, serial: string): Promise<string> {
  const digest = await context.vault.digest('serial', serial);
  const item = await context.store.get(itemKeys.trace(digest));
  if (!item) {
    throw new HttpError('unknown_enrolment', 'This service issued no such certificate.');
  }
  const { sealed } = parseWith(traceSchema, item.value);
  return parseWith(z.string(), await context.vault.open(`trace ${digest}`, sealed));
}

/** Clients know the service by the address of the genesis document, or where it has moved to. */
export function permitOf(
  context: Pick<MembershipContext, 'store' | 'genesis' | 'apiUrl' | 'now'>,
): PermitContext {
  return {
    store: context.store,
    genesis: context.genesis,
    addresses: ({ document }) => [document.membership.apiUrl.replace(/\/+$/, ''), context.apiUrl],
    now: () => context.now(),
  };
}
