/** `carequorum emergency`: what happens when a patient cannot speak. */
import { type Command, Option } from 'commander';
import {
  emergencyReasons,
  type EmergencyReason,
  emergencyVerdictField,
  type EmergencyVerdict,
} from '../../lib/chaincode/emergency-values.ts';
import type { NamedPerson } from '../../lib/membership/emergency.ts';
import { parseCardCode } from '../../sdk/card-code.ts';
import {
  accessAgain,
  type Declared,
  declareByCard,
  declareByName,
  listDeclarations,
  type ListedDeclaration,
  readSummary,
  reviewDeclaration,
} from '../../sdk/emergency.ts';
import { summaryLines } from '../../sdk/emergency-summary.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import { byId, holderOf, identitiesOf, personText } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseDay, timeText } from '../times.ts';
import { listText } from '../words.ts';
import { addCard, addPrepare, addWithdraw } from './emergency-prepare.ts';

interface DeclareOptions extends CommonOptions {
  readonly card?: string;
  readonly name?: string;
  readonly birthDate?: string;
  readonly reason: EmergencyReason;
}

interface ListOptions extends CommonOptions {
  readonly overdue?: boolean;
}

interface ReviewOptions extends CommonOptions {
  readonly verdict: EmergencyVerdict;
}

export function addEmergency(program: Command, run: Runner): void {
  const command = program
    .command('emergency')
    .summary('what strangers may know of you in an emergency, and who looked')
    .description(
      'Patients prepare a summary and carry a card; doctors and nurses who declare an emergency read it, with a ' +
        'reason, for a limited time; the patient is told, and somebody of another hospital reviews it.',
    );
  examples(command, [
    'carequorum emergency prepare --allergy "Penicillin: anaphylaxis" --keystore anna.keystore',
    'carequorum emergency card --out card.pdf --keystore anna.keystore',
    'carequorum emergency declare --card CARD --reason unconscious --keystore jonas.keystore',
    'carequorum emergency list --keystore anna.keystore',
  ]);
  addPrepare(command, run);
  addCard(command, run);
  addDeclare(command, run);
  addRead(command, run);
  addList(command, run);
  addReview(command, run);
  addWithdraw(command, run);
}

function addDeclare(emergency: Command, run: Runner): void {
  const command = emergency
    .command('declare')
    .summary('doctors, nurses: declare an emergency and read the summary')
    .description(
      'Declares an emergency on the ledger, under your name and with a reason, and shows the summary as soon as ' +
        'the hospitals have agreed on it. The patient is told at once. Somebody of another hospital reviews it.\n' +
        `Reasons:\n${reasonLines.join('\n')}`,
    )
    .option('--card <number>', 'the number on the card; blanks and hyphens do not matter')
    .option('--name <name>', 'without a card: the full name of the patient')
    .addOption(
      new Option('--birth-date <date>', 'without a card: as 1961-04-23').argParser(parseDay),
    )
    .addOption(
      new Option('--reason <reason>', 'why')
        .choices(Object.keys(emergencyReasons))
        .makeOptionMandatory(),
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum emergency declare --card "7ZZZ 1234 …" --reason unconscious --keystore jonas.keystore',
    'carequorum emergency declare --name "Anna Muster" --birth-date 1961-04-23 --reason unconscious --keystore jonas.keystore',
    'carequorum emergency declare --card 7ZZZ-1234-… --reason severe-allergy --yes --json --keystore jonas.keystore',
  ]).action((options: DeclareOptions) => run(options, (context) => declare(context, options)));
}

function addRead(emergency: Command, run: Runner): void {
  const command = emergency
    .command('read')
    .summary('doctors, nurses: read the summary again, while the declaration lasts')
    .description('Opens the summary once more under a declaration of yours; that is recorded too.')
    .argument('<declaration>', 'id of the declaration, or its start', parseId);
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum emergency read DECLARATION --keystore jonas.keystore',
    'carequorum emergency read DECLARATION --json --keystore jonas.keystore',
  ]).action((id: string, options: CommonOptions) =>
    run(options, (context) => readAgain(context, id)),
  );
}

function addList(emergency: Command, run: Runner): void {
  const command = emergency
    .command('list')
    .summary('see who declared an emergency, and what the review says')
    .description(
      'Patients see each declaration about them, doctors and nurses their own, operators and auditors all. The ' +
        'list is proven to be complete. One that is over without a review is marked OVERDUE.',
    )
    .option('--overdue', 'only those whose review is overdue');
  examples(keystoreOptions(command), [
    'carequorum emergency list --keystore anna.keystore',
    'carequorum emergency list --overdue --keystore hospital-b.keystore',
  ]).action((options: ListOptions) => run(options, (context) => list(context, options)));
}

function addReview(emergency: Command, run: Runner): void {
  const command = emergency
    .command('review')
    .summary('auditors, operators of another hospital: review a declaration')
    .description(
      'Says, once and under your name, whether an emergency was justified. Ask the hospital why it was declared. ' +
        'Nobody reviews a declaration of the own hospital. Patient and clinician are told.',
    )
    .argument('<declaration>', 'id of the declaration, or its start', parseId)
    .addOption(
      new Option('--verdict <verdict>', 'what you found')
        .choices(emergencyVerdictField.options)
        .makeOptionMandatory(),
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum emergency review DECLARATION --verdict justified --keystore hospital-b.keystore',
    'carequorum emergency review DECLARATION --verdict unjustified --yes --keystore auditor.keystore',
  ]).action((id: string, options: ReviewOptions) =>
    run(options, (context) => review(context, id, options.verdict)),
  );
}

