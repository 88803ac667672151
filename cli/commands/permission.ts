/** `carequorum permission`: looks at a permission, narrows it, extends it, follows changed teams. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Right } from '../../lib/chaincode/fields.ts';
import { earlierTermsSchema } from '../../lib/chaincode/terms.ts';
import { allEntries } from '../../sdk/pages.ts';
import type { Patient } from '../../sdk/patient.ts';
import {
  extend,
  type Extension,
  keepUp,
  narrow,
  type Narrowing,
} from '../../sdk/permission-changes.ts';
import { membersOf } from '../../sdk/teams.ts';
import { finishRenewals } from '../../sdk/unfinished.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  collectCategories,
  collectPurposes,
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  parseRights,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural } from '../output.ts';
import {
  afterReading,
  differenceLines,
  findPermission,
  followTeams,
  resealedJson,
  resealedLines,
  usesOf,
  usesText,
} from '../permissions.ts';
import { personText } from '../people.ts';
import { monthsText, type NamedTerms } from '../preview.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseMonth, parseWhen, timeOf, timeText, type When } from '../times.ts';
import { type GrantablePurpose, listText, purposeWord, stateOf } from '../words.ts';

interface ChangeOptions extends CommonOptions {
  readonly preview?: boolean;
  readonly until?: When;
  readonly dataFrom?: string;
  readonly dataUntil?: string;
}

interface NarrowOptions extends ChangeOptions {
  readonly from?: When;
  readonly dropRight?: readonly Right[];
  readonly dropCategory?: readonly string[];
  readonly dropPurpose?: readonly GrantablePurpose[];
  readonly anonymise?: boolean;
}

interface ExtendOptions extends ChangeOptions {
  readonly addCategory?: readonly string[];
  readonly addPurpose?: readonly GrantablePurpose[];
}

export function addPermission(program: Command, run: Runner): void {
  const command = program
    .command('permission')
    .summary('patients: look at a permission, take a part of it back, or let it go further')
    .description(
      'Works on permissions that you gave and that are not over. Each change is shown in words before you ' +
        'sign it, takes effect at once, and stays in your history beside what was before.',
    );
  examples(command, [
    'carequorum permission show PERMISSION --keystore anna.keystore',
    'carequorum permission narrow PERMISSION --drop-category laboratory --keystore anna.keystore',
    'carequorum permission extend PERMISSION --until 180d --keystore anna.keystore',
    'carequorum permission refresh --keystore anna.keystore',
  ]);
  addShow(command, run);
  addNarrow(command, run);
  addExtend(command, run);
  addRefresh(command, run);
}

function addShow(permission: Command, run: Runner): void {
  const command = permission
    .command('show')
    .summary('see one permission, what it was before, and what was read with it')
    .description(
      'Shows a permission in words: who, what, how long, its earlier terms and its uses.',
    )
    .argument('<permission>', 'id of the permission, or its start', parseId);
  examples(keystoreOptions(command), [
    'carequorum permission show PERMISSION --keystore anna.keystore',
    'carequorum permission show PERMISSION --keystore anna.keystore --json',
  ]).action((id: string, options: CommonOptions) => run(options, (context) => show(context, id)));
}

async function show(context: CommandContext, wanted: string): Promise<CommandResult> {
  const patient = await context.patient();
  return context.look('Asking the hospitals', async (signal) => {
    const known = await findPermission(patient, wanted, signal);
    const { permission, terms, who } = known;
    const earlier = await earlierTerms(patient, permission.id);
    const uses = await usesOf(patient, permission.id, signal);
    const used = await usesText(context, patient, uses, false);
    return {
      json: { permission, who, earlier, uses },
      lines: [
        `Permission ${permission.id}: ${stateOf(permission, context.now())}`,
        `  who         ${who}`,
        ...termsText(terms),
        `  given       ${timeText(permission.granted.time)}`,
        ...(permission.revoked === null
          ? []
          : [`  taken back  ${timeText(permission.revoked.time)}`]),
        ...earlier.flatMap(({ changed, change, ...one }) => {
          const names = patient.categoryNames();
          const categories = one.categories.map((tag) => names.get(tag) ?? tag);
          return [
            '',
            `Before it was ${change} on ${timeText(changed.time)}:`,
            ...termsText({ ...one, categories }),
          ];
        }),
        '',
        ...(used.length === 0
          ? ['Nothing was read with it so far.']
          : [`It was used ${plural(used.length, 'time')}:`, ...used]),
      ],
    };
  });
}

async function earlierTerms(patient: Patient, permissionId: string) {
  const { session, signer } = patient;
  const query = { fn: 'permission.earlier', args: { permissionId }, signer };
  return allEntries(session.client, { ...query, item: earlierTermsSchema }, { fresh: true });
}

function termsText(terms: NamedTerms): string[] {
  const { rights, categories, from = 0, until, purposes = [] } = terms;
  const start = from === 0 ? 'when it was given' : timeText(from);
  return [
    `  may         ${listText(rights)}`,
    `  with        ${listText(categories)}, ${monthsText(terms)}`,
    `  when        from ${start} until ${timeText(until)}`,
    `  what for    ${listText(purposes.map(purposeWord))}`,
  ];
}

const previewText = 'only show what this would change; sign nothing';

function addNarrow(permission: Command, run: Runner): void {
  const command = permission
    .command('narrow')
    .summary('take a part of a permission back')
    .description(
      'Takes a part back: rights, kinds of records, purposes, time, or months of data. It acts at once. ' +
        'What can no longer be read gets new keys, so that later records stay closed; what was read ' +
        'before stays known, and you see what that was.',
    )
    .argument('<permission>', 'id of the permission, or its start', parseId)
    .option('--drop-right <list>', 'read, write or share; separated by commas', parseRights)
    .option('--drop-category <name>', 'kinds of records that go', collectCategories)
    .option('--drop-purpose <purpose>', 'purposes that go', collectPurposes)
    .option('--until <when>', 'earlier end: a date, or 30d, 6h from now', parseWhen)
    .option('--from <when>', 'later start', parseWhen)
    .option('--data-from <month>', 'only data from this month on', parseMonth)
    .option('--data-until <month>', 'only data up to this month', parseMonth)
    .option('--anonymise', 'share only with what identifies you removed')
    .option('--preview', previewText);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum permission narrow PERMISSION --drop-category laboratory --keystore anna.keystore',
    'carequorum permission narrow PERMISSION --drop-right write --until 7d --keystore anna.keystore',
    'carequorum permission narrow PERMISSION --data-from 2026-06 --preview --keystore anna.keystore',
  ]).action((id: string, options: NarrowOptions) =>
    run(options, (context) => narrowed(context, id, options)),
  );
}

async function narrowed(
  context: CommandContext,
  wanted: string,
  options: NarrowOptions,
): Promise<CommandResult> {
  const patient = await context.patient();
  const isWatched = context.asks || options.preview === true;
  const shown = await context.look('Looking what that changes', async (signal) => {
    const known = await findPermission(patient, wanted, signal);
    const change = narrowingOf(options, known.terms, context.now());
    const after = withChange(known.terms, change);
    const lost = { more: known.terms, less: after, isWatched };
    return {
      ...{ ...known, change, after },
      lost: await differenceLines(context, patient, lost),
    };
  });
  const { permission, terms, who, change, after, lost } = shown;
  const lines = [
    `${options.preview === true ? 'This would narrow' : 'You are about to narrow'} what ${who} may:`,
    ...changeText(terms, after),
    ...(lost.count === 0
      ? ['No record of today is closed by this.']
      : [`No longer opened: ${plural(lost.count, 'record')} of today`, ...lost.lines]),
    'What was read before stays known to the one who read it.',
  ];
  if (options.preview === true) return previewed(permission.id, change, lost, lines);
  await context.confirm(lines, 'Narrow it?');
  const done = await context.work('Asking the hospitals', () =>
    narrow(patient, permission.id, change),
  );
  await context.keepReceipts([done.result, ...done.renewed.map((one) => one.result)]);
  const followed = await followTeams(context, patient);
  const uses = await context.look('Looking what was read', async (signal) => {
    const all = await usesOf(patient, permission.id, signal);
    return usesText(context, patient, all, context.asks);
  });
  return {
    json: {
      permissionId: permission.id,
      change,
      receiptsUsableUntil: done.receiptsUsableUntil,
      renewed: resealedJson(done.renewed),
      ...certifiedJson(done.result),
    },
    lines: [
      `The permission of ${who} is narrowed.`,
      certifiedLine(done.result),
      ...(terms.rights.includes('read') ? afterReading(uses, done.receiptsUsableUntil) : []),
      ...resealedLines([...done.renewed, ...followed], done.skipped),
    ],
  };
}

function narrowingOf(options: NarrowOptions, terms: NamedTerms, now: number): Narrowing {
  const { dropRight, dropCategory, dropPurpose, until, from, dataFrom, dataUntil } = options;
  const change: Narrowing = {
    rights: without('right', terms.rights, dropRight),
    categories: without('kind of records', terms.categories, dropCategory),
    purposes: without('purpose', terms.purposes ?? [], dropPurpose),
    from: from && timeOf(from, now),
    until: until && timeOf(until, now),
    dataFrom,
    dataUntil,
    anonymise: options.anonymise === true ? true : undefined,
  };
  requireChange(change);
  return change;
}

/** What is left; undefined where nothing is dropped. */
function without<T extends string>(
  what: string,
  all: readonly T[],
  dropped: readonly T[] | undefined,
): readonly T[] | undefined {
  if (dropped === undefined) return undefined;
  const unknown = dropped.filter((one) => !all.includes(one));
  if (unknown.length > 0) throw usage(`The permission has no ${what} ${listText(unknown)}.`);
  const left = all.filter((one) => !dropped.includes(one));
  if (left.length > 0) return left;
  throw new UsageError(
    `That would leave no ${what}.`,
    'To take the whole permission back: `carequorum revoke`.',
  );
}

