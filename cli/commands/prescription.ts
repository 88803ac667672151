/** `carequorum prescription`: written by doctors, given to pharmacies by patients. */
import { type Command, Option } from 'commander';
import { cancelReasonField } from '../../lib/chaincode/prescription-values.ts';
import type { OpenedContent } from '../../lib/connected/prescription-content.ts';
import type { Patient } from '../../sdk/patient.ts';
import {
  cancelPrescription,
  type CancelReason,
  checkedFills,
  openPrescription,
  type OwnPrescription,
  ownPrescriptions,
  prescribe,
  PRESCRIPTION_CATEGORY,
  recallPrescription,
  releasePrescription,
} from '../../sdk/prescriptions.ts';
import { fillableNow } from '../../sdk/pharmacy.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import {
  byId,
  holderOf,
  identitiesOf,
  knownPatients,
  patientNamed,
  personText,
  personQuery,
} from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseWhen, spanText, timeOf, timeText, type When } from '../times.ts';
import { wholeNumber } from './connected-options.ts';

const DAY_MS = 86_400_000;
const LISTED = { what: 'prescription', listedBy: 'carequorum prescription list' };

interface WriteOptions extends CommonOptions {
  readonly for: string;
  readonly medicine: string;
  readonly dose: string;
  readonly code?: string;
  readonly quantity: number;
  readonly unit: string;
  readonly fills: number;
  readonly every: number;
  readonly until: When;
  readonly category: string;
}

interface GiveOptions extends CommonOptions {
  readonly to: string;
  readonly insurer?: string;
}

export function addPrescription(program: Command, run: Runner): void {
  const command = program
    .command('prescription')
    .summary('write, see, give away and take back prescriptions')
    .description(
      'A doctor writes a prescription as a record of the patient. The patient gives it to a pharmacy, which ' +
        'opens it and hands out what is prescribed. The hospitals count, so that it is handed out once, ' +
        'whichever pharmacies have it. They never see what is prescribed.',
    );
  examples(command, [
    'carequorum prescription list --keystore anna.keystore',
    'carequorum prescription give PRESCRIPTION --to "Goran Whitlock" --keystore anna.keystore',
  ]);
  addWrite(command, run);
  addList(command, run);
  addShow(command, run);
  addGive(command, run);
  addTakeBack(command, run);
  addCancel(command, run);
}

function addWrite(group: Command, run: Runner): void {
  const command = group
    .command('write')
    .summary('doctors: prescribe something to a patient who lets you write')
    .description(
      'Encrypts the prescription as a record of the patient, and has the hospitals count what is handed out. ' +
        'It needs a permission of the patient to write the category.',
    )
    .requiredOption('--for <patient>', 'name, or pseudonym, as in `carequorum records`')
    .requiredOption('--medicine <text>', 'what, with its strength')
    .requiredOption('--dose <text>', 'how it is taken')
    .requiredOption('--quantity <number>', 'units of one fill', wholeNumber)
    .option('--unit <word>', 'what is counted', 'tablets')
    .option('--code <system:code>', 'for the insurer, as atc:L02BA01')
    .option('--fills <number>', 'how often it may be filled', wholeNumber, 1)
    .option('--every <days>', 'from one fill to the next, at least', wholeNumber, 0)
    .option('--category <name>', 'where it is kept', PRESCRIPTION_CATEGORY)
    .requiredOption('--until <when>', 'how long it holds: 180d, or 2027-01-01', parseWhen);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum prescription write --for "Anna Muster" --medicine "Tamoxifen 20 mg" --dose "one each morning" --quantity 30 --fills 6 --every 25 --code atc:L02BA01 --until 180d --keystore ada.keystore',
    'carequorum prescription write --for "Anna Muster" --medicine "Ondansetron 4 mg" --dose "when sick, at most three a day" --quantity 10 --until 30d --keystore ada.keystore',
  ]).action((options: WriteOptions) => run(options, (context) => write(context, options)));
}

function addList(group: Command, run: Runner): void {
  const command = group
    .command('list')
    .summary('patients: see all that was prescribed to you')
    .description(
      'Shows each prescription with what was handed out so far. The list is proven to be complete.',
    );
  examples(keystoreOptions(command), [
    'carequorum prescription list --keystore anna.keystore',
    'carequorum prescription list --json --keystore anna.keystore',
  ]).action((options: CommonOptions) => run(options, list));
}

function addShow(group: Command, run: Runner): void {
  const command = group
    .command('show')
    .summary('patients: open one, and see which pharmacy handed out what')
    .description(
      'Opens the prescription, compares it with what the doctor signed, and lists each fill. A fill that was ' +
        'not made on this content is marked.',
    )
    .argument('<prescription>', 'its id, or the start', parseId);
  examples(keystoreOptions(command), [
    'carequorum prescription show PRESCRIPTION --keystore anna.keystore',
    'carequorum prescription show PRESCRIPTION --json --keystore anna.keystore',
  ]).action((id: string, options: CommonOptions) => run(options, (context) => show(context, id)));
}

