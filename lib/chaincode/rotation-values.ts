/** What the ledger holds of rotations: from which pseudonym to which, and how far it is. */
import { z } from 'zod';
import { heightField, publicKeyField, timeField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { digestField, pseudonymField } from './fields.ts';

const momentSchema = z.strictObject({ time: timeField, height: heightField });

/** At the old pseudonym: whoever still asks for it learns that it is over, and no more. */
export const rotatedSchema = z.strictObject({ at: momentSchema });
export type Rotated = z.infer<typeof rotatedSchema>;

/** Apart from `rotated`, which queries of old grantees prove: to them the new one is unknown. */
export const rotatedToSchema = z.strictObject({ to: pseudonymField });

/** At the new pseudonym. */
export const rotationSchema = z.strictObject({
  from: pseudonymField,
  /** `recovery`: the keys were lost, and guardians and validators gave them back. */
  cause: z.enum(['compromise', 'recovery']),
  /** Digest of the X-Wing key that the custodian seals layer keys to. */
  sealingKeyDigest: digestField,
  begun: momentSchema,
  finished: momentSchema.nullable(),
  /** Records that have to come over, and those that did or were left behind. */
  records: z.int().min(0),
  done: z.int().min(0),
});
export type Rotation = z.infer<typeof rotationSchema>;

/** A key kept apart from the keystore, without which no rotation begins. */
export const rotationGuardSchema = z.strictObject({
  publicKey: publicKeyField,
  since: momentSchema,
});

/** Where a record is in the newest rotation that touched it. */
export const recordRotationSchema = z.strictObject({
  to: pseudonymField,
  /** `left`: it stays under the old pseudonym, where nobody can read it. */
  step: z.enum(['relayered', 'retagged', 'left']),
});

/** The layers on a record's bytes: one for each rotation that it went through. */
export const generationField = z.int().min(0).max(chaincodeBounds.rotationsMax);
