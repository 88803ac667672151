// The people of a scenario: patients, doctors and operators with keystores beside the network file.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { DEFAULT_CATEGORY } from '../../sdk/categories.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Role } from '../../lib/membership/roles.ts';
import { createKeystore, type Keystore, openKeystore } from '../../sdk/keystore.ts';
import type { KeystoreKind } from '../../sdk/keystore-format.ts';
import type { Network } from '../../sdk/network-file.ts';
import { Operator } from '../../sdk/operator.ts';
import { Patient, preparePatient } from '../../sdk/patient.ts';
import { nodeFiles } from '../../sdk/platform/node.ts';
import { letterOfInvitation } from '../../sdk/reenrolment.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { openSession, type Session } from '../../sdk/session.ts';
import { CLINICIANS, type Clinician as Registered } from '../lib/registry-answers.ts';
import { UnexpectedError } from './steps.ts';
import { shortId } from './text.ts';

/** Doctors of the stand-in register, by whose index stories name them. */
export const registeredDoctors: readonly Registered[] = CLINICIANS.filter(
  (one) => one.active && /^[MD]\.[DO]\.$/.test(one.credential),
);

/** Quick to open: these keystores belong to nobody. */
const WORK_FACTOR = 10;

export interface CastOptions {
  readonly network: Network;
  readonly networkFile: string;
  /** Folder of the operators' keystores and passphrases. @default `operators` beside the network file */
  readonly operatorsFolder?: string | undefined;
}

export interface CastPatient {
  readonly patient: Patient;
  readonly registered: CertifiedResult;
}

export interface CastDoctor {
  readonly doctor: Clinician;
  /** Null where an earlier run on this network had the doctor approved. */
  readonly approved: CertifiedResult | null;
}

export class Cast {
  readonly #options: CastOptions;

  constructor(options: CastOptions) {
    this.#options = options;
  }

  session(): Session {
    return openSession(this.#options.network);
  }

  /** The hospitals of genesis, in their order. */
  get hospitals(): readonly string[] {
    return this.#options.network.genesis.document.validators.map((one) => one.id);
  }

  /** A fresh patient with a pseudonym, and keys for these categories and the general one. */
  async patient(
    name = 'Miriam Testerton',
    categories: readonly string[] = [],
  ): Promise<CastPatient> {
    const keystore = await this.keystore('patient', `patient-${shortId()}`, name);
    await preparePatient(keystore, { name, birthDate: '1961-04-23' });
    const patient = await Patient.open(this.session(), keystore);
    await patient.enrol({ name });
    const registered = await patient.register([...new Set([DEFAULT_CATEGORY, ...categories])]);
    if (!registered) throw new UnexpectedError('a fresh patient is registered already');
    return { patient, registered };
  }

  /**
   * The index-th doctor of the register; one of an earlier run on this network is used again. Each works at
   * one hospital: stories that share a network give an index the same hospital.
   */
  async doctor(hospital: string, index = 0): Promise<CastDoctor> {
    const person = registeredDoctors[index % registeredDoctors.length];
    if (!person) throw new UnexpectedError('the register has no doctors');
    const name = `${person.firstName} ${person.lastName}`;
    const keystore = await this.keystore('clinician', `doctor-${person.npi}`, name);
    const doctor = new Clinician(this.session(), keystore, nodeFiles);
    const enrolment = await doctor.enrol('doctor', {
      name,
      npi: person.npi,
      state: person.state,
      licence: person.license,
      hospital,
    });
    if (enrolment?.status !== 'active' || !enrolment.certificate) {
      throw new UnexpectedError(`${name} is still pending: does the registry answer?`);
    }
    const operator = await this.operator(hospital);
    try {
      const approved = await operator.approve(fromBase64url(enrolment.certificate));
      return { doctor, approved };
    } catch (error) {
      if (reasonOf(error) !== 'already_registered') throw error;
      return { doctor, approved: null };
    }
  }

  /** Somebody whom no registry lists: invited by the operator of the hospital, then cosigned. */
  async invited(role: Role, hospital: string, name: string): Promise<CastDoctor> {
    const keystore = await this.keystore('clinician', `${role}-${shortId()}`, name);
    const doctor = new Clinician(this.session(), keystore, nodeFiles);
    const operator = await this.operator(hospital);
    const letter = await letterOfInvitation(operator, { role, kid: keystore.kid });
    const enrolment = await doctor.enrol(role, { name, hospital }, letter);
    if (!enrolment?.certificate) throw new UnexpectedError(`${name} is still pending`);
    return { doctor, approved: await operator.approve(fromBase64url(enrolment.certificate)) };
  }

  async operator(hospital: string): Promise<Operator> {
    const { operatorsFolder, networkFile } = this.#options;
    const folder = operatorsFolder ?? join(dirname(networkFile), 'operators');
    const passphrase = readFileSync(join(folder, `${hospital}.passphrase`), 'utf8').trim();
    const keystore = await openKeystore(join(folder, `${hospital}.keystore`), passphrase);
    return new Operator(this.session(), keystore);
  }

  /** Opens a keystore of an earlier run, or makes one; passphrases beside keystores are local only. */
  async keystore(kind: KeystoreKind, file: string, label: string): Promise<Keystore> {
    const folder = join(dirname(this.#options.networkFile), 'people');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${file}.keystore`);
    const passphraseFile = join(folder, `${file}.passphrase`);
    if (existsSync(path)) return openKeystore(path, readFileSync(passphraseFile, 'utf8').trim());
    const passphrase = randomBytes(24).toString('base64url');
    writeFileSync(passphraseFile, `${passphrase}\n`, { mode: 0o600 });
    return createKeystore({ path, passphrase, kind, label, workFactor: WORK_FACTOR });
  }
}
