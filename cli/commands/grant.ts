/** `carequorum grant`: a patient lets somebody read or write; `--list` shows what was given. */
import type { Command } from 'commander';
import type { Permission } from '../../lib/chaincode/values.ts';
import type { Right } from '../../lib/chaincode/fields.ts';
import { findGrantee, type LedgerIdentity } from '../../sdk/directory.ts';
import { grant, type GrantTerms } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { openListed } from '../../sdk/read.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
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
import { type CommandResult, plural, shortId, table } from '../output.ts';
import { coveredBy, identitiesOf, patientReader, personText } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseMonth, parseWhen, timeOf, timeText, type When } from '../times.ts';
import { type GrantablePurpose, listText, purposeWord, stateOf } from '../words.ts';

interface GrantOptions extends CommonOptions {
  readonly list?: boolean;
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

/** Records that are named one by one before you sign. */
const SHOWN_RECORDS_MAX = 20;

export function addGrant(program: Command, run: Runner): void {
  const command = program
    .command('grant')
    .summary('patients: let somebody read or write some of your records, for a time')
    .description(
      'Lets a clinician read records of yours, or write new ones, for a time and a purpose. Before you ' +
        'sign you see who it is, and what is released.\n\n' +
        'read   may open your records of these categories, those of today and those added until the end\n' +
        'write  may add records; may not read what others wrote\n' +
        'share  may release records to a study (with read, --study and --anonymise or --no-anonymise)\n\n' +
        'You can take it back at any time with `carequorum revoke`. What was read by then stays known to ' +
        'the one who read it. --list shows all permissions that you ever gave.',
    )
    .option('--to <npi|name>', 'whom: NPI of ten digits, or the full name')
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
    'carequorum grant --keystore anna.keystore --list',
  ]).action((options: GrantOptions) =>
    run(options, (context) => (options.list === true ? list(context) : give(context, options))),
  );
}

async function give(context: CommandContext, options: GrantOptions): Promise<CommandResult> {
  const terms = termsOf(options, context.now());
  const patient = await context.patient();
  const { identity } = await context.look('Looking for that person', () =>
    findGrantee(patient.session, patient.signer, terms.to),
  );
  const released = await context.look('Looking what would be released', () =>
    releasedLines(context, patient, terms),
  );
  const question = `Sign this and give the permission to ${identity.name}?`;
  await context.confirm([...explain(identity, terms, context.now()), ...released], question);
  const to = { ...terms.to, subject: identity.subject };
  const given = await context.work('Asking the hospitals', () => grant(patient, { ...terms, to }));
  await context.keepReceipts([given.result]);
  const { permissionId, grantee, result } = given;
  return {
    json: {
      permissionId,
      to: { name: grantee.name, role: grantee.role, hospital: grantee.hospital },
      rights: terms.rights,
      categories: terms.categories,
      until: terms.until,
      ...certifiedJson(result),
    },
    lines: [
      `${personText(grantee)} may ${listText(terms.rights)} ${listText(terms.categories)} until ${timeText(terms.until)}.`,
      `Permission: ${permissionId}`,
      certifiedLine(result),
      `To take it back: carequorum revoke ${permissionId}`,
    ],
  };
}

function termsOf(options: GrantOptions, now: number): GrantTerms {
  const { to, rights, category, until, from, study, anonymise } = options;
  const lacking = [
    ...(to === undefined ? ['--to'] : []),
    ...(rights === undefined ? ['--rights'] : []),
    ...(category === undefined ? ['--category'] : []),
    ...(until === undefined ? ['--until'] : []),
  ];
  if (!to || !rights || !category || !until) {
    throw usage(`${listText(lacking)} ${lacking.length === 1 ? 'is' : 'are'} missing.`);
  }
  const isShare = rights.includes('share');
  if (isShare !== (study !== undefined) || isShare !== (anonymise !== undefined)) {
    throw usage('The right share, and it alone, goes with --study and --anonymise.');
  }
  if (isShare && !rights.includes('read')) throw usage('The right share goes with read.');
  const start = from === undefined ? undefined : timeOf(from, now);
  const end = timeOf(until, now);
  if (end <= Math.max(now, start ?? 0)) throw usage('The permission would end before it starts.');
  const { dataFrom, dataUntil } = options;
  if (dataFrom !== undefined && dataUntil !== undefined && dataFrom > dataUntil) {
    throw usage('--data-from is after --data-until.');
  }
  return {
    to: /^\d{10}$/.test(to) ? { npi: to } : { name: to },
    rights,
    categories: category,
    until: end,
    ...(start === undefined ? {} : { from: start }),
    ...(dataFrom === undefined ? {} : { dataFrom }),
    ...(dataUntil === undefined ? {} : { dataUntil }),
    purposes: options.purpose ?? ['TREAT'],
    ...(isShare ? { study, anonymise } : {}),
  };
}

