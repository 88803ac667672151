/** What the ledger holds of prescriptions: commitments and counts, nothing of the medicine. */
import { z } from 'zod';
import { heightField, timeField, validatorIdField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { digestField, idField, subjectField } from './fields.ts';

const momentSchema = z.strictObject({ time: timeField, height: heightField });

/** Units of one fill: tablets, millilitres, whatever the sealed content says. */
export const quantityField = z.int().min(1).max(chaincodeBounds.fillUnitsMax);
/** Fills in all: one, and the refills. */
export const fillsField = z.int().min(1).max(chaincodeBounds.fillsMax);
export const intervalField = z.int().min(0).max(chaincodeBounds.fillIntervalMsMax);

export const cancelReasonField = z.enum([
  'written-in-error',
  'wrong-patient',
  'treatment-changed',
  'not-wanted',
  'other',
]);

/** What pharmacies may see: no pseudonym, no record; `prescription-of/…` has those. */
export const prescriptionSchema = z.strictObject({
  id: idField,
  /** Salted commitment to the content. */
  commitment: digestField,
  prescriber: z.strictObject({ subject: subjectField, hospital: validatorIdField.nullable() }),
  quantity: quantityField,
  fills: fillsField,
  /** From the start of one fill to that of the next, milliseconds, at least. */
  intervalMs: intervalField,
  from: timeField,
  until: timeField,
  issued: momentSchema,
  /** Units handed out so far, over all pharmacies. */
  dispensed: z.int().min(0),
  /** When the last fill began: a part of it may be owed still. */
  fillBegan: momentSchema.nullable(),
  cancelled: z
    .strictObject({
      at: momentSchema,
      by: z.enum(['patient', 'prescriber']),
      reason: cancelReasonField,
    })
    .nullable(),
});
export type Prescription = z.infer<typeof prescriptionSchema>;

/** Whose a prescription is, by its record; and who was ever given it. */
export const prescriptionOfSchema = z.strictObject({
  recordId: idField,
  pharmacists: z.array(subjectField).max(chaincodeBounds.pharmacistsMax),
});

/** That a pharmacist was given a prescription. */
export const dispensingSchema = z.strictObject({
  prescriptionId: idField,
  /** The letter that the content is in. */
  letterId: idField,
  letterDigest: digestField,
  /** The insurer that the patient lets the pharmacy bill, if any. */
  insurer: subjectField.nullable(),
  released: momentSchema,
  recalled: momentSchema.nullable(),
});
export type Dispensing = z.infer<typeof dispensingSchema>;

export const fillSchema = z.strictObject({
  id: idField,
  prescriptionId: idField,
  pharmacist: z.strictObject({ subject: subjectField, hospital: validatorIdField.nullable() }),
  quantity: quantityField,
  /** What only who opened the right content can have made. */
  opened: digestField,
  insurer: subjectField.nullable(),
  at: momentSchema,
});
export type Fill = z.infer<typeof fillSchema>;

export const prescriptionEntrySchema = z.strictObject({ prescriptionId: idField });
export const fillEntrySchema = z.strictObject({ fillId: idField });
/** That the id of a letter is used. */
export const letterSchema = z.strictObject({ since: heightField });
