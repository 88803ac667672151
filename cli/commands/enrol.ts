/** `carequorum enrol`: makes a keystore, and enrols its holder; run again, it goes on. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import type { Role } from '../../lib/membership/roles.ts';
import { categoryName, standardCategories } from '../../sdk/categories.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { createKeystore, type Keystore, requireKind } from '../../sdk/keystore.ts';
import type { KeystoreKind } from '../../sdk/keystore-format.ts';
import { Patient, preparePatient } from '../../sdk/patient.ts';
import { fileExists, writeTextFile } from '../../sdk/platform/node.ts';
import { Representative } from '../../sdk/representative.ts';
import type { Uii } from '../../sdk/uii.ts';
import { pem } from '../certificate-file.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  collectCategories,
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
} from '../options.ts';
import { type CommandResult, shortId } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseDay } from '../times.ts';
import { listText } from '../words.ts';

/** What an oncology department shares: history and physical, laboratory, radiation dose. */
const DEFAULT_CATEGORIES = standardCategories.slice(0, 3);

const enrollable = [
  'patient',
  'representative',
  'doctor',
  'nurse',
  'pharmacist',
  'insurer',
  'researcher',
  'auditor',
  'coordinator',
  'operator',
] as const;
type Enrollable = (typeof enrollable)[number];

interface EnrolOptions extends CommonOptions {
  readonly role?: Enrollable;
  readonly name?: string;
  readonly birthDate?: string;
  readonly nationalId?: string;
  readonly address?: string;
  readonly postcode?: string;
  readonly category?: readonly string[];
  readonly npi?: string;
  readonly state?: string;
  readonly licence?: string;
  readonly hospital?: string;
  readonly certificateOut?: string;
  readonly letter?: string;
}

export function addEnrol(program: Command, run: Runner): void {
  const command = program
    .command('enrol')
    .summary('make your keys and enrol: patients, clinicians, operators')
    .description(
      'Makes your keys in a file that only your passphrase opens, and enrols you. Your keys never ' +
        'leave this machine.\n\n' +
        'Patients: name and birth date go to the membership service, which certifies that a person ' +
        'enrolled. National id, address and postcode stay in your keystore; the hospitals see a ' +
        'pseudonym; those to whom you give a permission learn your name with it.\n' +
        'Representatives: the membership service certifies that you enrolled; a patient then appoints the card that ' +
        'you make (`carequorum representative --help`).\n' +
        'Clinicians: name, NPI, state and licence are checked against the public register; then an ' +
        'operator of your hospital approves your certificate (see `carequorum approve --help`).\n' +
        'Operators: a keystore is made and nothing is sent; tell the others its thumbprint.\n\n' +
        'Where an enrolment is pending or was interrupted, or the membership service was restored to an older ' +
        'state and forgot you, run the same command again: your keys stay.',
    )
    .addOption(new Option('--role <role>', 'who enrols').choices(enrollable))
    .option('--resume', 'go on with an enrolment (it does so by itself, too)')
    .option('--name <name>', 'full name; clinicians: as in the register')
    .option('--birth-date <date>', 'patients, representatives: as 1961-04-23', parseDay)
    .option('--national-id <id>', 'patients: stays on this machine')
    .option('--address <text>', 'patients: stays on this machine')
    .option('--postcode <text>', 'patients: stays on this machine')
    .option(
      '--category <name>',
      `patients: kinds of records to prepare (default: ${DEFAULT_CATEGORIES.join(', ')})`,
      collectCategories,
    )
    .option('--npi <number>', 'clinicians: National Provider Identifier, ten digits')
    .option('--state <code>', 'clinicians: state of the licence, as NY')
    .option('--licence <number>', 'clinicians: number of the licence')
    .option('--hospital <id>', 'clinicians: hospital that answers for you (`carequorum network`)')
    .option(
      '--letter <file>',
      'letter of an operator: staff of no register, patients with lost keys',
    )
    .option('--certificate-out <file>', 'clinicians: where the certificate is written');
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum enrol --role patient --keystore anna.keystore --name "Anna Muster" --birth-date 1961-04-23',
    'carequorum enrol --role doctor --keystore ada.keystore --name "Ada Okonjo" --npi 1000000012 --state NY --licence 900001 --hospital hospital-a',
    'carequorum enrol --role operator --keystore hospital-a.keystore --name "Operator of Hospital A"',
    'carequorum enrol --keystore ada.keystore      # goes on where it was pending',
  ]).action((options: EnrolOptions) => run(options, (context) => enrol(context, options)));
}

async function enrol(context: CommandContext, options: EnrolOptions): Promise<CommandResult> {
  const keystore = (await fileExists(context.keystorePath))
    ? await known(context, options)
    : await fresh(context, options);
  if (keystore.kind === 'operator') return operatorResult(keystore);
  if (keystore.kind === 'patient') return enrolPatient(context, keystore, options);
  if (keystore.kind === 'representative') return enrolActing(context, keystore, options);
  return enrolClinician(context, keystore, options);
}

