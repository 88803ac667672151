/** What the ledger holds of recovery: commitments to guardians and shares, never a name. */
import { z } from 'zod';
import { heightField, timeField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { digestField, idField, kidField, pseudonymField } from './fields.ts';

const momentSchema = z.strictObject({ time: timeField, height: heightField });

/** A guardian, as the ledger knows one until there is a recovery. */
export const guardianSchema = z.strictObject({
  /** Commitment to the guardian's signing key; the salt is in the guardian's package. */
  key: digestField,
  /** Commitment to the guardian's share. */
  share: digestField,
});

export const guardiansField = z
  .array(guardianSchema)
  .min(chaincodeBounds.guardiansMin)
  .max(chaincodeBounds.guardiansMax);
export const neededField = z
  .int()
  .min(chaincodeBounds.guardiansMin)
  .max(chaincodeBounds.guardiansMax);
export const guardianIndexField = z
  .int()
  .min(0)
  .max(chaincodeBounds.guardiansMax - 1);

/** At the pseudonym: who together with the validators gives its keys back. */
export const recoverySetupSchema = z.strictObject({
  setupId: idField,
  /** Guardians who have to sign. */
  needed: neededField,
  guardians: guardiansField,
  /** The deposit at the validators that belongs to these guardians. */
  escrowId: idField,
  generation: z.int().min(1),
  since: momentSchema,
  /** `spent`: a recovery was vetoed, and guardians may have handed over their shares. */
  status: z.enum(['ready', 'spent', 'ended']),
  /** The newest recovery that was started. */
  recoveryId: idField.nullable(),
});
export type RecoverySetup = z.infer<typeof recoverySetupSchema>;

export const recoverySchema = z.strictObject({
  id: idField,
  pseudonym: pseudonymField,
  setupId: idField,
  /** The new device: the key that signs, and the digest of the X-Wing key to seal to. */
  receivingKid: kidField,
  encryptionKeyDigest: digestField,
  /** Guardians who signed. */
  approvedBy: z.array(guardianIndexField).max(chaincodeBounds.guardiansMax),
  started: momentSchema,
  /** Shares are released in from ≤ block time < until. */
  from: timeField,
  until: timeField,
  /** When the owner key alone objected, where a rotation key is set: that made the wait longer. */
  objected: momentSchema.nullable(),
  status: z.enum(['waiting', 'released', 'vetoed', 'done']),
  /** When the status came to be. */
  changed: momentSchema,
});
export type Recovery = z.infer<typeof recoverySchema>;

/** An id of a setup is used once: what guardians signed under it counts for it alone. */
export const recoverySetupIdSchema = z.strictObject({ pseudonym: pseudonymField });