function explain(identity: LedgerIdentity, terms: GrantTerms, now: number): string[] {
  const start = terms.from === undefined || terms.from <= now ? 'now' : timeText(terms.from);
  const purposes = (terms.purposes ?? []).map(purposeWord);
  const months =
    terms.dataFrom === undefined && terms.dataUntil === undefined
      ? 'of all times'
      : `of ${terms.dataFrom ?? 'the beginning'} to ${terms.dataUntil ?? 'the end'}`;
  return [
    'You are about to let',
    `  who         ${personText(identity)}`,
    `  do what     ${listText(terms.rights)}`,
    `  with        ${listText(terms.categories)}, ${months}`,
    `  when        from ${start} until ${timeText(terms.until)}`,
    `  what for    ${listText(purposes)}`,
    '  and learn   your name and pseudonym',
    ...(terms.study === undefined
      ? []
      : [
          `  study       ${terms.study}, ${terms.anonymise === true ? 'anonymised' : 'not anonymised'}`,
        ]),
  ];
}

/** What the grantee gets to see once this is signed. */
async function releasedLines(
  context: CommandContext,
  patient: Patient,
  terms: GrantTerms,
): Promise<string[]> {
  const writes = terms.rights.includes('write') ? ['May add records to these categories.'] : [];
  if (!terms.rights.includes('read')) return [...writes, 'Nothing is released: no right to read.'];
  const tags = new Set(terms.categories.map((name) => patient.tag(name)));
  const records = coveredBy(await patient.records(), { tags, ...terms });
  const later = 'and every record that is added to them until the permission ends.';
  if (records.length === 0) return [...writes, `Released: nothing of today, ${later}`];
  const names = patient.categoryNames();
  const shown = records.slice(0, SHOWN_RECORDS_MAX);
  const lines = [`Released: ${plural(records.length, 'record')} of today`];
  // Names are asked for where a person is about to decide; that is an entry of the history too.
  const { listed } = context.asks
    ? await openListed(patientReader(patient, context.files), patient.pseudonym, shown)
    : { listed: shown.map((record) => ({ record, metadata: null })) };
  for (const { record, metadata } of listed) {
    const what = names.get(record.categoryTag) ?? '';
    lines.push(`  ${record.dataMonth}  ${what}  ${metadata?.path ?? shortId(record.id)}`);
  }
  if (records.length > shown.length) lines.push(`  … and ${records.length - shown.length} more`);
  return [...writes, ...lines, later];
}

async function list(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const now = context.now();
  const { permissions, people } = await context.look('Asking the hospitals', async (signal) => {
    const all = await patient.permissions({ signal });
    const subjects = all.map((one) => one.grantee);
    return {
      permissions: all,
      people: await identitiesOf(patient.session, patient.signer, subjects),
    };
  });
  const names = patient.categoryNames();
  const categoriesOf = (one: Permission): string[] =>
    one.categories.map((tag) => names.get(tag) ?? shortId(tag));
  const rows = permissions.map((one) => {
    const person = people.get(one.grantee);
    return [
      one.id,
      stateOf(one, now),
      person ? personText(person) : shortId(one.grantee),
      one.rights.join(', '),
      categoriesOf(one).join(', '),
      timeText(one.until),
    ];
  });
  return {
    json: {
      permissions: permissions.map((one) => ({
        ...one,
        state: stateOf(one, now),
        name: people.get(one.grantee)?.name ?? null,
        categoryNames: categoriesOf(one),
      })),
    },
    lines:
      rows.length === 0
        ? ['You gave no permission yet.']
        : table(['permission', 'state', 'who', 'may', 'categories', 'until'], rows),
  };
}

function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum grant --help`.');
}
