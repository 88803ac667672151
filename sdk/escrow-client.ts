/** The escrow of each validator as a client sees it: every call proves a key and brings a receipt. */
import { z } from 'zod';
import { fromBase64url, isBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import type { HpkeSealed } from '../lib/crypto/hpke.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { escrowBounds } from '../lib/escrow/bounds.ts';
import { createDpop } from '../lib/records/dpop.ts';
import { fromSealedText, sealedSchema, type SealedText } from '../lib/records/sealed.ts';
import { SdkError } from './errors.ts';
import { callJson, type HttpAnswer, parseAnswer, problemError } from './http.ts';
import type { Session } from './session.ts';
import type { ValidatorAddress } from './validator-pool.ts';

const CALL_TIMEOUT_MS = 6_000;

const heldAnswer = z.object({ escrowId: z.string(), generation: z.int() });
const releaseAnswer = z.object({
  generation: z.int(),
  share: sealedSchema(escrowBounds.shareBytes + 16),
  payload: z
    .string()
    .regex(/^[A-Za-z0-9_-]*$/)
    .max(Math.ceil((escrowBounds.payloadBytesMax * 4) / 3))
    .refine(isBase64url, 'canonical base64url'),
});

/** What a call proves: the caller's key, and the receipt that permits it. */
export interface EscrowPermit {
  readonly key: SigningKey;
  readonly receipt: Uint8Array;
}

/** What a validator gave; nothing of it is checked yet. */
export interface Released {
  readonly validator: string;
  readonly sealed: HpkeSealed;
  readonly payload: Uint8Array;
}

/** One validator of the present ones. Throws `unreachable` where its address is not known. */
export function validatorAt({ client }: Session, id: string): ValidatorAddress {
  const found = client.validators.find((one) => one.id === id);
  if (found) return found;
  throw new SdkError('unreachable', `Nobody knows where ${id} is reached.`, {
    nextStep: 'Get the newest network file from an operator.',
  });
}

/** Hands over a share and the payload; the validator has opened the share when this returns. */
export async function putEscrowShare(
  session: Session,
  at: ValidatorAddress,
  permit: EscrowPermit,
  put: { escrowId: string; share: SealedText; payload: Uint8Array },
): Promise<void> {
  const { escrowId, share, payload } = put;
  const url = `${at.url}/v1/escrow/${escrowId}`;
  const body = { share, payload: toBase64url(payload) };
  parseAnswer(heldAnswer, await call(session, at, 'PUT', url, permit, body), at.id);
}

/** Asks a validator for its share, sealed to the reader's key. */
export async function releaseEscrowShare(
  session: Session,
  at: ValidatorAddress,
  permit: EscrowPermit,
  wanted: { escrowId: string; readerKey: Uint8Array },
): Promise<Released> {
  const url = `${at.url}/v1/escrow/${wanted.escrowId}/release`;
  const body = { readerKey: toBase64url(wanted.readerKey) };
  const answer = await call(session, at, 'POST', url, permit, body);
  const { share, payload } = parseAnswer(releaseAnswer, answer, at.id);
  return {
    validator: at.id,
    sealed: fromSealedText(share),
    payload: fromBase64url(payload),
  };
}

/** Has a validator erase what it holds. */
export async function endEscrowAt(
  session: Session,
  at: ValidatorAddress,
  permit: EscrowPermit,
  escrowId: string,
): Promise<void> {
  const url = `${at.url}/v1/escrow/${escrowId}/end`;
  parseAnswer(heldAnswer, await call(session, at, 'POST', url, permit, {}), at.id);
}

async function call(
  { transport, clock }: Session,
  at: ValidatorAddress,
  method: 'PUT' | 'POST',
  url: string,
  { key, receipt }: EscrowPermit,
  body: Readonly<Record<string, unknown>>,
): Promise<HttpAnswer> {
  const dpop = await createDpop({ method, url, receipt }, key, clock.now());
  const answer = await callJson(transport, {
    method,
    url,
    timeoutMs: CALL_TIMEOUT_MS,
    headers: { dpop },
    body: { receipt: toBase64url(receipt), ...body },
  });
  if (answer.status < 300) return answer;
  throw problemError(answer, at.id);
}
