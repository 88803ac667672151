/** `carequorum emergency prepare`, `card` and `withdraw`: what a patient does before it happens. */
import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type EmergencySummary,
  type SectionName,
  sectionNames,
  type Source,
  summaryLines,
  type SummarySection,
} from '../../sdk/emergency-summary.ts';
import { prepareEmergency, withdrawEmergency } from '../../sdk/emergency.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { Patient } from '../../sdk/patient.ts';
import { cardLines, cardPdf } from '../card.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  collect,
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import type { CommandResult } from '../output.ts';
import { byId, identitiesOf, personText } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { listText } from '../words.ts';

interface PrepareOptions extends CommonOptions {
  readonly allergy?: readonly string[];
  readonly medicine?: readonly string[];
  readonly condition?: readonly string[];
  readonly noneKnown?: readonly SectionName[];
  readonly nothingRecorded?: readonly SectionName[];
  readonly from?: string;
  readonly newCard?: boolean;
  readonly cardOnly?: boolean;
  readonly byName?: boolean;
}

interface CardOptions extends CommonOptions {
  readonly out?: string;
}

export function addPrepare(emergency: Command, run: Runner): void {
  const command = emergency
    .command('prepare')
    .summary('patients: write the summary that an emergency may open')
    .description(
      'Writes your emergency summary: allergies first, then medicines and conditions, and who says so. It is ' +
        'encrypted on this machine; its key is split among the hospitals, so that no single one can read it, and ' +
        'most of them together can, for a doctor or nurse who declares an emergency. You are told of each use.\n' +
        'What you do not name stays as it was, at first «not asked», which everybody is shown as exactly that. ' +
        'Say --none-known only if somebody asked and you know of none.',
    )
    .option('--allergy <text>', 'an allergy and what it does to you; may be repeated', collect)
    .option('--medicine <text>', 'a medicine that you take, with its dose; repeated', collect)
    .option('--condition <text>', 'an illness, implant or the like; repeated', collect)
    .option('--none-known <section>', noneText, collectSections)
    .option('--nothing-recorded <section>', 'your records say nothing of it', collectSections)
    .addOption(
      new Option('--from <record>', 'this record of yours says so, not you').argParser(parseId),
    )
    .option('--new-card', 'make a new card: the old one is void')
    .option('--card-only', 'only who has your card finds it, not who knows name and birth date')
    .option('--by-name', 'undo --card-only');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum emergency prepare --allergy "Penicillin: anaphylaxis" --none-known conditions --keystore anna.keystore',
    'carequorum emergency prepare --medicine "Apixaban 5 mg twice a day" --from RECORD --keystore anna.keystore',
    'carequorum emergency prepare --new-card --keystore anna.keystore      # the card was lost',
  ]).action((options: PrepareOptions) => run(options, (context) => prepare(context, options)));
}

export function addCard(emergency: Command, run: Runner): void {
  const command = emergency
    .command('card')
    .summary('patients: print the card that you carry')
    .description(
      'Shows the number that a doctor or nurse needs to find your summary, and writes it as a card to print. The ' +
        'card names nobody. A finder who is no clinician of this network can do nothing with it.',
    )
    .option('--out <file>', 'write the card as a PDF');
  examples(keystoreOptions(command), [
    'carequorum emergency card --keystore anna.keystore',
    'carequorum emergency card --out card.pdf --keystore anna.keystore',
  ]).action((options: CardOptions) => run(options, (context) => card(context, options)));
}

export function addWithdraw(emergency: Command, run: Runner): void {
  const command = emergency
    .command('withdraw')
    .summary('patients: end emergency access')
    .description(
      'Ends emergency access: the card is void and every hospital erases its part of the key. In an emergency ' +
        'nobody will find anything of you. What was read before cannot be taken back.',
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum emergency withdraw --keystore anna.keystore',
    'carequorum emergency withdraw --yes --keystore anna.keystore',
  ]).action((options: CommonOptions) => run(options, withdraw));
}

async function prepare(context: CommandContext, options: PrepareOptions): Promise<CommandResult> {
  const patient = await context.patient();
  const summary = await summaryOf(context, patient, options);
  await context.confirm(
    [
      'In an emergency this is shown to a doctor or nurse:',
      '',
      ...summaryLines(summary).map((line) => `  ${line}`),
      '',
      'The operators of most hospitals together could also read it, without your being told.',
    ],
    'Is it right?',
  );
  const { newCard, cardOnly, byName } = options;
  if (cardOnly && byName) {
    throw new UsageError('--card-only and --by-name exclude each other.', 'Give one of them.');
  }
  const ways = { newCard, cardOnly: cardOnly ?? (byName ? false : undefined) };
  const done = await context.work('Splitting the key among the hospitals', () =>
    prepareEmergency(patient, summary, ways),
  );
  await context.keepReceipts([done.result]);
  const { handle, missing, isNewCard } = done;
  return {
    json: { handle, isNewCard, missing, summary, ...certifiedJson(done.result) },
    lines: [
      'Your emergency summary is ready.',
      certifiedLine(done.result),
      ...(missing.length === 0
        ? []
        : [
            `${listText(missing)} did not answer and gets its part the next time you use this program.`,
          ]),
      ...(isNewCard
        ? ['', ...cardLines(handle, patient.networkName), '']
        : ['Your card is the same as before.']),
      'Print it: carequorum emergency card --out card.pdf',
    ],
  };
}

