/** The patients and doctors of a load: enrolled, approved and registered through the real APIs. */
import type { SigningKey } from '../../lib/crypto/p256.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { oneTimeCertificatesMax } from '../../lib/membership/requests.ts';
import { LocalError } from '../../local/lib/errors.ts';
import { inParallel } from '../../local/lib/parallel.ts';
import type { Step } from '../../local/lib/progress.ts';
import { DEFAULT_CATEGORY } from '../../sdk/categories.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import type { Network } from '../../sdk/network-file.ts';
import { Patient, preparePatient } from '../../sdk/patient.ts';
import type { DocumentSource } from '../../sdk/platform/files.ts';
import type { Transport } from '../../sdk/http.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { openSession, requireEnrolment, type Session } from '../../sdk/session.ts';
import type { RequestSigner } from '../../sdk/signing.ts';
import { memoryKeystore } from './memory-keystore.ts';

export interface Doctor {
  /** As grants name the person. */
  readonly subject: string;
  readonly signer: RequestSigner;
}

/** A pseudonym that consents. */
export interface Consenter {
  readonly pseudonym: string;
  readonly signer: RequestSigner;
  /** Tag of the category that is granted. */
  readonly tag: string;
}

/** Somebody with one-time certificates, who can sign for further pseudonyms too. */
export interface EnrolledPatient extends Consenter {
  signerOf(ownerKey: SigningKey): RequestSigner;
}

/** A doctor who may write and read for a patient. */
export interface Treatment {
  readonly doctor: Doctor;
  readonly patient: Consenter;
}

/** A record that is stored, with a doctor who may read it. */
export interface StoredRecord {
  readonly doctor: Doctor;
  readonly recordId: string;
}

export interface People {
  readonly doctors: readonly Doctor[];
  readonly patients: readonly EnrolledPatient[];
  readonly treatments: readonly Treatment[];
  readonly records: readonly StoredRecord[];
  /** What the preparation committed. */
  readonly committed: readonly CertifiedResult[];
}

/** A doctor at work; `approved` is null where an earlier run on this network had that done. */
export interface FoundDoctor {
  readonly clinician: Clinician;
  readonly approved: CertifiedResult | null;
}

export interface PeopleOptions {
  readonly network: Network;
  /** Enrols a doctor of the register, in turn; null where the number is somebody else's by now. */
  readonly nextDoctors: readonly (() => Promise<FoundDoctor | null>)[];
  readonly doctors: number;
  readonly patients: number;
  /** Requests that each patient will sign in the load: a one-time certificate for each. */
  readonly certificates: number;
  readonly step: Step;
  readonly signal: AbortSignal;
  readonly transport: Transport;
}

/** Each is several calls, one after the other; more people at once would only queue. */
const AT_ONCE = 3;
/** Stored records, for each doctor. */
const RECORDS_PER_DOCTOR = 1;
const RECORD_BYTES = 2_048;
const GRANT_MS = 86_400_000;
/** As many as a keystore holds, less those that a resupply adds for the coming weeks. */
const CERTIFICATES_MAX = 160;

/** One of the doctors as the preparation needs it. */
interface Prepared extends Doctor {
  readonly clinician: Clinician;
  readonly name: string;
}

/** Throws what the first failure throws, or what `signal` was aborted with. */
export async function preparePeople(options: PeopleOptions): Promise<People> {
  const { signal, step } = options;
  const committed: CertifiedResult[] = [];
  const doctors = await findDoctors(options, committed);
  const patients: EnrolledPatient[] = [];
  const treatments: Treatment[] = [];
  const records: StoredRecord[] = [];
  const hospitals = options.network.validators.map(({ id }) => id);
  const indices = Array.from({ length: options.patients }, (_, index) => index);
  await inParallel(indices, AT_ONCE, async (index) => {
    signal.throwIfAborted();
    const doctor = doctors[index % doctors.length];
    if (!doctor) throw new RangeError('a load needs doctors');
    const session = openSession(options.network, {
      ...{ preferred: hospitals[index % hospitals.length], transport: options.transport },
    });
    const { patient, results } = await newPatient(session, doctor, options.certificates);
    committed.push(...results);
    patients.push(patient);
    treatments.push({ doctor, patient });
    if (index < RECORDS_PER_DOCTOR * doctors.length) {
      const target = { pseudonym: patient.pseudonym, category: DEFAULT_CATEGORY };
      const uploaded = await doctor.clinician.upload(document(index), {
        ...{ ...target, mediaType: 'text/plain' },
      });
      records.push({ doctor, recordId: uploaded.recordId });
      committed.push(uploaded.registered, uploaded.stored);
    }
    step.update(`${patients.length} of ${options.patients} patients`);
  });
  step.result(
    `${doctors.length} doctors, ${patients.length} patients, ${records.length} records, ` +
      `${committed.length} transactions`,
  );
  return { doctors, patients, treatments, records, committed };
}

