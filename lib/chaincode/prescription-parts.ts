/** What the functions over prescriptions share: whose one is, and who the parties are. */
import { cells } from './cells.ts';
import type { Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import type { TransactionCall } from './functions.ts';
import type { Prescription } from './prescription-values.ts';
import { newestPseudonym } from './rotation.ts';
import type { MedicalRecord, Subject } from './values.ts';

export interface Source {
  prescription: Prescription;
  of: { recordId: string; pharmacists: string[] };
  record: MedicalRecord;
  /** Under which the patient is now. */
  pseudonym: string;
}

/** A prescription with its record and patient. @throws ChaincodeError `unknown_prescription` */
export async function sourceOf(
  { draft }: Pick<TransactionCall, 'draft'>,
  prescriptionId: string,
): Promise<Source> {
  const prescription = await draft.get(cells.prescription(prescriptionId));
  if (!prescription) throw new ChaincodeError('unknown_prescription');
  const of = await draft.get(cells.prescriptionOf(prescriptionId));
  const record = of && (await draft.get(cells.record(of.recordId)));
  if (!of || !record) throw new Error(`the record of prescription ${prescriptionId} is missing`);
  const pseudonym = await newestPseudonym(draft.reader, record.pseudonym);
  return { prescription, of, record, pseudonym };
}

/** The patient's own; after a rotation, once the record came over. Others' are unknown. */
export async function ownPrescription(
  call: Pick<TransactionCall, 'draft'>,
  prescriptionId: string,
  own: string,
): Promise<Source> {
  const source = await sourceOf(call, prescriptionId);
  if (source.record.pseudonym !== own) throw new ChaincodeError('unknown_prescription');
  return source;
}

/** Somebody who is at work in this role now. @throws ChaincodeError `grantee_…`, `wrong_role` */
export async function activePerson(
  reader: Reader,
  subject: string,
  role: 'pharmacist' | 'insurer',
): Promise<Subject> {
  const person = await reader.get(cells.subject(subject));
  if (!person) throw new ChaincodeError('grantee_unknown');
  if (person.role !== role) throw new ChaincodeError('wrong_role');
  if (person.status === 'revoked') throw new ChaincodeError('grantee_revoked');
  if (person.status === 'suspended') throw new ChaincodeError('grantee_suspended');
  return person;
}

export function activeInsurer(reader: Reader, subject: string): Promise<Subject> {
  return activePerson(reader, subject, 'insurer');
}
