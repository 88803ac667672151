/** `carequorum representative`: people who act for a patient, with stated rights and time. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Power } from '../../lib/chaincode/representative-values.ts';
import { parseRecoveryFile } from '../../sdk/recovery-files.ts';
import {
  checkRepresentativeCard,
  representativeCardCode,
  representativeCardSchema,
} from '../../sdk/representative-card.ts';
import {
  appoint,
  appointments,
  endAppointment,
  type KnownAppointment,
} from '../../sdk/representatives.ts';
import type { Patient } from '../../sdk/patient.ts';
import { appointmentLines, parsePowers, powersHelp } from '../appointments.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  collectCategories,
  collectPurposes,
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, shortId } from '../output.ts';
import { byId } from '../people.ts';
import { resealedLines } from '../permissions.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseMonth, parseWhen, timeOf, timeText, type When } from '../times.ts';
import { type GrantablePurpose, listText, stateOf } from '../words.ts';
import { addActing } from './acting.ts';

interface AppointOptions extends CommonOptions {
  readonly rights?: readonly Power[];
  readonly category?: readonly string[];
  readonly from?: When;
  readonly until?: When;
  readonly dataFrom?: string;
  readonly dataUntil?: string;
  readonly purpose?: readonly GrantablePurpose[];
}

export function addRepresentative(program: Command, run: Runner): void {
  const command = program
    .command('representative')
    .summary('somebody acts for you, with rights and a time that you state')
    .description(
      'Lets somebody whom you trust act for you: a daughter, a guardian. They use their own keys, never yours; they ' +
        'can do what you state, with the kinds of records that you state, until the day that you state. You are told ' +
        'of each thing that they do, and you can end it at any time.\n' +
        'They can never replace your keys, name guardians or other representatives, erase anything, or go beyond what you stated.',
    );
  examples(command, [
    '# the representative, once for each patient, on the own computer:',
    'carequorum representative card --for "Mother" --name "Rosa Muster" --out rosa.card.json --keystore rosa.keystore',
    '# then you:',
    'carequorum representative appoint rosa.card.json --rights read,countersign --category laboratory --until 180d --keystore anna.keystore',
    '# then the representative:',
    'carequorum representative records --for "Mother" --keystore rosa.keystore',
  ]);
  addAppoint(command, run);
  addList(command, run);
  addEnd(command, run);
  addActing(command, run);
}

function addAppoint(parent: Command, run: Runner): void {
  const command = parent
    .command('appoint')
    .summary('patients: let the holder of a card act for you')
    .description(
      'Lets the holder of a card act for you. These are all the rights that there are:\n\n' +
        `${powersHelp}\n\n` +
        'Whom they let read or write can do so until this ends, at most. Compare the number of the card by telephone: ' +
        'with a wrong card somebody else would act for you.',
    )
    .argument('<card>', 'file that the representative gave you')
    .option('--rights <list>', 'what they may do, separated by commas', parsePowers)
    .option(
      '--category <name>',
      'kinds of records; commas or the option repeated',
      collectCategories,
    )
    .option('--until <when>', 'end: 2027-01-01 (its start, UTC), or 180d from now', parseWhen)
    .option('--from <when>', 'start (default: now)', parseWhen)
    .option('--data-from <month>', 'only data from this month on, as 2026-01', parseMonth)
    .option('--data-until <month>', 'only data up to this month', parseMonth)
    .option(
      '--purpose <purpose>',
      'what for they may let others read: treatment (default), payment, operations, research',
      collectPurposes,
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum representative appoint rosa.card.json --rights read,history --category laboratory --until 180d --keystore anna.keystore',
    'carequorum representative appoint rosa.card.json --rights read,grant,revoke --category laboratory,radiation-dose --until 2027-01-01 --keystore anna.keystore',
  ]).action((path: string, options: AppointOptions) =>
    run(options, (context) => appointOne(context, path, options)),
  );
}

async function appointOne(
  context: CommandContext,
  path: string,
  options: AppointOptions,
): Promise<CommandResult> {
  const now = context.now();
  const terms = termsOf(options, now);
  const text = await readFile(path, 'utf8');
  const card = parseRecoveryFile(representativeCardSchema, text, 'card of a representative');
  const patient = await context.patient();
  await checkRepresentativeCard(card, patient.networkName);
  const { powers, categories } = terms;
  const shown = {
    ...{ dataFrom: terms.dataFrom ?? null, dataUntil: terms.dataUntil ?? null },
    ...{ from: terms.from ?? 0, until: terms.until },
  };
  const known = { powers, categories, now };
  await context.confirm(
    [
      `You are about to let ${card.name} act for you; number of the card ${representativeCardCode(card)}:`,
      ...appointmentLines(shown, known),
      'Ring them up and compare the number: with a wrong card somebody else would act for you.',
    ],
    `Let ${card.name} do this for you?`,
  );
  const done = await context.work('Asking the hospitals', () => appoint(patient, card, terms));
  await context.keepReceipts([done.result]);
  return {
    json: {
      permissionId: done.permissionId,
      ...{ name: card.name, rights: powers, categories, until: terms.until },
      ...certifiedJson(done.result),
    },
    lines: [
      `${card.name} may act for you until ${timeText(terms.until)}.`,
      certifiedLine(done.result),
      `To end it: carequorum representative end ${done.permissionId}`,
    ],
  };
}

function termsOf(options: AppointOptions, now: number) {
  const { rights: powers, category: categories, until, from } = options;
  const lacking = [
    ...(powers === undefined ? ['--rights'] : []),
    ...(categories === undefined ? ['--category'] : []),
    ...(until === undefined ? ['--until'] : []),
  ];
  if (!powers || !categories || until === undefined) {
    throw usage(`${listText(lacking)} ${lacking.length === 1 ? 'is' : 'are'} missing.`);
  }
  const end = timeOf(until, now);
  const start = from === undefined ? undefined : timeOf(from, now);
  if (end <= Math.max(now, start ?? 0)) throw usage('It would end before it starts.');
  const { dataFrom, dataUntil, purpose: purposes } = options;
  if (dataFrom !== undefined && dataUntil !== undefined && dataFrom > dataUntil) {
    throw usage('--data-from is after --data-until.');
  }
  return { powers, categories, from: start, until: end, dataFrom, dataUntil, purposes };
}

function addList(parent: Command, run: Runner): void {
  const command = parent
    .command('list')
    .summary('patients: see who may act for you, and what they may do')
    .description(
      'Shows everybody whom you ever let act for you: what they may do, with which kinds of records, until when, and ' +
        'whether it still holds. Names are in your keystore only; the hospitals do not know them.',
    );
  examples(keystoreOptions(command), [
    'carequorum representative list --keystore anna.keystore',
    'carequorum representative list --keystore anna.keystore --json',
  ]).action((options: CommonOptions) => run(options, list));
}

async function list(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const all = await context.look('Asking the hospitals', () => appointments(patient));
  const now = context.now();
  return {
    json: {
      representatives: all.map(({ permission, powers, name }) => ({
        ...{ permissionId: permission.id, name, rights: powers, state: stateOf(permission, now) },
        ...{ from: permission.from, until: permission.until },
        categories: categoriesOf(patient, permission.categories),
      })),
    },
    lines:
      all.length === 0
        ? ['Nobody may act for you.']
        : all.flatMap((one) => [
            `${nameOf(one)}: ${stateOf(one.permission, now)}, ${one.permission.id}`,
            ...appointmentLines(one.permission, {
              ...{ powers: one.powers, now },
              categories: categoriesOf(patient, one.permission.categories),
            }),
          ]),
  };
}

function addEnd(parent: Command, run: Runner): void {
  const command = parent
    .command('end')
    .summary('patients: somebody acts for you no more')
    .description(
      'Ends it at once, together with all that they let others read or write. If you want one of those to go on, ' +
        'give the permission yourself with `carequorum grant`. Your keys are renewed, so that they open nothing that ' +
        'is added from now on; what they have read stays known to them.',
    )
    .argument('<id>', 'as `carequorum representative list` shows it, or its start', parseId);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum representative end APPOINTMENT --keystore anna.keystore',
    'carequorum representative end APPOINTMENT --keystore anna.keystore --yes --json',
  ]).action((id: string, options: CommonOptions) => run(options, (context) => end(context, id)));
}

async function end(context: CommandContext, id: string): Promise<CommandResult> {
  const patient = await context.patient();
  const all = await context.look('Asking the hospitals', () => appointments(patient));
  const { id: permissionId } = byId(
    all.map(({ permission }) => permission),
    id,
    { what: 'appointment of yours', listedBy: 'carequorum representative list' },
  );
  const name = nameOf(all.find(({ permission }) => permission.id === permissionId));
  await context.confirm(
    [`${name} will act for you no more, and all that they gave to others ends, too.`],
    'End it now?',
  );
  const done = await context.work('Asking the hospitals', () =>
    endAppointment(patient, permissionId),
  );
  await context.keepReceipts([done.result]);
  const given = done.grants.map((one) => one.id);
  return {
    json: { permissionId, ended: given, ...certifiedJson(done.result) },
    lines: [
      `${name} acts for you no more.`,
      certifiedLine(done.result),
      ...given.map((one) => `Ended with it: permission ${one}.`),
      ...(given.length > 0 ? ['Whom you want to go on, you let yourself: carequorum grant'] : []),
      ...resealedLines(done.renewed, done.skipped),
    ],
  };
}

function nameOf(one: KnownAppointment | undefined): string {
  return one?.name ?? `the representative ${shortId(one?.permission.grantee ?? '')}`;
}

function categoriesOf(patient: Patient, tags: readonly string[]): string[] {
  const names = patient.categoryNames();
  return tags.map((tag) => names.get(tag) ?? shortId(tag));
}

function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum representative appoint --help`.');
}
