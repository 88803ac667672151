/** Prescriptions: issued about a record, given to pharmacies by the patient (design §8). */
import { z } from 'zod';
import { identityOf, patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { decide, heldBy } from './decision.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, idField, subjectField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { keys } from './keys.ts';
import { letterArgs, letterValue, requireAhead, takeLetterIds, untilField } from './letters.ts';
import { activeInsurer, activePerson, ownPrescription, sourceOf } from './prescription-parts.ts';
import {
  cancelReasonField,
  fillsField,
  intervalField,
  type Prescription,
  quantityField,
} from './prescription-values.ts';
import type { MedicalRecord } from './values.ts';

export const prescriptionIssue = defineTransaction({
  name: 'prescription.issue',
  summary: 'A doctor makes a prescription of a record that the doctor wrote for the patient.',
  roles: ['doctor'],
  schema: z.strictObject({
    prescriptionId: idField,
    /** The stored record that holds the content, for the patient. */
    recordId: idField,
    /** Salted commitment to the content. */
    commitment: digestField,
    quantity: quantityField,
    fills: fillsField,
    intervalMs: intervalField,
    from: untilField,
    until: untilField,
  }),
  hints: ({ prescriptionId, recordId }) => [
    keys.prescription(prescriptionId),
    keys.record(recordId),
  ],
  async run(args, call) {
    const { draft, context } = call;
    const { prescriptionId, recordId, commitment, quantity, fills, intervalMs } = args;
    const { subject, hospital } = identityOf(call.actor).identity;
    const record = await prescribedRecord(call, recordId, subject);
    if (await draft.get(cells.prescription(prescriptionId))) {
      throw new ChaincodeError('prescription_exists');
    }
    const { from, until } = args;
    if (until <= from) throw new ChaincodeError('bad_period');
    requireAhead(context.time, until, chaincodeBounds.prescriptionMs);
    const issued = { time: context.time, height: context.height };
    const terms = { quantity, fills, intervalMs, from, until };
    draft.put(cells.prescription(prescriptionId), {
      ...{ id: prescriptionId, commitment, prescriber: { subject, hospital }, ...terms, issued },
      ...{ dispensed: 0, fillBegan: null, cancelled: null },
    });
    draft.put(cells.prescriptionOf(prescriptionId), { recordId, pharmacists: [] });
    const { pseudonym, categoryTag } = record;
    await draft.append(listCells.prescriptions(pseudonym), { prescriptionId });
    await remember(call, pseudonym, { recordId, categories: [categoryTag] });
    await draft.notify({ pseudonym }, 'prescription.issued', { recordId });
    return { prescriptionId, recordId, commitment, ...terms };
  },
});

export const prescriptionRelease = defineTransaction({
  name: 'prescription.release',
  summary: 'The patient gives a prescription to a pharmacist, and says who may be billed.',
  roles: ['patient'],
  schema: z.strictObject({
    prescriptionId: idField,
    pharmacist: subjectField,
    /** The insurer that the pharmacy may ask for an estimate and bill; left out: none. */
    insurer: subjectField.optional(),
    ...letterArgs,
  }),
  hints: ({ prescriptionId, pharmacist, letterId }) => [
    keys.prescription(prescriptionId),
    keys.prescriptionOf(prescriptionId),
    keys.subject(pharmacist),
    keys.letter(letterId),
  ],
  async run({ prescriptionId, pharmacist, insurer, letterId, letterDigest }, call) {
    const { draft, context } = call;
    const { pseudonym } = patientOf(call.actor);
    const { prescription, of, record } = await ownPrescription(call, prescriptionId, pseudonym);
    requireOpen(prescription, context.time);
    const person = await activePerson(draft.reader, pharmacist, 'pharmacist');
    if (insurer !== undefined) await activeInsurer(draft.reader, insurer);
    await takeLetterIds(call, [letterId]);
    const { pharmacists } = of;
    const isKnown = pharmacists.includes(pharmacist);
    if (!isKnown) {
      if (pharmacists.length >= chaincodeBounds.pharmacistsMax) {
        throw new ChaincodeError('too_many_pharmacists');
      }
      const next = { ...of, pharmacists: [...pharmacists, pharmacist] };
      draft.put(cells.prescriptionOf(prescriptionId), next);
      await draft.append(listCells.dispensings(pharmacist), { prescriptionId });
    }
    draft.put(cells.dispensing(prescriptionId, pharmacist), {
      ...{ prescriptionId, letterId, letterDigest, insurer: insurer ?? null, recalled: null },
      released: { time: context.time, height: context.height },
    });
    await remember(call, pseudonym, { recordId: record.id, categories: [record.categoryTag] });
    await draft.notify({ subject: pharmacist }, 'prescription.released');
    const { until } = prescription;
    const letter = { letterId, to: person.kid, digest: letterDigest, until };
    return { prescriptionId, pharmacist, ...letterValue(pseudonym, [letter]) };
  },
});

export const prescriptionRecall = defineTransaction({
  name: 'prescription.recall',
  summary: 'The patient takes a prescription back from a pharmacist, who can fill it no more.',
  roles: ['patient'],
  schema: z.strictObject({ prescriptionId: idField, pharmacist: subjectField }),
  hints: ({ prescriptionId, pharmacist }) => [
    keys.prescriptionOf(prescriptionId),
    keys.dispensing(prescriptionId, pharmacist),
  ],
  async run({ prescriptionId, pharmacist }, call) {
    const { draft, context } = call;
    const { pseudonym } = patientOf(call.actor);
    const { record } = await ownPrescription(call, prescriptionId, pseudonym);
    const cell = cells.dispensing(prescriptionId, pharmacist);
    const dispensing = await draft.get(cell);
    if (!dispensing || dispensing.recalled !== null) {
      throw new ChaincodeError('not_released');
    }
    const recalled = { time: context.time, height: context.height };
    draft.put(cell, { ...dispensing, recalled });
    await remember(call, pseudonym, { recordId: record.id, categories: [record.categoryTag] });
    await draft.notify({ subject: pharmacist }, 'prescription.recalled');
    return { prescriptionId, pharmacist, letterIds: [dispensing.letterId] };
  },
});

export const prescriptionCancel = defineTransaction({
  name: 'prescription.cancel',
  summary: 'Ends a prescription for every pharmacy: by its prescriber, or by the patient.',
  roles: ['patient', 'doctor'],
  schema: z.strictObject({ prescriptionId: idField, reason: cancelReasonField }),
  hints: ({ prescriptionId }) => [
    keys.prescription(prescriptionId),
    keys.prescriptionOf(prescriptionId),
  ],
  async run({ prescriptionId, reason }, call) {
    const { actor, draft, context } = call;
    const { prescription, of, record, pseudonym } = await sourceOf(call, prescriptionId);
    const by = actor.kind === 'patient' ? 'patient' : 'prescriber';
    const isTheirs =
      actor.kind === 'patient'
        ? actor.pseudonym === pseudonym
        : identityOf(actor).identity.subject === prescription.prescriber.subject;
    if (!isTheirs) throw new ChaincodeError('unknown_prescription');
    if (prescription.cancelled !== null) throw new ChaincodeError('prescription_cancelled');
    const at = { time: context.time, height: context.height };
    const cancelled = { at, by, reason } as const;
    draft.put(cells.prescription(prescriptionId), { ...prescription, cancelled });
    const { id: recordId, categoryTag } = record;
    await remember(call, pseudonym, { recordId, categories: [categoryTag], reason });
    const topic = 'prescription.cancelled';
    if (by === 'prescriber') await draft.notify({ pseudonym }, topic, { recordId });
    else await draft.notify({ subject: prescription.prescriber.subject }, topic, { recordId });
    for (const subject of of.pharmacists) await draft.notify({ subject }, topic);
    return { prescriptionId, reason, by };
  },
});

/** A stored record of this very doctor, who may still write such for the patient. */
async function prescribedRecord(
  { draft, context }: TransactionCall,
  recordId: string,
  subject: string,
): Promise<MedicalRecord> {
  const record = await draft.get(cells.record(recordId));
  if (record?.uploader.subject !== subject) throw new ChaincodeError('unknown_record');
  const { pseudonym, categoryTag, dataMonth } = record;
  if (record.stored === null) throw new ChaincodeError('record_not_stored');
  const isErased = record.erased !== null || (await isPatientErased(draft, pseudonym));
  if (isErased) throw new ChaincodeError('record_erased');
  if (record.supersededBy !== null) throw new ChaincodeError('already_superseded');
  if (record.retracted) throw new ChaincodeError('record_retracted');
  const held = await heldBy(draft.reader, pseudonym, subject);
  const judged = decide(held, { right: 'write', time: context.time, categoryTag, dataMonth });
  if (judged.decision === 'deny') throw new ChaincodeError(judged.reason);
  return record;
}

function requireOpen({ cancelled, until }: Prescription, time: number): void {
  if (cancelled !== null) throw new ChaincodeError('prescription_cancelled');
  if (time >= until) throw new ChaincodeError('prescription_over');
}
