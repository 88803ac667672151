/** Queries over prescriptions: a pharmacy's reads touch nothing that names patient or record. */
import { z } from 'zod';
import { identityOf, patientOf } from './actor.ts';
import { cells, listCells } from './cells.ts';
import { present } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { idField, pseudonymField } from './fields.ts';
import { defineQuery, type QueryCall } from './functions.ts';
import { ownOrEarlier, pageArgs } from './history.ts';
import { keys } from './keys.ts';
import type { Prescription } from './prescription-values.ts';

export const prescriptionList = defineQuery({
  name: 'prescription.list',
  summary: 'A page of the patient’s own prescriptions, under an earlier pseudonym too.',
  roles: ['patient'],
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym: named, ...args }, { actor, reader }) {
    const pseudonym = await ownOrEarlier(reader, patientOf(actor).pseudonym, named);
    const page = await reader.page(listCells.prescriptions(pseudonym), args);
    const ids = page.items.map(({ prescriptionId }) => prescriptionId);
    const prescriptions = await present(reader, ids.map(cells.prescription));
    const of = await present(reader, ids.map(cells.prescriptionOf));
    const items = prescriptions.map((prescription, at) => ({ prescription, ...of[at]! }));
    return { ...page, items };
  },
});

export const prescriptionGet = defineQuery({
  name: 'prescription.get',
  summary: 'One prescription, for its patient, its prescriber and pharmacists who were given it.',
  roles: ['patient', 'doctor', 'pharmacist'],
  schema: z.strictObject({ prescriptionId: idField }),
  hints: ({ prescriptionId }) => [keys.prescription(prescriptionId)],
  async run({ prescriptionId }, call) {
    const prescription = await call.reader.get(cells.prescription(prescriptionId));
    if (!prescription || !(await maySee(call, prescription))) {
      throw new ChaincodeError('unknown_prescription');
    }
    return prescription;
  },
});

export const prescriptionReceived = defineQuery({
  name: 'prescription.received',
  summary: 'A page of the prescriptions that the pharmacist was ever given.',
  roles: ['pharmacist'],
  schema: z.strictObject(pageArgs),
  async run(args, { actor, reader }) {
    const { subject } = identityOf(actor).identity;
    const page = await reader.page(listCells.dispensings(subject), args);
    const ids = page.items.map(({ prescriptionId }) => prescriptionId);
    const dispensings = await present(
      reader,
      ids.map((id) => cells.dispensing(id, subject)),
    );
    const prescriptions = await present(reader, ids.map(cells.prescription));
    const items = prescriptions.map((prescription, at) => {
      return { prescription, dispensing: dispensings[at]! };
    });
    return { ...page, items };
  },
});

export const prescriptionFills = defineQuery({
  name: 'prescription.fills',
  summary: 'A page of what was handed out on one prescription: for its patient.',
  roles: ['patient'],
  schema: z.strictObject({ prescriptionId: idField, ...pageArgs }),
  hints: ({ prescriptionId }) => [keys.prescriptionOf(prescriptionId)],
  async run({ prescriptionId, ...args }, call) {
    if (!(await isOwn(call, prescriptionId))) throw new ChaincodeError('unknown_prescription');
    const page = await call.reader.page(listCells.fills(prescriptionId), args);
    const ids = page.items.map(({ fillId }) => fillId);
    return { ...page, items: await present(call.reader, ids.map(cells.fill)) };
  },
});

async function maySee(call: QueryCall, { id, prescriber }: Prescription): Promise<boolean> {
  const { actor, reader } = call;
  if (actor.kind === 'patient') return isOwn(call, id);
  const { subject } = identityOf(actor).identity;
  if (prescriber.subject === subject) return true;
  return (await reader.get(cells.dispensing(id, subject)))?.recalled === null;
}

async function isOwn({ actor, reader }: QueryCall, prescriptionId: string): Promise<boolean> {
  const of = await reader.get(cells.prescriptionOf(prescriptionId));
  const record = of && (await reader.get(cells.record(of.recordId)));
  return record?.pseudonym === patientOf(actor).pseudonym;
}
