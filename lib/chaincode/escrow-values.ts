/** What the ledger holds of an escrow: who keeps which share, never a share itself. */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { heightField, timeField, validatorIdField } from '../wire/fields.ts';
import { digestField, idField, pseudonymField } from './fields.ts';

/** What a secret in escrow is for: a patient has one of each kind at most. */
export const escrowKindField = z.enum(['emergency', 'recovery']);
export type EscrowKind = z.infer<typeof escrowKindField>;

const momentSchema = z.strictObject({ time: timeField, height: heightField });

/** The share of one validator: bytes that only it holds, and only sealed to its share key. */
const escrowShareSchema = z.strictObject({
  validator: validatorIdField,
  /** Tagged hash of the share: a wrong one is told before it is used. */
  commitment: digestField,
  /** Digest of what is sealed to the validator. */
  sealedDigest: digestField,
});

export const escrowSharesField = z.array(escrowShareSchema).min(4).max(limits.validatorsMax);

export const escrowSchema = z.strictObject({
  id: idField,
  kind: escrowKindField,
  pseudonym: pseudonymField,
  /** Counts deposits and the end: a validator keeps nothing older than the newest it saw. */
  generation: z.int().min(1),
  /** Shares that give the secret: n − f of the set for which it was split. */
  threshold: z.int().min(2).max(limits.validatorsMax),
  /** Digest of the holders and their share keys, as they were then. */
  holders: digestField,
  shares: escrowSharesField,
  payloadDigest: digestField,
  deposited: momentSchema,
  ended: momentSchema.nullable(),
});
export type Escrow = z.infer<typeof escrowSchema>;

export const escrowPointerSchema = z.strictObject({ escrowId: idField });
