/** Evidence of equivocation: two votes of one validator for one slot that say different things. */
import { z } from 'zod';
import { equalBytes } from '../crypto/bytes.ts';
import type { VerifySignature } from '../crypto/p256.ts';
import { encodeCbor, decodeWith } from './codec.ts';
import { hashField, ledgerField } from './fields.ts';
import { sessionHeight } from './ledger.ts';
import { sessionCertificateSchema, sessionCovers, verifySessionCertificate } from './session.ts';
import type { ValidatorSet } from './validators.ts';
import { voteSchema, voteSigningBytes } from './vote.ts';

/** Two votes and a certificate are below 1 KiB. */
export const EVIDENCE_BYTES_MAX = 2_048;

export const evidenceSchema = z.strictObject({
  ledger: ledgerField,
  /** The set under which both votes are signed: an honest validator signs a slot under one. */
  validatorsHash: hashField,
  /** The vote session of the signer, as its KMS key certified it. */
  session: sessionCertificateSchema,
  first: voteSchema,
  second: voteSchema,
});
export type Evidence = z.infer<typeof evidenceSchema>;

/** Why evidence proves nothing; the first step that fails is named. */
export type EvidenceFault =
  | 'unknown_validator'
  | 'other_validator'
  | 'other_slot'
  | 'same_statement'
  | 'other_network'
  | 'not_a_vote_session'
  | 'bad_session'
  | 'bad_first_vote'
  | 'bad_second_vote';

/** What evidence is judged by: the set in which the accused has its seat. */
export interface EvidenceContext {
  genesisHash: Uint8Array;
  network: string;
  validators: ValidatorSet;
}

/**
 * Null where the evidence proves that the holder of a session key of this seat signed two
 * statements for one slot; an honest validator never does, whoever else lies. Only the present
 * incarnation counts: what was signed under an earlier one ended with it.
 */
export async function verifyEvidence(
  { ledger, validatorsHash, session, first, second }: Evidence,
  { genesisHash, network, validators }: EvidenceContext,
  verify: VerifySignature,
): Promise<EvidenceFault | null> {
  const seat = validators.find((one) => one.id === first.validator);
  if (!seat) return 'unknown_validator';
  if (second.validator !== seat.id) return 'other_validator';
  if (second.phase !== first.phase || second.height !== first.height) return 'other_slot';
  if (second.view !== first.view) return 'other_slot';
  if (equalBytes(first.hash, second.hash)) return 'same_statement';
  if (session.body.network !== network) return 'other_network';
  const { id, incarnation, kmsKey } = seat;
  const height = sessionHeight(ledger, first.height);
  const wanted = { validator: id, incarnation, purpose: 'vote', height } as const;
  if (!sessionCovers(session.body, wanted)) return 'not_a_vote_session';
  if (!(await verifySessionCertificate(session, kmsKey, verify))) return 'bad_session';
  const context = { genesisHash, ledger, validatorsHash };
  const { key } = session.body;
  const firstBytes = voteSigningBytes(context, first);
  if (!(await verify(key, firstBytes, first.signature))) return 'bad_first_vote';
  const secondBytes = voteSigningBytes(context, second);
  return (await verify(key, secondBytes, second.signature)) ? null : 'bad_second_vote';
}

export function encodeEvidence(evidence: Evidence): Uint8Array {
  return encodeCbor(evidence);
}

export function decodeEvidence(bytes: Uint8Array): Evidence {
  return decodeWith(evidenceSchema, bytes, EVIDENCE_BYTES_MAX);
}