function addExtend(permission: Command, run: Runner): void {
  const command = permission
    .command('extend')
    .summary('let a permission last longer, or cover more')
    .description(
      'Lets a permission go further: a later end, more kinds of records, more months of data, more ' +
        'purposes. You see what is released by that before you sign. A further right is a permission of ' +
        'its own: `carequorum grant`. What is over or taken back cannot be extended.',
    )
    .argument('<permission>', 'id of the permission, or its start', parseId)
    .option('--until <when>', 'later end: a date, or 180d from now', parseWhen)
    .option('--add-category <name>', 'more kinds of records', collectCategories)
    .option('--add-purpose <purpose>', 'more purposes', collectPurposes)
    .option('--data-from <month>', 'data from this earlier month on, or `all`', parseOpenMonth)
    .option('--data-until <month>', 'data up to this later month, or `all`', parseOpenMonth)
    .option('--preview', previewText);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum permission extend PERMISSION --until 180d --keystore anna.keystore',
    'carequorum permission extend PERMISSION --add-category radiation-dose --preview --keystore anna.keystore',
  ]).action((id: string, options: ExtendOptions) =>
    run(options, (context) => extended(context, id, options)),
  );
}

async function extended(
  context: CommandContext,
  wanted: string,
  options: ExtendOptions,
): Promise<CommandResult> {
  const patient = await context.patient();
  const isWatched = context.asks || options.preview === true;
  const shown = await context.look('Looking what that changes', async (signal) => {
    const known = await findPermission(patient, wanted, signal);
    const change = extensionOf(options, known.terms, context.now());
    const after = withChange(known.terms, change);
    const gained = { more: after, less: known.terms, isWatched };
    return {
      ...{ ...known, change, after },
      gained: await differenceLines(context, patient, gained),
    };
  });
  const { permission, terms, who, change, after, gained } = shown;
  const lines = [
    `${options.preview === true ? 'This would let' : 'You are about to let'} ${who} have more:`,
    ...changeText(terms, after),
    ...(gained.count === 0
      ? ['No further record of today is released by this.']
      : [`Released by this: ${plural(gained.count, 'record')} of today`, ...gained.lines]),
    ...(terms.rights.includes('read')
      ? [`and every record that it covers and that is added until ${timeText(after.until)}.`]
      : []),
  ];
  if (options.preview === true) return previewed(permission.id, change, gained, lines);
  await context.confirm(lines, `Sign this for ${who}?`);
  const result = await context.work('Asking the hospitals', () =>
    extend(patient, permission.id, change),
  );
  await context.keepReceipts([result]);
  return {
    json: { permissionId: permission.id, change, ...certifiedJson(result) },
    lines: [
      `The permission of ${who} is extended.`,
      certifiedLine(result),
      `To take it back: carequorum revoke ${permission.id}`,
    ],
  };
}

