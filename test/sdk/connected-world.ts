/** A doctor, two pharmacies, an insurer and a patient in a network in one process. */
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import type { Policies, Tariff } from '../../lib/connected/tariff.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { nodeFiles } from '../../sdk/platform/node.ts';
import {
  openPrescription,
  ownPrescriptions,
  prescribe,
  type PrescriptionTerms,
} from '../../sdk/prescriptions.ts';
import type { OpenedContent } from '../../lib/connected/prescription-content.ts';
import { letterOfInvitation } from '../../sdk/reenrolment.ts';
import { makeWorld, type World } from './world.ts';

export const DAY = 86_400_000;

export interface ConnectedWorld {
  world: World;
  doctor: Clinician;
  north: Clinician;
  south: Clinician;
  insurer: Clinician;
}

export async function makeConnectedWorld(): Promise<ConnectedWorld> {
  const world = await makeWorld();
  const doctor = await world.doctor('Ada Okonjo', 0, '1000000012');
  const north = await invited(world, 'pharmacist', 'North Pharmacy', 1);
  const south = await invited(world, 'pharmacist', 'South Pharmacy', 2);
  const insurer = await invited(world, 'insurer', 'Sample Mutual', 3);
  return { world, doctor, north, south, insurer };
}

/** Somebody whom no registry lists: invited by the operator, then cosigned. */
async function invited(
  world: World,
  role: 'pharmacist' | 'insurer',
  name: string,
  hospital: number,
): Promise<Clinician> {
  const keystore = await world.keystore('clinician', name);
  const person = new Clinician(world.session(), keystore, nodeFiles);
  const operator = world.operator(hospital);
  const letter = await letterOfInvitation(operator, { role, kid: keystore.kid });
  const enrolment = await person.enrol(role, { name, hospital: operator.hospital }, letter);
  await operator.approve(fromBase64url(enrolment?.certificate ?? ''));
  return person;
}

/** A patient who lets the doctor write medication. */
export async function patientOf({ world, doctor }: ConnectedWorld, name: string): Promise<Patient> {
  const patient = await world.patient(name, ['medication']);
  await grant(patient, {
    to: { name: doctor.keystore.label },
    rights: ['read', 'write'],
    categories: ['medication'],
    until: Date.now() + 30 * DAY,
    purposes: ['TREAT', 'HPAYMT'],
  });
  await doctor.grants({ reload: true });
  return patient;
}

export function termsFor(
  patient: Patient,
  change: Partial<PrescriptionTerms> = {},
): PrescriptionTerms {
  return {
    pseudonym: patient.pseudonym,
    patient: patient.data.uii.name ?? '',
    medicine: 'Tamoxifen 20 mg',
    code: { system: 'atc', code: 'L02BA01' },
    dose: 'one tablet each morning',
    unit: 'tablets',
    quantity: 30,
    fills: 2,
    intervalDays: 25,
    until: Date.now() + 180 * DAY,
    ...change,
  };
}

/** Prescribed, and opened by the patient. */
export async function prescribed(
  { doctor }: ConnectedWorld,
  patient: Patient,
  change: Partial<PrescriptionTerms> = {},
): Promise<OpenedContent> {
  const { prescriptionId } = await prescribe(doctor, termsFor(patient, change));
  const own = (await ownPrescriptions(patient)).find(
    ({ prescription }) => prescription.id === prescriptionId,
  );
  return openPrescription(patient, own!, nodeFiles);
}

export const tariff: Tariff = {
  format: 'carequorum-tariff-1',
  name: 'Sample 2026',
  currency: 'EUR',
  estimateDays: 30,
  plans: {
    basic: { deductible: 10_000, copay: 500, coinsurancePercent: 20, outOfPocketMax: 100_000 },
  },
  prices: [
    { system: 'atc', code: 'L02BA01', price: 150 },
    { system: 'cpt', code: '77427', price: 25_000 },
  ],
};

export const policies: Policies = {
  format: 'carequorum-policies-1',
  policies: [{ handle: 'SM-4711', plan: 'basic', deductibleMet: 9_000, outOfPocketMet: 9_000 }],
};
