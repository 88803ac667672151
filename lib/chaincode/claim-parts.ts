/** Whose estimate or claim one is, and by whose consent a clinician or a pharmacist asks for it. */
import { identityOf, patientOf } from './actor.ts';
import { cells } from './cells.ts';
import type { Claim, Service } from './claim-values.ts';
import { decide, heldBy } from './decision.ts';
import { ChaincodeError } from './errors.ts';
import type { Actor, TransactionCall } from './functions.ts';
import { sourceOf } from './prescription-parts.ts';

export function askerOf(actor: Actor): Claim['asker'] {
  if (actor.kind === 'patient') return { role: 'patient', subject: null, hospital: null };
  const { role, identity } = identityOf(actor);
  if (role !== 'doctor' && role !== 'nurse' && role !== 'pharmacist') {
    throw new ChaincodeError('role_denied');
  }
  return { role, subject: identity.subject, hospital: identity.hospital };
}

interface AskedAbout {
  insurer: string;
  pseudonym: string | undefined;
  prescriptionId: string | undefined;
}

/** The patient of an estimate. @throws ChaincodeError where there is no consent */
export async function patientAsked(
  call: TransactionCall,
  { insurer, pseudonym, prescriptionId }: AskedAbout,
): Promise<string> {
  const { actor } = call;
  if (actor.kind === 'patient') {
    const own = patientOf(actor).pseudonym;
    if (pseudonym !== undefined && pseudonym !== own) throw new ChaincodeError('unknown_patient');
    return own;
  }
  if (actor.role === 'pharmacist') return patientOfPharmacist(call, prescriptionId, insurer);
  if (pseudonym === undefined) throw new ChaincodeError('bad_arguments', 'name a patient');
  await requirePayment(call, pseudonym, {});
  return pseudonym;
}

/** The patient of a service that the actor may claim. @throws ChaincodeError `unknown_service`, … */
export async function patientOfService(
  call: TransactionCall,
  service: Service,
  insurer: string,
): Promise<string> {
  return 'fillId' in service
    ? patientOfFill(call, service.fillId, insurer)
    : patientOfRecord(call, service.recordId);
}

async function patientOfPharmacist(
  call: TransactionCall,
  prescriptionId: string | undefined,
  insurer: string,
): Promise<string> {
  if (prescriptionId === undefined) {
    throw new ChaincodeError('bad_arguments', 'name a prescription');
  }
  const { subject } = identityOf(call.actor).identity;
  const dispensing = await call.draft.get(cells.dispensing(prescriptionId, subject));
  if (!dispensing) throw new ChaincodeError('unknown_prescription');
  if (dispensing.recalled !== null) throw new ChaincodeError('prescription_recalled');
  if (dispensing.insurer !== insurer) throw new ChaincodeError('billing_not_agreed');
  return (await sourceOf(call, prescriptionId)).pseudonym;
}

/** By the pharmacist who handed it out, to the insurer agreed on then; or by the patient. */
async function patientOfFill(
  call: TransactionCall,
  fillId: string,
  insurer: string,
): Promise<string> {
  const { actor, draft } = call;
  const fill = await draft.get(cells.fill(fillId));
  if (!fill) throw new ChaincodeError('unknown_service');
  const { pseudonym } = await sourceOf(call, fill.prescriptionId);
  if (actor.kind === 'patient') {
    if (actor.pseudonym !== pseudonym) throw new ChaincodeError('unknown_service');
    return pseudonym;
  }
  if (identityOf(actor).identity.subject !== fill.pharmacist.subject) {
    throw new ChaincodeError('unknown_service');
  }
  if (fill.insurer !== insurer) throw new ChaincodeError('billing_not_agreed');
  return pseudonym;
}

/** By the clinician who wrote it, with a permission for payment; or by the patient. */
async function patientOfRecord(call: TransactionCall, recordId: string): Promise<string> {
  const { actor, draft } = call;
  const record = await draft.get(cells.record(recordId));
  const isTheirs =
    actor.kind === 'patient'
      ? record?.pseudonym === actor.pseudonym
      : record?.uploader.subject === identityOf(actor).identity.subject;
  if (!record || !isTheirs) throw new ChaincodeError('unknown_service');
  if (record.stored === null) throw new ChaincodeError('record_not_stored');
  if (record.erased !== null) throw new ChaincodeError('record_erased');
  if (record.review === 'disputed') throw new ChaincodeError('service_disputed');
  if (record.retracted) throw new ChaincodeError('record_retracted');
  const { pseudonym, categoryTag, dataMonth } = record;
  if (actor.kind === 'identity') await requirePayment(call, pseudonym, { categoryTag, dataMonth });
  return pseudonym;
}

/** Consent to payment is a permission to read with that purpose. */
async function requirePayment(
  { actor, draft, context }: TransactionCall,
  pseudonym: string,
  about: { categoryTag?: string; dataMonth?: string },
): Promise<void> {
  const held = await heldBy(draft.reader, pseudonym, identityOf(actor).identity.subject);
  const wanted = { right: 'read', time: context.time, purpose: 'HPAYMT', ...about } as const;
  const judged = decide(held, wanted);
  if (judged.decision === 'deny') throw new ChaincodeError(judged.reason);
}
