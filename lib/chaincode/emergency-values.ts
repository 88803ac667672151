/** Values of emergency access: who broke the glass, why, until when, and who looked at it after. */
import { z } from 'zod';
import { heightField, timeField, validatorIdField } from '../wire/fields.ts';
import { digestField, idField, kidField, pseudonymField, subjectField } from './fields.ts';

/** Why a clinician declares an emergency: a code and what it means to people. */
export const emergencyReasons = {
  unconscious: 'the patient is unconscious or cannot speak',
  'life-threatening': 'life or limb is in danger',
  'severe-allergy': 'a severe allergic reaction',
  poisoning: 'poisoning, or medicines taken together that harm',
  'confused-or-incapable': 'the patient cannot say what is needed',
  'mass-casualty': 'many are hurt at once',
  other: 'another emergency, explained in the hospital’s own records',
} as const;
export type EmergencyReason = keyof typeof emergencyReasons;
export const emergencyReasonField = z.enum(
  Object.keys(emergencyReasons) as [EmergencyReason, ...EmergencyReason[]],
);

export const emergencyVerdictField = z.enum(['justified', 'unjustified', 'unclear']);
export type EmergencyVerdict = z.infer<typeof emergencyVerdictField>;

const momentSchema = z.strictObject({ time: timeField, height: heightField });

/** Where a card leads: by digest, so that a reader of the ledger cannot declare with it. */
export const emergencyHandleSchema = z.strictObject({
  pseudonym: pseudonymField,
  /** False once another card took its place, or the patient withdrew. */
  active: z.boolean(),
});

/** The card that counts for a patient. */
export const emergencyCardSchema = z.strictObject({ handle: digestField });

export const declarationSchema = z.strictObject({
  id: idField,
  clinician: z.strictObject({
    kid: kidField,
    subject: subjectField,
    hospital: validatorIdField.nullable(),
  }),
  reason: emergencyReasonField,
  declared: momentSchema,
  /** The summary can be read in declared ≤ block time < until. */
  until: timeField,
  /** Null until it is known whom it is about. */
  pseudonym: pseudonymField.nullable(),
  /** Commitment to the identity, where the clinician had no card. */
  identity: digestField.nullable(),
  /** How often the summary was opened. */
  releases: z.int().min(0),
  review: z
    .strictObject({
      ...{ kid: kidField, subject: subjectField, hospital: validatorIdField.nullable() },
      role: z.string().max(32),
      verdict: emergencyVerdictField,
      at: momentSchema,
    })
    .nullable(),
});
export type Declaration = z.infer<typeof declarationSchema>;

export const declarationEntrySchema = z.strictObject({ declarationId: idField });