function extensionOf(options: ExtendOptions, terms: NamedTerms, now: number): Extension {
  const { until, addCategory, addPurpose, dataFrom, dataUntil } = options;
  const change: Extension = {
    categories: addCategory && [...new Set([...terms.categories, ...addCategory])],
    purposes: addPurpose && [...new Set([...(terms.purposes ?? []), ...addPurpose])],
    until: until && timeOf(until, now),
    dataFrom: dataFrom === 'all' ? null : dataFrom,
    dataUntil: dataUntil === 'all' ? null : dataUntil,
  };
  requireChange(change);
  return change;
}

function addRefresh(permission: Command, run: Runner): void {
  const command = permission
    .command('refresh')
    .summary('follow care teams whose members changed, and end what was cut off')
    .description(
      'Where somebody left a care team that you gave a permission to, that person is shut out at once. This ' +
        'gives the team, under its new key, the keys of what comes, and the one who left none of them. It is ' +
        'also done whenever you grant, narrow or revoke. Where the new key was made by somebody who joined ' +
        'after you gave the permission, nothing is given before you say so here. It also ends a change of yours ' +
        'that was cut off before everybody who may read had the new keys.',
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum permission refresh --keystore anna.keystore',
    'carequorum permission refresh --keystore anna.keystore --yes --json',
  ]).action((options: CommonOptions) => run(options, (context) => refresh(context)));
}

