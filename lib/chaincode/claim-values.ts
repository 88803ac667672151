/** What the ledger holds of estimates and claims: who asks whom, commitments, and the answer. */
import { z } from 'zod';
import { heightField, timeField, validatorIdField } from '../wire/fields.ts';
import { digestField, idField, kidField, subjectField } from './fields.ts';

const momentSchema = z.strictObject({ time: timeField, height: heightField });

/** What a claim is for: something handed out, or a record that a clinician wrote. */
export const serviceField = z.union([
  z.strictObject({ fillId: idField }),
  z.strictObject({ recordId: idField }),
]);
export type Service = z.infer<typeof serviceField>;

export const claimDecisionField = z.enum(['estimated', 'accepted', 'reduced', 'denied']);

const claimAnswerSchema = z.strictObject({
  decision: claimDecisionField,
  /** Salted commitment to the answer: its amounts are in the letter. */
  commitment: digestField,
  letterDigest: digestField,
  /** Until when an estimate holds; null for what is settled. */
  validUntil: timeField.nullable(),
  kid: kidField,
  at: momentSchema,
});

/** What the insurer may see: no pseudonym, and no record but by its random id. */
export const claimSchema = z.strictObject({
  id: idField,
  kind: z.enum(['estimate', 'claim']),
  insurer: subjectField,
  /** A patient has no subject here. */
  asker: z.strictObject({
    role: z.enum(['patient', 'doctor', 'nurse', 'pharmacist']),
    subject: subjectField.nullable(),
    hospital: validatorIdField.nullable(),
  }),
  service: serviceField.nullable(),
  /** The estimate that the claim relies on. */
  estimateId: idField.nullable(),
  /** Salted commitment to the codes. */
  requestDigest: digestField,
  /** The letter that the codes are in, and the one that the answer comes in. */
  letterId: idField,
  letterDigest: digestField,
  answerId: idField,
  answerTo: digestField,
  asked: momentSchema,
  /** The insurer answers before. */
  until: timeField,
  answer: claimAnswerSchema.nullable(),
  withdrawn: momentSchema.nullable(),
});
export type Claim = z.infer<typeof claimSchema>;

export const claimOfSchema = z.strictObject({
  /** The patient's, apart from what insurers see. */
  pseudonym: digestField,
});
export const claimEntrySchema = z.strictObject({ claimId: idField });
