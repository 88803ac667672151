/** A clinician who lost the keys: what the clinician, two operators and the old key do. */
import { toBase64url } from '../lib/crypto/bytes.ts';
import type { Role } from '../lib/membership/roles.ts';
import { z } from 'zod';
import type { Clinician } from './clinician.ts';
import type { ClinicianData } from './keystore-data.ts';
import type { Operator } from './operator.ts';
import { parseValue } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';
import { fieldsOf, type Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

/** An operator's letter is good for two weeks, milliseconds. */
const LETTER_MS = 14 * 86_400_000;

export const lossReasons = ['device-lost', 'device-stolen', 'passphrase-lost'] as const;
export type LossReason = (typeof lossReasons)[number];

/** The operator, who saw the person, lets a new key enrol under the old subject. */
export async function letterOfReenrolment(
  { session, keystore, hospital }: Operator,
  { subject, kid }: { subject: string; kid: string },
): Promise<string> {
  const payload = { subject, hospital, kid };
  const by = { key: keystore.signingKey, validMs: LETTER_MS };
  return session.membership.signed('cq-reenrol', payload, by);
}

/** The operator lets a key enrol that no registry lists, or a patient whose old keys are lost. */
export async function letterOfInvitation(
  { session, keystore, hospital }: Operator,
  { role, kid }: { role: Role; kid: string },
): Promise<string> {
  const by = { key: keystore.signingKey, validMs: LETTER_MS };
  return session.membership.signed('cq-invitation', { role, hospital, kid }, by);
}

/** The clinician has fresh keys certified under the old subject; nothing counts yet. */
export async function enrolAgain(
  clinician: Clinician,
  role: Role,
  letter: string,
): Promise<ClinicianData['enrolment']> {
  const { session, keystore } = clinician;
  const { enrolmentId, state } = await session.membership.renew({
    ...{ role, signingKey: keystore.signingKey, encryption: keystore.encryption },
    authorisation: { reenrolment: letter },
  });
  const { network } = session.network.genesis.document;
  const enrolment = { network, enrolmentId, role, ...fieldsOf(state) };
  await clinician.change({ enrolment });
  return enrolment;
}

/** The own hospital asks; from that block on the old key can only object. */
export async function askReenrolment(
  operator: Operator,
  certificate: Uint8Array,
  reason: LossReason,
): Promise<CertifiedResult> {
  await operator.inspect(certificate);
  const args = { certificate: toBase64url(certificate), reason };
  return operator.session.client.submit({ fn: 'identity.reenrol', args }, operator.signer);
}

/** An operator of another hospital approves; one of the own, whose key is a new one, confirms. */
export function approveReenrolment(
  { session, signer }: Operator,
  subject: string,
): Promise<CertifiedResult> {
  const call = { fn: 'identity.approve-reenrolment', args: { subject } };
  return session.client.submit(call, signer);
}

/** Once the delay is over. */
export function finishReenrolment(
  { session, signer }: Operator,
  subject: string,
): Promise<CertifiedResult> {
  return session.client.submit({ fn: 'identity.finish-reenrolment', args: { subject } }, signer);
}

/** By the old key: it objects; by the operator who asked: it is withdrawn. */
export function endReenrolment(
  { session, signer }: { session: Session; signer: RequestSigner },
  subject: string,
): Promise<CertifiedResult> {
  return session.client.submit({ fn: 'identity.veto-reenrolment', args: { subject } }, signer);
}

const stepValue = z.object({
  kid: z.string(),
  hospital: z.string(),
  at: z.object({ time: z.int(), height: z.int() }),
});
const reenrolmentValue = z.object({
  subject: z.string(),
  name: z.string(),
  role: z.string(),
  hospital: z.string().nullable(),
  kid: z.string(),
  previousKid: z.string(),
  reason: z.string(),
  requested: stepValue,
  approvals: z.array(stepValue),
  /** Hospitals whose word counts now, the own one among them, and how many it takes. */
  counted: z.array(z.string()),
  needed: z.int(),
  /** The old key objected before: it cannot again. */
  contested: z.boolean(),
  from: z.int(),
  until: z.int(),
  status: z.enum(['open', 'done', 'vetoed', 'withdrawn']),
});
export type ReenrolmentState = z.infer<typeof reenrolmentValue>;

/** How far it is, as the ledger proves. */
export async function reenrolmentOf(
  { session, signer }: { session: Session; signer: RequestSigner },
  subject: string,
): Promise<ReenrolmentState> {
  const call = { fn: 'identity.reenrolment', args: { subject } };
  const value = await session.client.query(call, signer, { fresh: true });
  return parseValue(reenrolmentValue, value, call.fn);
}
