/** Two persons of two hospitals have the holder of a one-time certificate named. */
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import { COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { unmaskSchema, type Unmask } from '../lib/chaincode/identity-values.ts';
import { unmaskCommitment } from '../lib/membership/unmask.ts';
import type { Unmasked } from './membership-client.ts';
import { allEntries } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

export const unmaskReasons = [
  'court-order',
  'suspected-fraud',
  'patient-safety',
  'registered-in-error',
] as const;
export type UnmaskReason = (typeof unmaskReasons)[number];

/** Operator or auditor. */
export interface Unmasker {
  readonly session: Session;
  readonly signer: RequestSigner;
  readonly keystore: { readonly signingKey: SigningKey };
}

/** What the first person keeps: without it nobody, and no receipt, names anybody. */
export interface UnmaskSecret {
  readonly unmaskId: string;
  readonly serial: string;
  readonly salt: Uint8Array;
}

/** The first person asks: the ledger gets a commitment and the reason. */
export async function askUnmask(
  { session, signer }: Unmasker,
  { serial, reasonCode }: { serial: string; reasonCode: UnmaskReason },
): Promise<{ secret: UnmaskSecret; result: CertifiedResult }> {
  const salt = randomBytes(COMMITMENT_SALT_BYTES);
  const unmaskId = randomId();
  const args = { unmaskId, commitment: unmaskCommitment(serial, salt), reasonCode };
  const result = await session.client.submit({ fn: 'identity.unmask', args }, signer);
  return { secret: { unmaskId, serial, salt }, result };
}

/** The second person, of another hospital, agrees: the receipt is what the service answers to. */
export function approveUnmask(
  { session, signer }: Unmasker,
  unmaskId: string,
): Promise<CertifiedResult> {
  return session.client.submit({ fn: 'identity.approve-unmask', args: { unmaskId } }, signer);
}

/** The first person asks the membership service with the receipt of the second. */
export function nameHolder(
  { session, keystore }: Unmasker,
  { serial, salt }: UnmaskSecret,
  receipt: Uint8Array,
): Promise<Unmasked> {
  return session.membership.unmask({ receipt, serial, salt }, keystore.signingKey);
}

/** Every request that was ever made, oldest first: anybody may count them. */
export function allUnmaskings({
  session,
  signer,
}: Pick<Unmasker, 'session' | 'signer'>): Promise<Unmask[]> {
  const query = { fn: 'identity.unmaskings', item: unmaskSchema, signer };
  return allEntries(session.client, query, { fresh: true });
}
