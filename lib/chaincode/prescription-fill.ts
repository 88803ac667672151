/** Filling: counted on the ledger, so that of two pharmacies at once exactly one hands it out. */
import { z } from 'zod';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import type { Draft } from './draft.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError, type ChaincodeErrorCode } from './errors.ts';
import { digestField, idField } from './fields.ts';
import { defineTransaction } from './functions.ts';
import { remember } from './history.ts';
import { keys } from './keys.ts';
import { sourceOf } from './prescription-parts.ts';
import { type Prescription, quantityField } from './prescription-values.ts';
import type { MedicalRecord } from './values.ts';

export const prescriptionFill = defineTransaction({
  name: 'prescription.fill',
  summary:
    'A pharmacist hands out what is prescribed, or a part of one fill. Counted over all pharmacies.',
  roles: ['pharmacist'],
  schema: z.strictObject({
    prescriptionId: idField,
    fillId: idField,
    quantity: quantityField,
    /** The count that the pharmacist saw: what somebody else handed out since is a refusal. */
    dispensedBefore: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
    /** Commitment to the content that was opened, for this fill alone. */
    opened: digestField,
  }),
  hints: ({ prescriptionId, fillId }) => [
    keys.prescription(prescriptionId),
    keys.prescriptionOf(prescriptionId),
    keys.fill(fillId),
  ],
  async run({ prescriptionId, fillId, quantity, dispensedBefore, opened }, call) {
    const { draft, context } = call;
    const { subject, hospital } = identityOf(call.actor).identity;
    const dispensing = await draft.get(cells.dispensing(prescriptionId, subject));
    if (!dispensing) throw new ChaincodeError('unknown_prescription');
    if (dispensing.recalled !== null) throw new ChaincodeError('prescription_recalled');
    if (await draft.get(cells.fill(fillId))) throw new ChaincodeError('fill_exists');
    const { prescription, record, pseudonym } = await sourceOf(call, prescriptionId);
    const now = { time: context.time, height: context.height };
    const objection =
      objectionToFill(prescription, { time: context.time, quantity, dispensedBefore }) ??
      (await objectionToPrescriber(draft, prescription, context.time)) ??
      (await objectionToRecord(draft, record, pseudonym));
    if (objection !== null) throw new ChaincodeError(objection);
    const isBegun = prescription.dispensed % prescription.quantity !== 0;
    const dispensed = prescription.dispensed + quantity;
    const fillBegan = isBegun ? prescription.fillBegan : now;
    draft.put(cells.prescription(prescriptionId), { ...prescription, dispensed, fillBegan });
    const { insurer } = dispensing;
    draft.put(cells.fill(fillId), {
      ...{ id: fillId, prescriptionId, pharmacist: { subject, hospital } },
      ...{ quantity, opened, insurer, at: now },
    });
    await draft.append(listCells.fills(prescriptionId), { fillId });
    const { id: recordId, categoryTag } = record;
    await remember(call, pseudonym, { recordId, categories: [categoryTag] });
    await draft.notify({ pseudonym }, 'prescription.filled', { recordId });
    const remaining = prescription.quantity * prescription.fills - dispensed;
    return { prescriptionId, fillId, quantity, opened, dispensed, remaining };
  },
});

/** What stands against handing out so much now, by the terms alone; null where nothing does. */
export function objectionToFill(
  prescription: Prescription,
  wanted: { time: number; quantity: number; dispensedBefore: number },
): ChaincodeErrorCode | null {
  const { cancelled, from, until, quantity, fills, dispensed, fillBegan } = prescription;
  const { time } = wanted;
  if (cancelled !== null) return 'prescription_cancelled';
  if (time >= until) return 'prescription_over';
  if (time < from) return 'prescription_not_yet_valid';
  if (dispensed >= quantity * fills) return 'prescription_used_up';
  if (wanted.dispensedBefore !== dispensed) return 'filled_meanwhile';
  const owed = quantity - (dispensed % quantity);
  if (wanted.quantity > owed) return 'quantity_over';
  const isNext = fillBegan !== null && dispensed % quantity === 0;
  if (isNext && time < fillBegan.time + prescription.intervalMs) return 'refill_too_early';
  return null;
}

/**
 * A licence that ended ends what was prescribed on it; leaving a hospital does not. While a device
 * is reported lost, what was issued shortly before waits: the finder may have written it.
 */
async function objectionToPrescriber(
  draft: Draft,
  { prescriber, issued }: Prescription,
  time: number,
): Promise<ChaincodeErrorCode | null> {
  const person = await draft.get(cells.subject(prescriber.subject));
  if (!person) throw new Error('the prescriber is missing of state');
  const isRecent = time < issued.time + chaincodeBounds.lostDeviceMs;
  if (person.status === 'suspended') return isRecent ? 'prescriber_suspended' : null;
  if (person.status === 'active') return null;
  const identity = await draft.get(cells.identity(person.kid));
  const reason = identity?.ended?.reason ?? '';
  if (reason === 'key-compromised') return isRecent ? 'prescriber_ended' : null;
  return stillCounts.has(reason) ? null : 'prescriber_ended';
}

/** Reasons of an end that say nothing against what was prescribed before. */
const stillCounts: ReadonlySet<string> = new Set(['left-hospital', 'own-request']);

/** What the patient or the prescriber took back, disputes or replaced is not handed out. */
async function objectionToRecord(
  draft: Draft,
  record: MedicalRecord,
  pseudonym: string,
): Promise<ChaincodeErrorCode | null> {
  if (record.erased !== null || (await isPatientErased(draft, pseudonym))) {
    return 'prescription_void';
  }
  const isVoid = record.rotation?.step === 'left' || record.supersededBy !== null;
  if (isVoid || record.retracted) return 'prescription_void';
  return record.review === 'disputed' ? 'prescription_disputed' : null;
}