async function known(context: CommandContext, { role }: EnrolOptions): Promise<Keystore> {
  const keystore = await context.keystore();
  if (role !== undefined) requireKind(keystore, kindOf(role));
  return keystore;
}

/** Checks what was given before anything is made. */
async function fresh(context: CommandContext, options: EnrolOptions): Promise<Keystore> {
  const { role, name } = options;
  const path = context.keystorePath;
  if (role === undefined) {
    throw new UsageError(
      `There is no keystore at ${path}, and --role does not say who enrols.`,
      'Give --role patient, doctor, nurse, … or check --keystore.',
    );
  }
  if (name === undefined) throw missing(role, ['--name']);
  if (role !== 'operator') {
    const network = await context.network();
    if (role !== 'patient' && role !== 'representative') {
      requireClinician(
        options,
        network.validators.map(({ id }) => id),
      );
    }
  }
  if (role === 'patient') for (const line of whatIsKeptWhere(path, options)) context.note(line);
  const passphrase = await context.newPassphrase();
  const { workFactor } = context.environment;
  const keystore = await context.work('Making your keys', async () => {
    const made = await createKeystore({
      path,
      passphrase,
      kind: kindOf(role),
      // It stands in clear, so a patient's name is not in it.
      label: labelOf(role, name),
      ...(workFactor === undefined ? {} : { workFactor }),
    });
    if (role === 'patient') await preparePatient(made, uiiOf(options));
    return made;
  });
  context.note(`Your keys are in ${path}. Keep a copy of this file in a safe place.`);
  context.note(`Thumbprint of your key: ${keystore.kid}`);
  return keystore;
}

function whatIsKeptWhere(path: string, { birthDate }: EnrolOptions): string[] {
  return [
    'What is kept where:',
    `  on this machine         your keys and all that you typed, in ${path}, closed by your passphrase`,
    `  at the membership       your name${birthDate === undefined ? '' : ' and birth date'}; it certifies that a person enrolled, and could`,
    '  service                 link you to your pseudonym, but neither open nor grant anything',
    '  at the hospitals        a pseudonym, without any of what you typed',
    '  with those whom you     your name and pseudonym, sealed to them: nobody else reads it',
    '  let read or write',
    '  nowhere                 your passphrase: if you lose it, nobody can open your keys',
    '',
  ];
}

async function enrolPatient(
  context: CommandContext,
  keystore: Keystore,
  options: EnrolOptions,
): Promise<CommandResult> {
  const session = await context.session();
  // Where an earlier run was cut off before they were made.
  if (Object.keys(keystore.data).length === 0) await preparePatient(keystore, uiiOf(options));
  const patient = await Patient.open(session, keystore);
  const { uii, enrolment, categories: published } = patient.data;
  const name = options.name ?? uii.name;
  const birthDate = options.birthDate ?? uii.birthDate;
  const invitation = await letterOf(options);
  if (enrolment === undefined && name === undefined) throw missing('patient', ['--name']);
  const isPending = enrolment?.status === 'pending' && !invitation;
  const identity = isPending || name === undefined ? null : { name, birthDate };
  const status = await context.work('Enrolling with the membership service', () =>
    patient.enrol(identity, invitation),
  );
  if (status === 'pending') return pendingResult(keystore, 'patient');
  const first = published.length > 0 ? published : DEFAULT_CATEGORIES;
  const categories = (options.category ?? first).map(categoryName);
  const registered = await context.work('Registering your pseudonym with the hospitals', () =>
    patient.register(categories),
  );
  if (registered) await context.keepReceipts([registered]);
  const { pseudonym } = patient;
  return {
    json: {
      role: 'patient',
      status: 'active',
      keystore: keystore.path,
      pseudonym,
      categories: patient.data.categories,
      registered: registered ? certifiedJson(registered) : null,
    },
    lines: [
      registered ? 'You are enrolled.' : 'You are enrolled already.',
      `Your pseudonym: ${pseudonym}`,
      `Kinds of records: ${listText(patient.data.categories)}`,
      ...(registered ? [certifiedLine(registered)] : []),
      `Next: let somebody read or write: carequorum grant --keystore ${keystore.path} --help`,
    ],
  };
}

async function enrolActing(
  context: CommandContext,
  keystore: Keystore,
  options: EnrolOptions,
): Promise<CommandResult> {
  const person = new Representative(await context.session(), keystore, context.files);
  const known = person.data.enrolment;
  const invitation = await letterOf(options);
  const { name, birthDate } = options;
  if (known === undefined && name === undefined) throw missing('representative', ['--name']);
  const identity = name === undefined ? null : { name, birthDate };
  const status = await context.work('Enrolling with the membership service', () =>
    person.enrol(identity, invitation),
  );
  if (status === 'pending') return pendingResult(keystore, 'representative');
  return {
    json: { role: 'representative', status: 'active', keystore: keystore.path },
    lines: [
      'You are enrolled as representative. You may do nothing until a patient appoints you.',
      `Next: make a card for the patient: carequorum representative card --keystore ${keystore.path} --help`,
    ],
  };
}

