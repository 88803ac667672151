/** `carequorum grant`: a patient lets somebody read or write; `--list` shows what was given. */
import type { Command } from 'commander';
import type { Right } from '../../lib/chaincode/fields.ts';
import { grant, type GrantTerms } from '../../sdk/grants.ts';
import { findRecipient, type Recipient, type RecipientQuery } from '../../sdk/recipients.ts';
import { grantTemplates, templateNamed, templateTimes } from '../../sdk/templates.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { followChanges } from '../follow.ts';
import {
  collectCategories,
  collectPurposes,
  type CommonOptions,
  examples,
  keystoreOptions,
  parseRights,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { studyById } from '../../sdk/studies.ts';
import { promiseLines } from '../study-text.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import { personQuery } from '../people.ts';
import { followTeams, holdersOf, namedTerms, resealedLines } from '../permissions.ts';
import { byCategory, openedBy, recipientText, releaseLines, termLines } from '../preview.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseMonth, parseWhen, timeOf, timeText, type When } from '../times.ts';
import { type GrantablePurpose, listText, stateOf } from '../words.ts';

interface GrantOptions extends CommonOptions {
  readonly list?: boolean;
  readonly template?: string;
  readonly templates?: boolean;
  readonly preview?: boolean;
  readonly to?: string;
  readonly rights?: readonly Right[];
  readonly category?: readonly string[];
  readonly from?: When;
  readonly until?: When;
  readonly dataFrom?: string;
  readonly dataUntil?: string;
  readonly purpose?: readonly GrantablePurpose[];
  readonly study?: string;
  readonly anonymise?: boolean;
}

export function addGrant(program: Command, run: Runner): void {
  const command = program
    .command('grant')
    .summary('patients: let somebody read or write some of your records, for a time')
    .description(
      'Lets a clinician, or a care team of a hospital, read records of yours, or write new ones, for a ' +
        'time and a purpose. Before you sign you see who it is, and what is released.\n\n' +
        'read   may open your records of these categories, those of today and those added until the end\n' +
        'write  may add records; may not read what others wrote\n' +
        'share  may release records to a study (with read, --study and --anonymise or --no-anonymise)\n\n' +
        'You can take it back at any time with `carequorum revoke`. What was read by then stays known to ' +
        'the one who read it. --list shows all permissions that you ever gave.',
    )
    .option(
      '--to <whom>',
      'NPI of ten digits, full name, or a care team as team:NAME (`carequorum team list`)',
    )
    .option('--template <name>', 'terms of a template; other options change them')
    .option('--templates', 'show the templates')
    .option('--preview', 'only show what this would release; sign nothing')
    .option('--rights <list>', 'read, write, share; separated by commas', parseRights)
    .option(
      '--category <name>',
      'kinds of records; commas or the option repeated',
      collectCategories,
    )
    .option(
      '--until <when>',
      'end: 2027-01-01 (its start, UTC), or 180d, 6h, 30m from now',
      parseWhen,
    )
    .option('--from <when>', 'start (default: now)', parseWhen)
    .option('--data-from <month>', 'only data from this month on, as 2026-01', parseMonth)
    .option('--data-until <month>', 'only data up to this month', parseMonth)
    .option(
      '--purpose <purpose>',
      'what for: treatment (default), payment, operations, research, own-request',
      collectPurposes,
    )
    .option('--study <name>', 'with share: name of the study')
    .option('--anonymise', 'with share: only with what identifies you removed')
    .option('--no-anonymise', 'with share: as it is')
    .option('--list', 'show the permissions that you gave');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum grant --keystore anna.keystore --to 1000000012 --rights write --category laboratory --until 30d',
    'carequorum grant --keystore anna.keystore --to "Bruno Castellan" --rights read --category laboratory,radiation-dose --until 2027-01-01 --data-from 2026-01',
    'carequorum grant --keystore anna.keystore --template radiation-oncology-team --to "team:Radiation oncology" --preview',
    'carequorum grant --keystore anna.keystore --list',
  ]).action((options: GrantOptions) =>
    run(options, async (context) => {
      if (options.templates === true) return templates();
      return options.list === true ? list(context) : give(context, options);
    }),
  );
}

async function give(context: CommandContext, options: GrantOptions): Promise<CommandResult> {
  const now = context.now();
  const terms = termsOf(options, now);
  const patient = await context.patient();
  await followChanges(context, patient);
  const recipient = await context.look('Looking for who that is', () =>
    findRecipient(patient, terms.to),
  );
  const study =
    terms.study === undefined
      ? null
      : await context.look('Looking at the study', () => studyById(patient, terms.study ?? ''));
  const isWatched = context.asks || options.preview === true;
  const opened = await context.look('Looking what would be released', async () => {
    const records = openedBy(patient, await patient.records(), terms);
    return byCategory(context, patient, records, isWatched);
  });
  const lines = [
    options.preview === true ? 'This would let' : 'You are about to let',
    ...(await termLines(patient, recipient, terms, now)),
    ...(study === null ? [] : promiseLines(study)),
    ...releaseLines(terms, opened),
  ];
  if (options.preview === true) {
    return {
      json: { preview: { to: namedJson(recipient), ...plainTerms(terms), released: opened } },
      lines: [...lines, 'Nothing was signed: this was a preview.'],
    };
  }
  await context.confirm(lines, `Sign this and give the permission to ${recipient.name}?`);
  const to = recipient.kind === 'team' ? { team: recipient.id } : exactly(terms.to, recipient.id);
  const given = await context.work('Asking the hospitals', () => grant(patient, { ...terms, to }));
  await context.keepReceipts([given.result]);
  const followed = await followTeams(context, patient);
  const { permissionId, grantee, result } = given;
  return {
    json: {
      permissionId,
      to: namedJson(grantee),
      ...plainTerms(terms),
      ...certifiedJson(result),
    },
    lines: [
      `${recipientText(grantee)} may ${listText(terms.rights)} ${listText(terms.categories)} until ${timeText(terms.until)}.`,
      `Permission: ${permissionId}`,
      certifiedLine(result),
      `To take it back: carequorum revoke ${permissionId}`,
      ...resealedLines(followed),
      ...guardianLines(patient),
    ],
  };
}