async function declare(context: CommandContext, options: DeclareOptions): Promise<CommandResult> {
  const { reason } = options;
  const whom = whomOf(options);
  const clinician = await context.clinician();
  await context.confirm(
    [
      `You are about to declare an emergency: ${emergencyReasons[reason]}.`,
      'It is recorded under your name, the patient is told, and somebody else reviews it.',
    ],
    'Declare it?',
  );
  const declared = await context.work('Asking the hospitals', () =>
    'handle' in whom
      ? declareByCard(clinician, { ...whom, reason })
      : declareByName(clinician, { person: whom, reason }),
  );
  return shown(context, clinician, declared);
}

/** By the card, or by name and birth date: one of the two. */
function whomOf({ card, name, birthDate }: DeclareOptions): { handle: string } | NamedPerson {
  if (card !== undefined && name === undefined && birthDate === undefined) {
    return { handle: parseCardCode(card) };
  }
  if (card === undefined && name !== undefined && birthDate !== undefined) {
    return { name, birthDate };
  }
  throw new UsageError(
    'Nothing says whom it is about, or two things do.',
    'Give --card, or --name and --birth-date together.',
  );
}

async function readAgain(context: CommandContext, wanted: string): Promise<CommandResult> {
  const clinician = await context.clinician();
  const id = await fullId(context, clinician, wanted);
  const declared = await context.work('Asking the hospitals', () => accessAgain(clinician, id));
  return shown(context, clinician, declared);
}

async function shown(
  context: CommandContext,
  clinician: Clinician,
  declared: Declared,
): Promise<CommandResult> {
  const { declarationId, until, result } = declared;
  await context.keepReceipts([result]);
  const read = await context.work('Putting the key together', () =>
    readSummary(clinician, declared),
  );
  const { summary, from, liars } = read;
  return {
    json: { declarationId, until, summary, from, liars, ...certifiedJson(result) },
    lines: [
      ...summaryLines(summary),
      '',
      `Opened with the shares of ${listText(from)}.`,
      ...(liars.length === 0 ? [] : [`Warning: ${listText(liars)} gave a false share.`]),
      `Declaration ${declarationId}: it can be read again until ${timeText(until)}.`,
      certifiedLine(result),
    ],
  };
}

async function list(context: CommandContext, { overdue }: ListOptions): Promise<CommandResult> {
  const { session, signer } = holderOf(await context.person());
  const all = await context.look('Asking the hospitals', (signal) =>
    listDeclarations(session, signer, { signal }),
  );
  const wanted = overdue === true ? all.filter((one) => one.isOverdue) : all;
  const people = await identitiesOf(
    session,
    signer,
    wanted.map(({ clinician }) => clinician.subject),
  );
  const rows = wanted.map((one) => {
    const who = people.get(one.clinician.subject);
    return [
      timeText(one.declared.time),
      who ? personText(who) : shortId(one.clinician.subject),
      emergencyReasons[one.reason],
      String(one.releases),
      reviewText(one),
      shortId(one.id),
    ];
  });
  const heads = ['when', 'who', 'why', 'read', 'review', 'declaration'];
  return {
    json: { count: all.length, declarations: wanted },
    lines: rows.length === 0 ? ['Nobody declared an emergency.'] : table(heads, rows),
  };
}

async function review(
  context: CommandContext,
  wanted: string,
  verdict: EmergencyVerdict,
): Promise<CommandResult> {
  const holder = holderOf(await context.person());
  const declarationId = await fullId(context, holder, wanted);
  await context.confirm(
    [`You say of declaration ${declarationId}: ${verdict}. It is said once, under your name.`],
    'Say it?',
  );
  const { session, signer } = holder;
  const result = await context.work('Asking the hospitals', () =>
    reviewDeclaration(session, signer, { declarationId, verdict }),
  );
  await context.keepReceipts([result]);
  return {
    json: { declarationId, verdict, ...certifiedJson(result) },
    lines: [`Declaration ${declarationId} is reviewed: ${verdict}.`, certifiedLine(result)],
  };
}

/** The one declaration that begins so, among those that the signer may see. */
async function fullId(
  context: CommandContext,
  { session, signer }: Pick<Clinician, 'session' | 'signer'>,
  wanted: string,
): Promise<string> {
  // A whole id needs no list: seconds count.
  if (wanted.length === ID_CHARS) return wanted;
  const all = await context.look('Asking the hospitals', (signal) =>
    listDeclarations(session, signer, { signal }),
  );
  return byId(all, wanted, { what: 'declaration', listedBy: 'carequorum emergency list' }).id;
}

const ID_CHARS = 22;

const reasonLines = Object.entries(emergencyReasons).map(
  ([code, meaning]) => `  ${code.padEnd(22)}${meaning}`,
);

function reviewText({ review: done, isOverdue, pseudonym }: ListedDeclaration): string {
  if (done) return `${done.verdict} (${done.hospital ?? done.role})`;
  if (isOverdue) return 'OVERDUE';
  return pseudonym === null ? 'awaited; no card was named' : 'awaited; it still lasts';
}