/** As many as are wanted, whoever of the register is free. Throws `bad_option` where too few are. */
async function findDoctors(
  { nextDoctors, doctors: wanted, step, signal }: PeopleOptions,
  committed: CertifiedResult[],
): Promise<Prepared[]> {
  const doctors: Prepared[] = [];
  for (let next = 0; doctors.length < wanted;) {
    const batch = nextDoctors.slice(next, next + wanted - doctors.length);
    next += batch.length;
    if (batch.length === 0) {
      throw new LocalError('bad_option', `The register has ${doctors.length} free doctors here.`, {
        cure: `Give --doctors ${Math.max(1, doctors.length)}, or start anew: npm run reset`,
      });
    }
    await inParallel(batch, AT_ONCE, async (find) => {
      signal.throwIfAborted();
      const found = await find();
      if (!found) return;
      const { clinician, approved } = found;
      const { subject } = requireEnrolment(clinician.session, clinician.data.enrolment);
      const { keystore, signer } = clinician;
      doctors.push({ clinician, name: keystore.label, subject, signer });
      if (approved) committed.push(approved);
      step.update(`${doctors.length} of ${wanted} doctors`);
    });
  }
  return doctors;
}

async function newPatient(
  session: Session,
  { name, subject }: Prepared,
  certificates: number,
): Promise<{ patient: EnrolledPatient; results: CertifiedResult[] }> {
  const person = { name: 'Patient of a load test' };
  const keystore = await memoryKeystore('patient', person.name);
  await preparePatient(keystore, person);
  const patient = await Patient.open(session, keystore);
  await patient.enrol(person);
  const registered = await patient.register([DEFAULT_CATEGORY]);
  const granted = await grant(patient, {
    to: { name, subject },
    rights: ['read', 'write'],
    categories: [DEFAULT_CATEGORY],
    until: Date.now() + GRANT_MS,
  });
  await stockUp(patient, certificates);
  const { pseudonym, signer } = patient;
  return {
    patient: {
      ...{ pseudonym, signer, tag: patient.tag(DEFAULT_CATEGORY) },
      signerOf: (key) => patient.signerOf(key),
    },
    results: [...(registered ? [registered] : []), granted.result],
  };
}

/** Certificates for the load: the service would be what is measured if all were fetched in it. */
async function stockUp(patient: Patient, certificates: number): Promise<void> {
  const { session, keystore } = patient;
  const { enrolmentId } = requireEnrolment(session, patient.data.enrolment);
  let missing = Math.min(certificates, CERTIFICATES_MAX) - patient.data.oneTime.length;
  while (missing > 0) {
    const weeks = Array.from({ length: Math.min(missing, oneTimeCertificatesMax) }, () => 0);
    const wanted = { weeks, isUrgent: true };
    const { membership } = session;
    const more = await membership.oneTimeCertificates(enrolmentId, keystore.signingKey, wanted);
    await patient.update({ oneTime: [...patient.data.oneTime, ...more] });
    missing -= more.length;
  }
}

function document(index: number): DocumentSource {
  const bytes = randomBytes(RECORD_BYTES);
  return {
    path: `load-test-${index}.txt`,
    length: bytes.length,
    async *stream({ start, end } = { start: 0, end: bytes.length }) {
      yield bytes.subarray(start, end);
    },
  };
}