/** What a recovery brings back is what it knew of when the guardians were named. */
function guardianLines({ data: { guardians, categories } }: Patient): string[] {
  const isKnown =
    guardians === undefined || categories.every((one) => guardians.categories.includes(one));
  return isKnown
    ? []
    : ['Your guardians’ recovery does not know a new category: carequorum guardians set'];
}

/** The same person that was shown, should the directory change its mind. */
function exactly(to: RecipientQuery, subject: string): RecipientQuery {
  return 'team' in to ? to : { ...to, subject };
}

function namedJson({ name, role, hospital, id }: Recipient): object {
  return { name, role, hospital, id };
}

function plainTerms({ rights, categories, until }: GrantTerms): object {
  return { rights, categories, until };
}

/** Options, and the template's terms where an option says nothing. */
function termsOf(options: GrantOptions, now: number): GrantTerms {
  const template = options.template === undefined ? null : templateNamed(options.template);
  if (options.template !== undefined && !template) {
    throw usage(`There is no template ${options.template}: see \`carequorum grant --templates\`.`);
  }
  const times = template ? templateTimes(template, now) : null;
  const rights = options.rights ?? template?.rights;
  const categories = options.category ?? template?.categories;
  const { to, study, from } = options;
  const until = options.until === undefined ? times?.until : timeOf(options.until, now);
  const lacking = [
    ...(to === undefined ? ['--to'] : []),
    ...(rights === undefined ? ['--rights'] : []),
    ...(categories === undefined ? ['--category'] : []),
    ...(until === undefined ? ['--until'] : []),
  ];
  if (!to || !rights || !categories || until === undefined) {
    throw usage(`${listText(lacking)} ${lacking.length === 1 ? 'is' : 'are'} missing.`);
  }
  const start = from === undefined ? undefined : timeOf(from, now);
  const isShare = rights.includes('share');
  const anonymise = options.anonymise ?? (isShare ? template?.anonymise : undefined);
  const terms = {
    ...{ to: recipientQuery(to), rights, categories, until },
    ...(start === undefined ? {} : { from: start }),
    dataFrom: options.dataFrom ?? times?.dataFrom,
    dataUntil: options.dataUntil,
    purposes: options.purpose ?? template?.purposes ?? (['TREAT'] as const),
    ...(isShare || study !== undefined || anonymise !== undefined ? { study, anonymise } : {}),
  };
  requireSound(terms, now);
  return terms;
}

function requireSound(terms: GrantTerms, now: number): void {
  const { rights, study, anonymise, from, until, dataFrom, dataUntil } = terms;
  const isShare = rights.includes('share');
  if (isShare !== (study !== undefined) || isShare !== (anonymise !== undefined)) {
    throw usage('The right share, and it alone, goes with --study and --anonymise.');
  }
  if (isShare && !rights.includes('read')) throw usage('The right share goes with read.');
  if (until <= Math.max(now, from ?? 0)) throw usage('The permission would end before it starts.');
  if (dataFrom !== undefined && dataUntil !== undefined && dataFrom > dataUntil) {
    throw usage('--data-from is after --data-until.');
  }
}

/** `team:NAME`, an NPI or a full name. */
export function recipientQuery(to: string): RecipientQuery {
  const team = /^team:\s*(.+)$/i.exec(to)?.[1];
  if (team !== undefined) return { team };
  return personQuery(to);
}

function templates(): CommandResult {
  const rows = grantTemplates.map((one) => [
    one.name,
    one.title,
    one.rights.join(', '),
    one.categories.join(', '),
  ]);
  return {
    json: { templates: grantTemplates },
    lines: [
      ...table(['template', 'in words', 'may', 'categories'], rows),
      '',
      'Use one: carequorum grant --template NAME --to WHOM. Other options change its terms.',
    ],
  };
}

async function list(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const now = context.now();
  const { permissions, holders } = await context.look('Asking the hospitals', async (signal) => {
    const all = await patient.permissions({ signal });
    return { permissions: all, holders: await holdersOf(patient, all) };
  });
  const rows = permissions.map((one) => [
    one.id,
    stateOf(one, now),
    holders.get(one.grantee) ?? shortId(one.grantee),
    one.rights.join(', '),
    namedTerms(patient, one).categories.join(', '),
    timeText(one.until),
  ]);
  return {
    json: {
      permissions: permissions.map((one) => ({
        ...one,
        state: stateOf(one, now),
        name: holders.get(one.grantee) ?? null,
        categoryNames: namedTerms(patient, one).categories,
      })),
    },
    lines:
      rows.length === 0
        ? ['You gave no permission yet.']
        : [
            ...table(['permission', 'state', 'who', 'may', 'categories', 'until'], rows),
            '',
            'One of them in full: carequorum permission show PERMISSION',
          ],
  };
}

function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum grant --help`.');
}