function addGive(group: Command, run: Runner): void {
  const command = group
    .command('give')
    .summary('patients: give one to a pharmacy')
    .description(
      'Encrypts the prescription to one pharmacist. The pharmacist sees what is prescribed and your name in ' +
        'it, nothing else of you. With --insurer you also let the pharmacy ask this insurer to pay.',
    )
    .argument('<prescription>', 'its id, or the start', parseId)
    .requiredOption('--to <pharmacist>', 'full name, or NPI of ten digits')
    .option('--insurer <name>', 'who may be asked to pay (default: nobody)');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum prescription give PRESCRIPTION --to "Goran Whitlock" --keystore anna.keystore',
    'carequorum prescription give PRESCRIPTION --to 1000000079 --insurer "Sample Mutual" --yes --keystore anna.keystore',
  ]).action((id: string, options: GiveOptions) =>
    run(options, (context) => give(context, id, options)),
  );
}

function addTakeBack(group: Command, run: Runner): void {
  const command = group
    .command('take-back')
    .summary('patients: take one back from a pharmacy')
    .description(
      'From then on this pharmacist can hand out nothing more on it. What was read stays known to who read it.',
    )
    .argument('<prescription>', 'its id, or the start', parseId)
    .requiredOption('--from <pharmacist>', 'full name, as `carequorum prescription show` has it');
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum prescription take-back PRESCRIPTION --from "Goran Whitlock" --keystore anna.keystore',
    'carequorum prescription take-back PRESCRIPTION --from "Goran Whitlock" --json --keystore anna.keystore',
  ]).action((id: string, options: CommonOptions & { from: string }) =>
    run(options, (context) => takeBack(context, id, options.from)),
  );
}

function addCancel(group: Command, run: Runner): void {
  const command = group
    .command('cancel')
    .summary('patients, doctors: end one for every pharmacy')
    .description(
      'Nothing more is handed out on it, by nobody, and all who have it are told. Patients cancel what was ' +
        'prescribed to them, doctors what they prescribed (with the whole id).',
    )
    .argument('<prescription>', 'its id; for patients the start will do', parseId)
    .addOption(
      new Option('--reason <reason>', 'why')
        .choices(cancelReasonField.options)
        .makeOptionMandatory(),
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum prescription cancel PRESCRIPTION --reason treatment-changed --keystore ada.keystore',
    'carequorum prescription cancel PRESCRIPTION --reason not-wanted --yes --keystore anna.keystore',
  ]).action((id: string, options: CommonOptions & { reason: CancelReason }) =>
    run(options, (context) => cancel(context, id, options.reason)),
  );
}

async function write(context: CommandContext, options: WriteOptions): Promise<CommandResult> {
  const doctor = await context.clinician();
  const known = await context.look('Looking for the patient', () => knownPatients(doctor));
  const { pseudonym, name } = patientNamed(known, options.for);
  const until = timeOf(options.until, context.now());
  const { medicine, dose, quantity, unit, fills, every, category } = options;
  await context.confirm(
    [
      `For ${name === '' ? pseudonym : name}:`,
      `  ${medicine}, ${quantity} ${unit}, ${dose}`,
      `  ${fills} ${fills === 1 ? 'fill' : 'fills'}, until ${timeText(until)}`,
    ],
    'Sign this prescription?',
  );
  const [system = '', code = ''] = options.code?.split(':') ?? [];
  const done = await context.work('Prescribing', () =>
    prescribe(doctor, {
      ...{ pseudonym, category, patient: name === '' ? 'not named' : name, medicine, dose },
      ...{ unit, quantity, fills, intervalDays: every, until },
      code: options.code === undefined ? null : { system, code },
    }),
  );
  const { registered, stored, recordId } = done.uploaded;
  await context.keepReceipts([registered, stored, done.result]);
  const { prescriptionId, result } = done;
  return {
    json: { prescriptionId, recordId, ...certifiedJson(result) },
    lines: [`Prescription ${prescriptionId}: the patient is told.`, certifiedLine(result)],
  };
}

async function list(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const all = await context.look('Asking the hospitals', () => ownPrescriptions(patient));
  const prescribers = await identitiesOf(
    patient.session,
    patient.signer,
    all.map(({ prescription }) => prescription.prescriber.subject),
  );
  const rows = all.map(({ prescription, pharmacists }) => {
    const by = prescribers.get(prescription.prescriber.subject);
    return [
      shortId(prescription.id),
      by ? personText(by) : 'unknown',
      `${prescription.dispensed} of ${prescription.quantity * prescription.fills}`,
      stateText(prescription, context.now()),
      String(pharmacists.length),
      timeText(prescription.until),
    ];
  });
  const heads = ['prescription', 'by', 'handed out', 'now', 'pharmacies', 'until'];
  return {
    json: { prescriptions: all },
    lines: rows.length === 0 ? ['Nothing was prescribed to you.'] : table(heads, rows),
  };
}

