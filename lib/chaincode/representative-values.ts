/** Representatives on the ledger: a key that may act for a patient, and what it may do. */
import { z } from 'zod';
import { hashField, publicKeyField } from '../wire/fields.ts';
import { distinct, idField, kidField, pseudonymField } from './fields.ts';

/**
 * All that a patient can let a representative do; there is nothing else, whatever is asked for.
 * `read`: read records. `grant`: let clinicians read or write. `revoke`: end permissions.
 * `countersign`: confirm or dispute records. `history`: see all that was done, and all permissions.
 */
export const powerField = z.enum(['read', 'grant', 'revoke', 'countersign', 'history']);
export type Power = z.infer<typeof powerField>;
export const powersField = distinct(powerField, 1, powerField.options.length);

/** Beside the permission of the same id, which holds categories, months and times. */
export const appointmentSchema = z.strictObject({
  /** The key that acts: made for this patient alone, so that it names nobody. */
  kid: kidField,
  publicKey: publicKeyField,
  /** Digest of the X-Wing key that seeds are sealed to. */
  encryptionKeyDigest: hashField,
  powers: powersField,
});

/** By key: the newest appointment, and whose. */
export const representativeSchema = z.strictObject({
  pseudonym: pseudonymField,
  permissionId: idField,
  publicKey: publicKeyField,
});

export const appointmentEntrySchema = z.strictObject({ permissionId: idField });