async function refresh(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const finished = await context.work('Looking at your keys', () => finishRenewals(patient));
  const first = await context.work('Looking at your care teams', () => keepUp(patient));
  const renewed = [...finished, ...first.renewed];
  for (const { team } of first.undecided) {
    const members = await membersOf(patient, team);
    const maker = members.find(({ subject }) => subject === team.key?.maker);
    await context.confirm(
      [
        `The care team ${team.name} (${team.hospital}) has a new key. It was made by ` +
          `${maker ? personText(maker) : 'somebody who is gone'}, who came after you gave the permission.`,
        'In the team now:',
        ...members.map((one) => `  ${personText(one)}`),
      ],
      'Give the keys of your records to this team as it is now?',
    );
    const trusted = new Set([team.id]);
    const more = await context.work('Asking the hospitals', () => keepUp(patient, trusted));
    renewed.push(...more.renewed);
  }
  await context.keepReceipts(renewed.map(({ result }) => result));
  return {
    json: { renewed: resealedJson(renewed) },
    lines:
      renewed.length === 0
        ? ['Nothing is to do: everybody who may read has the keys.']
        : resealedLines(renewed),
  };
}

function previewed(
  permissionId: string,
  change: object,
  { records }: { records: readonly { id: string }[] },
  lines: readonly string[],
): CommandResult {
  const ids = records.map(({ id }) => id);
  return {
    json: { preview: { permissionId, change, records: ids } },
    lines: [...lines, 'Nothing was signed: this was a preview.'],
  };
}

/** What changes, each as it is and as it will be. */
function changeText(before: NamedTerms, after: NamedTerms): string[] {
  const [old, next] = [termsText(before), termsText(after)];
  const lines = old.flatMap((line, at) => {
    const other = next[at] ?? '';
    return line === other ? [] : [line, `    then      ${other.slice(14)}`];
  });
  const isHidden = before.anonymise === false && after.anonymise === true;
  return [...lines, ...(isHidden ? ['  study       only anonymised from now on'] : [])];
}

function parseOpenMonth(text: string): string {
  if (text === 'all') return text;
  try {
    return parseMonth(text);
  } catch {
    throw new InvalidArgumentError('Give a month as 2026-11, or `all`.');
  }
}

/** The terms with what the change names. */
function withChange(terms: NamedTerms, change: Narrowing | Extension): NamedTerms {
  const named = Object.entries(change).filter(([, value]) => value !== undefined);
  return { ...terms, ...(Object.fromEntries(named) as Partial<NamedTerms>) };
}

function requireChange(change: object): void {
  if (Object.values(change).some((value) => value !== undefined)) return;
  throw usage('Nothing says what is to change.');
}

function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum permission narrow --help` or `extend --help`.');
}