async function enrolClinician(
  context: CommandContext,
  keystore: Keystore,
  options: EnrolOptions,
): Promise<CommandResult> {
  const session = await context.session();
  const clinician = new Clinician(session, keystore, context.files);
  const known = clinician.data.enrolment;
  const role = (known?.role ?? options.role) as Role | undefined;
  if (role === undefined) throw missing('clinician', ['--role']);
  const isNamed = !known || options.letter !== undefined || options.name !== undefined;
  if (isNamed) {
    requireClinician(
      options,
      session.network.validators.map(({ id }) => id),
    );
  }
  const { name = '', npi, state, licence, hospital } = options;
  const invitation = await letterOf(options);
  const identity = isNamed ? { name, npi, state, licence, hospital } : null;
  const enrolment = await context.work('Enrolling with the membership service', () =>
    clinician.enrol(role, identity, invitation),
  );
  const certificate = enrolment?.certificate;
  if (enrolment?.status !== 'active' || certificate === undefined) {
    return pendingResult(keystore, role);
  }
  const path = options.certificateOut ?? `${keystore.path.replace(/\.keystore$/, '')}.certificate`;
  await writeTextFile(path, pem(fromBase64url(certificate)));
  return {
    json: {
      role,
      status: 'active',
      keystore: keystore.path,
      thumbprint: keystore.kid,
      certificate: path,
    },
    lines: [
      `You are enrolled as ${role}. Your certificate is in ${path}; it holds nothing secret.`,
      `Thumbprint of your key: ${keystore.kid}`,
      'Next: give that file to the operator of your hospital, who compares the thumbprint and runs',
      `  carequorum approve ${path} --keystore OPERATOR.keystore`,
    ],
  };
}

function pendingResult(keystore: Keystore, role: string): CommandResult {
  return {
    json: { role, status: 'pending', keystore: keystore.path, thumbprint: keystore.kid },
    lines: [
      'Your enrolment is pending: the register of clinicians does not answer, or no register lists you.',
      `Thumbprint of your key: ${keystore.kid}`,
      'Whom no register lists asks the operator of the own hospital for a letter, and adds --letter FILE.',
      `Next: ask again later: carequorum enrol --keystore ${keystore.path}`,
    ],
  };
}

function operatorResult(keystore: Keystore): CommandResult {
  const publicKey = toBase64url(keystore.publicKey);
  return {
    json: { role: 'operator', keystore: keystore.path, thumbprint: keystore.kid, publicKey },
    lines: [
      `Thumbprint: ${keystore.kid}`,
      `Public key: ${publicKey}`,
      `Next: tell the other operators the thumbprint ${shortId(keystore.kid)}… over a second way, and put it`,
      'into the configuration (`operatorKey`); the ceremony follows: carequorum genesis --help',
    ],
  };
}

async function letterOf({ letter }: EnrolOptions): Promise<string | undefined> {
  return letter === undefined ? undefined : (await readFile(letter, 'utf8')).trim();
}

function uiiOf(options: EnrolOptions): Uii {
  const { name, birthDate, nationalId, address, postcode } = options;
  const all = { name, birthDate, nationalId, address, postcode };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function labelOf(role: Enrollable, name: string): string {
  if (role === 'patient') return 'Patient';
  return role === 'representative' ? 'Representative' : name.slice(0, 128);
}

function kindOf(role: Enrollable): KeystoreKind {
  const isOwnKind = role === 'patient' || role === 'operator' || role === 'representative';
  return isOwnKind ? role : 'clinician';
}

/** All that the register is asked with. */
function requireClinician(options: EnrolOptions, hospitals: readonly string[]): void {
  const wanted = { name: '--name', npi: '--npi', state: '--state', licence: '--licence' } as const;
  const named =
    options.role === 'doctor' || options.role === 'nurse' || options.role === 'pharmacist';
  const lacking: string[] = Object.entries(wanted)
    .filter(
      ([key]) => (named || key === 'name') && options[key as keyof typeof wanted] === undefined,
    )
    .map(([, option]) => option);
  if (options.hospital === undefined) lacking.push('--hospital');
  if (lacking.length > 0) throw missing(options.role ?? 'clinician', lacking);
  if (!hospitals.includes(options.hospital ?? '')) {
    throw new SdkError(
      'bad_input',
      `No hospital of this network is called ${options.hospital ?? ''}.`,
      {
        nextStep: `Give one of ${hospitals.join(', ')} with --hospital.`,
      },
    );
  }
}

function missing(role: string, options: readonly string[]): UsageError {
  return new UsageError(
    `To enrol as ${role}, ${listText(options)} ${options.length === 1 ? 'is' : 'are'} missing.`,
    'Add what is missing; `carequorum enrol --help` has examples.',
  );
}