async function card(context: CommandContext, { out }: CardOptions): Promise<CommandResult> {
  const patient = await context.patient();
  const { emergency } = patient.data;
  if (!emergency) throw notPrepared();
  const { handle } = emergency;
  const network = patient.networkName;
  if (out !== undefined) await writeFile(out, await cardPdf(handle, network), { mode: 0o600 });
  return {
    json: { handle, card: cardLines(handle, network), file: out ?? null },
    lines: [
      ...cardLines(handle, network),
      ...(out === undefined ? [] : ['', `Written to ${out}. Print it without scaling.`]),
    ],
  };
}

async function withdraw(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  await context.confirm(
    ['Nobody will find anything of you in an emergency, and your card is void.'],
    'End it?',
  );
  const { result, left } = await context.work('Asking the hospitals', () =>
    withdrawEmergency(patient),
  );
  await context.keepReceipts([result]);
  return {
    json: { left, ...certifiedJson(result) },
    lines: [
      'Emergency access is ended; the card is void.',
      certifiedLine(result),
      ...(left.length === 0
        ? ['Every hospital has erased its part of the key.']
        : [
            `${listText(left)} did not answer: what it still holds opens nothing without the others.`,
          ]),
    ],
  };
}

/** What is named replaces a section; the others stay. */
async function summaryOf(
  context: CommandContext,
  patient: Patient,
  options: PrepareOptions,
): Promise<EmergencySummary> {
  const before = patient.data.emergency?.summary;
  const source = await sourceOf(context, patient, options.from);
  const named: Readonly<Record<SectionName, readonly string[]>> = {
    allergies: options.allergy ?? [],
    medicines: options.medicine ?? [],
    conditions: options.condition ?? [],
  };
  const isNamed = (one: SectionName): boolean => named[one].length > 0;
  const section = (name: SectionName): SummarySection => {
    const said = [
      isNamed(name),
      options.noneKnown?.includes(name) === true,
      options.nothingRecorded?.includes(name) === true,
    ];
    if (said.filter(Boolean).length > 1) throw twice(name);
    const [entries, noneKnown, nothing] = said;
    if (entries) {
      return { state: 'recorded', entries: named[name].map((text) => ({ text, source })) };
    }
    if (noneKnown) return { state: 'none-known', source };
    if (nothing) return { state: 'nothing-recorded', source };
    return before?.[name] ?? { state: 'not-asked' };
  };
  const { uii } = patient.data;
  return {
    format: 'carequorum-emergency-1',
    person: { name: uii.name ?? '', birthDate: uii.birthDate ?? null },
    madeAt: context.now(),
    allergies: section('allergies'),
    medicines: section('medicines'),
    conditions: section('conditions'),
  };
}

/** The patient, or a record of the patient with its author as the ledger has it. */
async function sourceOf(
  context: CommandContext,
  patient: Patient,
  from: string | undefined,
): Promise<Source> {
  if (from === undefined) return { by: 'patient', time: context.now() };
  const records = await context.look('Asking the hospitals', (signal) =>
    patient.records({ signal }),
  );
  const what = { what: 'record of yours', listedBy: 'carequorum records' };
  const { id, uploader, registered } = byId(records, from, what);
  const people = await identitiesOf(patient.session, patient.signer, [uploader.subject]);
  const author = people.get(uploader.subject);
  return {
    by: 'record',
    recordId: id,
    author: author ? personText(author) : 'an unknown writer',
    time: registered.time,
  };
}

const noneText = `somebody asked and none are known: ${sectionNames.join(', ')}`;

function collectSections(text: string, known: readonly SectionName[] = []): SectionName[] {
  const found = text.split(',').map((word) => {
    const name = sectionNames.find((one) => one === word.trim());
    if (name) return name;
    throw new InvalidArgumentError(`Sections are ${sectionNames.join(', ')}.`);
  });
  return [...known, ...found];
}

function twice(name: SectionName): UsageError {
  return new UsageError(
    `You say two things of ${name}.`,
    'Name entries, or --none-known, or --nothing-recorded; not two of them.',
  );
}

function notPrepared(): SdkError {
  return new SdkError('not_found', 'You have prepared no emergency summary.', {
    nextStep: 'Prepare one: `carequorum emergency prepare --help`.',
  });
}