async function show(context: CommandContext, wanted: string): Promise<CommandResult> {
  const patient = await context.patient();
  const { own, opened } = await opening(context, patient, wanted);
  const fills = await context.look('Asking who handed out what', () =>
    checkedFills(patient, opened),
  );
  const { content } = opened;
  const rows = fills.map(({ fill, pharmacist, isOfContent }) => [
    timeText(fill.at.time),
    personText(pharmacist),
    String(fill.quantity),
    isOfContent ? 'as prescribed' : 'NOT ON THIS PRESCRIPTION: ask the pharmacy',
    fill.id,
  ]);
  return {
    json: { prescription: own.prescription, content, fills },
    lines: [
      ...contentLines(opened),
      `Now: ${stateText(own.prescription, context.now())}.`,
      ...(rows.length === 0 ? ['Nothing was handed out.'] : fillTable(rows)),
    ],
  };
}

function fillTable(rows: readonly (readonly string[])[]): string[] {
  return table(['when', 'who', 'how much', 'what', 'fill'], rows);
}

async function give(
  context: CommandContext,
  wanted: string,
  { to, insurer }: GiveOptions,
): Promise<CommandResult> {
  const patient = await context.patient();
  const { opened } = await opening(context, patient, wanted);
  await context.confirm(
    [
      ...contentLines(opened),
      `${to} will see exactly this.`,
      insurer === undefined
        ? 'The pharmacy may ask no insurer to pay.'
        : `The pharmacy may ask ${insurer} to pay; that insurer sees the policy number and codes.`,
    ],
    'Give it to this pharmacy?',
  );
  const { pharmacist, result } = await context.work('Giving it', () =>
    releasePrescription(patient, opened, {
      to: personQuery(to),
      insurer: insurer === undefined ? undefined : personQuery(insurer),
    }),
  );
  await context.keepReceipts([result]);
  return {
    json: { pharmacist: pharmacist.subject, name: pharmacist.name, ...certifiedJson(result) },
    lines: [`${personText(pharmacist)} has it now.`, certifiedLine(result)],
  };
}

async function takeBack(
  context: CommandContext,
  wanted: string,
  from: string,
): Promise<CommandResult> {
  const patient = await context.patient();
  const own = await ownOne(context, patient, wanted);
  const people = await identitiesOf(patient.session, patient.signer, own.pharmacists);
  const fold = (name: string): string => name.normalize('NFKC').toLowerCase();
  const found = byId(
    [...people.values()]
      .filter(({ name, subject }) => fold(name) === fold(from) || subject === from)
      .map((one) => ({ ...one, id: from })),
    from,
    { what: 'pharmacist with it called', listedBy: 'carequorum prescription show' },
  );
  const result = await context.work('Taking it back', () =>
    recallPrescription(patient, {
      prescriptionId: own.prescription.id,
      pharmacist: found.subject,
    }),
  );
  await context.keepReceipts([result]);
  return {
    json: { pharmacist: found.subject, ...certifiedJson(result) },
    lines: [`${personText(found)} can hand out nothing more on it.`, certifiedLine(result)],
  };
}

async function cancel(
  context: CommandContext,
  wanted: string,
  reason: CancelReason,
): Promise<CommandResult> {
  const person = await context.person();
  const id =
    person.kind === 'patient'
      ? (await ownOne(context, person.patient, wanted)).prescription.id
      : wanted;
  await context.confirm([`Prescription ${id} ends for every pharmacy.`], 'Cancel it?');
  const result = await context.work('Cancelling it', () =>
    cancelPrescription(holderOf(person), id, reason),
  );
  await context.keepReceipts([result]);
  return {
    json: { prescriptionId: id, reason, ...certifiedJson(result) },
    lines: ['Nothing more is handed out on it.', certifiedLine(result)],
  };
}

async function ownOne(
  context: CommandContext,
  patient: Patient,
  wanted: string,
): Promise<OwnPrescription> {
  const all = await context.look('Asking the hospitals', () => ownPrescriptions(patient));
  return byId(
    all.map((one) => ({ ...one, id: one.prescription.id })),
    wanted,
    LISTED,
  );
}

async function opening(
  context: CommandContext,
  patient: Patient,
  wanted: string,
): Promise<{ own: OwnPrescription; opened: OpenedContent }> {
  const own = await ownOne(context, patient, wanted);
  const opened = await context.look('Opening it', () =>
    openPrescription(patient, own, context.files),
  );
  return { own, opened };
}

export function contentLines({ content }: OpenedContent): string[] {
  const { medicine, dose, quantity, unit, fills, intervalDays, prescriber, patient } = content;
  const again = fills === 1 ? '' : `, ${fills} times, ${spanText(intervalDays * DAY_MS)} apart`;
  return [`${medicine}: ${dose}`, `${quantity} ${unit}${again}, for ${patient}, by ${prescriber}`];
}

function stateText(prescription: OwnPrescription['prescription'], now: number): string {
  const { units, reason, nextAt } = fillableNow(prescription, now);
  if (nextAt !== null) return `next from ${timeText(nextAt)}`;
  return reason === null ? `${units} can be had` : reason.replaceAll('_', ' ');
}
