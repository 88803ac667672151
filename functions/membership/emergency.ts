/** Emergency cards: which card a patient carries, and naming it for a declaration without one. */

import { z } from 'zod';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { identityCommitment } from '../../lib/membership/emergency.ts';
import { checkMembershipRequest, parseMembershipRequest } from '../../lib/membership/requests.ts';
import { checkHolder } from '../../lib/records/capability.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { requireReceipt } from '../aws/permit.ts';
import { HttpError } from '../aws/problems.ts';
import { patientDigest } from './activate.ts';
import type { MembershipContext } from './context.ts';
import { findPointer, itemKeys, requireEnrolment } from './enrolment.ts';
import type { BindBody } from './routes.ts';
import { permitOf } from './unmask.ts';

const ATTEMPTS_MAX = 4;

/** The value of a declaration that names no card. */
const unboundSchema = z.object({
  fn: z.literal('emergency.declare'),
  status: z.literal('unbound'),
  declarationId: z.string(),
  readerKid: z.string(),
  identity: z.string(),
  until: z.int(),
});
const cardSchema = z.strictObject({ sealed: z.instanceof(Uint8Array) });

/** Keeps the digest that the ledger knows a patient's card by, or forgets it. */
export async function keepCard(context: MembershipContext, compact: string): Promise<HttpAnswer> {
  const request = parseMembershipRequest('cq-emergency-card', compact);
  const { enrolmentId, handle, nonce, expiresAt } = request.payload;
  const { enrolment } = await requireEnrolment(context.store, enrolmentId);
  await checkMembershipRequest(request, {
    publicKey: enrolment.signingKey,
    network: context.network,
    now: context.now(),
  });
  if (enrolment.status !== 'active' || enrolment.role !== 'patient') {
    throw new HttpError('not_enrolled', 'Only an enrolled patient has a card.');
  }
  const used = itemKeys.nonce(enrolment.kid, nonce);
  if (!(await context.store.insert(used, {}, Math.ceil(expiresAt / 1_000) + 60))) {
    throw new HttpError('replayed', 'This request was used: sign a new one.');
  }
  await putCard(context, enrolmentId, handle);
  return { status: 200, body: { enrolmentId } };
}

/**
 * Names the card of the person to whom a declaration commits, on the ledger. Only the clinician who
 * declared may ask, and learns nothing here but the transaction; an unknown person and one without a
 * card are answered alike.
 */
export async function bindEmergency(
  context: MembershipContext,
  request: HttpRequest,
  { receipt: text, name, birthDate, salt }: BindBody,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(permitOf(context), request, text);
  const declared = unboundSchema.safeParse(receipt.result.value);
  if (receipt.result.status !== 'COMMITTED' || !declared.success) {
    throw new HttpError('receipt_wrong_kind', 'The receipt is of no declaration without a card.');
  }
  const { declarationId, readerKid, identity, until } = declared.data;
  checkHolder(readerKid, proof.kid);
  if (context.now() >= until) {
    throw new HttpError('receipt_expired', 'The declaration is over: declare anew.');
  }
  if (identityCommitment({ name, birthDate }, fromBase64url(salt)) !== identity) {
    throw new HttpError('wrong_answer', 'The declaration is about another person.');
  }
  const handle = await cardOf(context, name, birthDate);
  const bound = await context.ledger.bind(declarationId, handle);
  if (bound === null) {
    throw new HttpError('unavailable', 'No validator confirmed it yet.', { retryAfterSeconds: 1 });
  }
  if ('id' in bound) return { status: 200, body: { declarationId, transactionId: bound.id } };
  if (bound.code === 'already_bound') return { status: 200, body: { declarationId } };
  throw bound.code === 'unknown_handle' || bound.code === 'handle_void'
    ? noCard()
    : new HttpError('not_permitted', `The ledger refuses it: ${bound.code}.`);
}

async function cardOf(
  context: MembershipContext,
  name: string,
  birthDate: string,
): Promise<string> {
  const digest = await patientDigest(context, { name, birthDate });
  const pointer = await findPointer(context.store, itemKeys.person(digest));
  const item = pointer && (await context.store.get(itemKeys.card(pointer.id)));
  if (!pointer || !item) throw noCard();
  const { sealed } = parseWith(cardSchema, item.value);
  return parseWith(z.string(), await context.vault.open(`card ${pointer.id}`, sealed));
}

async function putCard(
  { store, vault }: MembershipContext,
  enrolmentId: string,
  handle: string | null,
): Promise<void> {
  const key = itemKeys.card(enrolmentId);
  if (handle === null) return store.remove([key]);
  const value = { sealed: await vault.seal(`card ${enrolmentId}`, handle) };
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const item = await store.get(key);
    const isPut = item
      ? await store.replace(key, item.version, value)
      : await store.insert(key, value);
    if (isPut) return;
  }
  throw new HttpError('conflict', 'Another request came first; send it again.');
}

function noCard(): HttpError {
  return new HttpError(
    'no_card',
    'No card is known of a person of this name and birth date. Nothing follows from that.',
  );
}
