/** The other side of `carequorum representative`: acting for a patient, with `--for`. */
import type { Command } from 'commander';
import type { Right } from '../../lib/chaincode/fields.ts';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import type { Delegate } from '../../sdk/delegate.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { DisputeReason } from '../../sdk/patient.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { writeTextFile } from '../../sdk/platform/node.ts';
import { Representative } from '../../sdk/representative.ts';
import { representativeCardCode } from '../../sdk/representative-card.ts';
import { appointmentLines } from '../appointments.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  collectCategories,
  collectPurposes,
  type CommonOptions,
  disputeReasonOption,
  examples,
  keystoreOptions,
  parseId,
  parseLimit,
  parseRights,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, shortId, table } from '../output.ts';
import { byId } from '../people.ts';
import { recipientText } from '../preview.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseMonth, parseWhen, timeOf, timeText, type When } from '../times.ts';
import { decisionText, deedText, type GrantablePurpose, listText, stateOf } from '../words.ts';
import { recipientQuery } from './grant.ts';
import { placeOf, readTo, sinkPath } from './read.ts';

interface ForOptions extends CommonOptions {
  readonly for?: string;
}
interface CardOptions extends ForOptions {
  readonly name?: string;
  readonly out: string;
}
interface ReadOptions extends ForOptions {
  readonly out?: string;
}
interface GiveOptions extends ForOptions {
  readonly to?: string;
  readonly rights?: readonly Right[];
  readonly category?: readonly string[];
  readonly until?: When;
  readonly dataFrom?: string;
  readonly dataUntil?: string;
  readonly purpose?: readonly GrantablePurpose[];
}
interface HistoryOptions extends ForOptions {
  readonly limit?: number;
}
interface DisputeOptions extends ForOptions {
  readonly reason: DisputeReason;
}

export function addActing(parent: Command, run: Runner): void {
  addCard(parent, run);
  addMine(parent, run);
  addRecords(parent, run);
  addRead(parent, run);
  addGive(parent, run);
  addRevoke(parent, run);
  addReviews(parent, run);
  addHistory(parent, run);
}

function forOption(command: Command): Command {
  return keystoreOptions(
    command.option('--for <patient>', 'for whom you act, as you named the patient on your card'),
  );
}

async function representative(context: CommandContext): Promise<Representative> {
  return new Representative(await context.session(), await context.keystore(), context.files);
}

async function acting(context: CommandContext, { for: label }: ForOptions): Promise<Delegate> {
  if (label === undefined) {
    throw new UsageError('Nothing says for whom you act.', 'Give --for PATIENT.');
  }
  const person = await representative(context);
  return context.look('Asking the hospitals', () => person.actFor(label));
}

function addCard(parent: Command, run: Runner): void {
  const command = parent
    .command('card')
    .summary('representatives: make the card that the patient needs of you')
    .description(
      'Makes keys for this one patient in your keystore, and writes a card with their public half and your name. ' +
        'Give it to the patient, who compares its number with you by telephone. --for is what you call the patient; ' +
        'it stays in your keystore.',
    )
    .option('--name <name>', 'your name as the patient knows you')
    .requiredOption('--out <file>', 'where the card is written');
  examples(forOption(command), [
    'carequorum representative card --for "Mother" --name "Rosa Muster" --out rosa.card.json --keystore rosa.keystore',
    'carequorum representative card --for "Uncle Ben" --name "Rosa Muster" --out for-ben.card.json --keystore rosa.keystore --json',
  ]).action((options: CardOptions) => run(options, (context) => card(context, options)));
}

async function card(context: CommandContext, options: CardOptions): Promise<CommandResult> {
  const { for: label, name, out } = options;
  if (label === undefined || name === undefined) {
    throw new UsageError(
      'Nothing says for whom the card is, or what the patient calls you.',
      'Give --for and --name.',
    );
  }
  const made = await (await representative(context)).card(label, name);
  await writeTextFile(out, `${JSON.stringify(made, null, 2)}\n`);
  const code = representativeCardCode(made);
  return {
    json: { card: out, for: label, name, code },
    lines: [
      `Your card is in ${out}. Send it to the patient.`,
      `Its number is ${code}: the patient will ask you for it by telephone.`,
    ],
  };
}

function addMine(parent: Command, run: Runner): void {
  const command = parent
    .command('mine')
    .summary('representatives: see for whom you act, and what you may do')
    .description(
      'Shows the patients for whom you made a card, whether they let you act, what you may do for each of them and ' +
        'until when. With --for only that patient.',
    );
  examples(forOption(command), [
    'carequorum representative mine --keystore rosa.keystore',
    'carequorum representative mine --for "Mother" --keystore rosa.keystore --json',
  ]).action((options: ForOptions) => run(options, (context) => mine(context, options)));
}

async function mine(context: CommandContext, options: ForOptions): Promise<CommandResult> {
  const person = await representative(context);
  const all = person.data.clients.map((one) => one.label);
  const labels = options.for === undefined ? all : [options.for];
  const patients: object[] = [];
  const lines: string[] = [];
  for (const label of labels) {
    try {
      const found = await context.look('Asking the hospitals', () => person.actFor(label));
      const { permission, powers } = found;
      const categories = [...found.categoryNames().values()];
      const { from, until } = permission;
      patients.push({ for: label, rights: powers, categories, from, until });
      const known = { powers, categories, now: context.now() };
      lines.push(`${label}:`, ...appointmentLines(permission, known));
    } catch (error) {
      if (!(error instanceof SdkError) || options.for !== undefined) throw error;
      patients.push({ for: label, rights: [], reason: error.message });
      lines.push(`${label}: you may not act. ${error.message}`);
    }
  }
  return { json: { patients }, lines: lines.length > 0 ? lines : ['You have made no card yet.'] };
}

function addRecords(parent: Command, run: Runner): void {
  const command = parent
    .command('records')
    .summary('representatives: see the records that you may read')
    .description(
      'Lists the records of the patient that your appointment covers, with their names. The patient sees that you ' +
        'asked for them.',
    );
  examples(forOption(command), [
    'carequorum representative records --for "Mother" --keystore rosa.keystore',
    'carequorum representative records --for "Mother" --keystore rosa.keystore --json',
  ]).action((options: ForOptions) => run(options, (context) => records(context, options)));
}

async function records(context: CommandContext, options: ForOptions): Promise<CommandResult> {
  const delegate = await acting(context, options);
  const isReader = delegate.powers.includes('read');
  const listed = await context.look('Asking the hospitals', async () =>
    isReader
      ? (await delegate.list()).listed
      : (await delegate.records()).map((record) => ({ record, metadata: null })),
  );
  const names = delegate.categoryNames();
  const rows = listed.map(({ record, metadata }) => [
    record.id,
    names.get(record.categoryTag) ?? '',
    record.dataMonth,
    metadata?.path ?? '',
    record.review,
  ]);
  return {
    json: {
      records: listed.map(({ record, metadata }) => ({
        ...{ recordId: record.id, category: names.get(record.categoryTag) ?? null },
        ...{ dataMonth: record.dataMonth, name: metadata?.path ?? null, review: record.review },
      })),
    },
    lines: [
      ...table(['record', 'category', 'month', 'name', 'state'], rows),
      plural(rows.length, 'record'),
    ],
  };
}

function addRead(parent: Command, run: Runner): void {
  const command = parent
    .command('read')
    .summary('representatives: read a record for the patient')
    .description(
      'Asks for access to a record, decrypts it on this machine and writes it to a file. The patient sees that it ' +
        'was you who read it.',
    )
    .argument('<record>', 'id of the record, or its start', parseId)
    .option('--out <path>', 'file or folder (default: this folder)');
  examples(receiptsOption(forOption(command)), [
    'carequorum representative read RECORD --for "Mother" --keystore rosa.keystore',
    'carequorum representative read RECORD --for "Mother" --out letters/ --keystore rosa.keystore',
  ]).action((id: string, options: ReadOptions) =>
    run(options, (context) => read(context, id, options)),
  );
}

async function read(
  context: CommandContext,
  id: string,
  options: ReadOptions,
): Promise<CommandResult> {
  const delegate = await acting(context, options);
  const record = await recordOf(context, delegate, id);
  const place = await placeOf(options.out);
  const done = await readTo(context, delegate.reader(), record, (path) =>
    sinkPath(place, path, record.id),
  );
  await context.keepReceipts([done.access]);
  return {
    json: { recordId: record.id, out: done.path, ...certifiedJson(done.access) },
    lines: [`Written: ${done.path}`, certifiedLine(done.access)],
  };
}

function addGive(parent: Command, run: Runner): void {
  const command = parent
    .command('grant')
    .summary('representatives: let somebody read or write for the patient')
    .description(
      'Lets a clinician or a care team read or write records of the patient, within what you were appointed for: its ' +
        'kinds of records, its months, its time. It ends when your appointment ends. The patient is told.',
    )
    .option('--to <whom>', 'NPI of ten digits, full name, or a care team as team:NAME')
    .option('--rights <list>', 'read, write; separated by commas', parseRights)
    .option('--category <name>', 'kinds of records; commas or repeated', collectCategories)
    .option('--until <when>', 'end: 2027-01-01 (its start, UTC), or 30d from now', parseWhen)
    .option('--data-from <month>', 'only data from this month on, as 2026-01', parseMonth)
    .option('--data-until <month>', 'only data up to this month', parseMonth)
    .option('--purpose <purpose>', 'what for: treatment (default), …', collectPurposes);
  examples(yesOption(receiptsOption(forOption(command))), [
    'carequorum representative grant --for "Mother" --to 1000000012 --rights read --category laboratory --until 30d --keystore rosa.keystore',
    'carequorum representative grant --for "Mother" --to "Bruno Castellan" --rights read,write --category laboratory --until 6h --keystore rosa.keystore --yes',
  ]).action((options: GiveOptions) => run(options, (context) => give(context, options)));
}

async function give(context: CommandContext, options: GiveOptions): Promise<CommandResult> {
  const { to, rights, category: categories, until, dataFrom, dataUntil } = options;
  if (!to || !rights || !categories || until === undefined) {
    throw new UsageError(
      'Of --to, --rights, --category and --until something is missing.',
      'See `carequorum representative grant --help`.',
    );
  }
  const delegate = await acting(context, options);
  const end = timeOf(until, context.now());
  await context.confirm(
    [
      `For ${options.for}: let ${to} ${listText(rights)} ${listText(categories)} until ${timeText(end)}.`,
    ],
    'Sign this for the patient?',
  );
  const terms = { to: recipientQuery(to), rights, categories, until: end, dataFrom, dataUntil };
  const done = await context.work('Asking the hospitals', () =>
    delegate.grant({ ...terms, purposes: options.purpose }),
  );
  await context.keepReceipts([done.result]);
  return {
    json: { permissionId: done.permissionId, ...certifiedJson(done.result) },
    lines: [
      `${recipientText(done.grantee)} may ${listText(rights)} ${listText(categories)} until ${timeText(end)}.`,
      `Permission: ${done.permissionId}`,
      certifiedLine(done.result),
    ],
  };
}

function addRevoke(parent: Command, run: Runner): void {
  const command = parent
    .command('revoke')
    .summary('representatives: end a permission for the patient')
    .description(
      'Ends a permission of the patient that lies within your appointment, at once. The patient’s next login renews ' +
        'the keys. Without an id it shows the permissions that you may see.',
    )
    .argument('[permission]', 'id of the permission, or its start', parseId);
  examples(yesOption(receiptsOption(forOption(command))), [
    'carequorum representative revoke --for "Mother" --keystore rosa.keystore',
    'carequorum representative revoke PERMISSION --for "Mother" --keystore rosa.keystore',
  ]).action((id: string | undefined, options: ForOptions) =>
    run(options, (context) => revoke(context, id, options)),
  );
}

async function revoke(
  context: CommandContext,
  id: string | undefined,
  options: ForOptions,
): Promise<CommandResult> {
  const delegate = await acting(context, options);
  const all = await context.look('Asking the hospitals', () => delegate.permissions());
  if (id === undefined) {
    const now = context.now();
    const rows = all.map((one) => [one.id, stateOf(one, now), one.rights.join(', ')]);
    const json = { permissions: all.map((one) => ({ ...one, state: stateOf(one, now) })) };
    return { json, lines: table(['permission', 'state', 'may'], rows) };
  }
  const listedBy = 'carequorum representative revoke --for PATIENT';
  const { id: permissionId } = byId(all, id, { what: 'permission', listedBy });
  await context.confirm([`For ${options.for}: end permission ${permissionId}.`], 'End it now?');
  const result = await context.work('Asking the hospitals', () => delegate.revoke(permissionId));
  await context.keepReceipts([result]);
  return {
    json: { permissionId, ...certifiedJson(result) },
    lines: ['The permission has ended.', certifiedLine(result)],
  };
}

function addReviews(parent: Command, run: Runner): void {
  const confirm = parent
    .command('countersign')
    .summary('representatives: confirm a record for the patient')
    .description(
      'Confirms, for the patient, that a record is right: its digest is named and certified. The patient sees that ' +
        'it was you, and can still dispute it.',
    )
    .argument('<record>', 'id of the record, or its start', parseId);
  examples(receiptsOption(forOption(confirm)), [
    'carequorum representative countersign RECORD --for "Mother" --keystore rosa.keystore',
    'carequorum representative countersign RECORD --for "Mother" --keystore rosa.keystore --json',
  ]).action((id: string, options: ForOptions) =>
    run(options, (context) =>
      review(context, id, options, (delegate, record) => delegate.countersign(record)),
    ),
  );
  const dispute = parent
    .command('dispute')
    .summary('representatives: dispute a record for the patient')
    .description(
      'Says, for the patient, that a record is wrong, with a reason. It stays readable and is shown as disputed; who ' +
        'wrote it is told.',
    )
    .argument('<record>', 'id of the record, or its start', parseId)
    .addOption(disputeReasonOption());
  examples(receiptsOption(forOption(dispute)), [
    'carequorum representative dispute RECORD --reason wrong-content --for "Mother" --keystore rosa.keystore',
    'carequorum representative dispute RECORD --reason wrong-patient --for "Mother" --keystore rosa.keystore',
  ]).action((id: string, options: DisputeOptions) =>
    run(options, (context) =>
      review(context, id, options, (delegate, record) =>
        delegate.dispute(record.id, options.reason),
      ),
    ),
  );
}

async function review(
  context: CommandContext,
  id: string,
  options: ForOptions,
  work: (delegate: Delegate, record: MedicalRecord) => Promise<CertifiedResult>,
): Promise<CommandResult> {
  const delegate = await acting(context, options);
  const record = await recordOf(context, delegate, id);
  const result = await context.work('Asking the hospitals', () => work(delegate, record));
  await context.keepReceipts([result]);
  return {
    json: { recordId: record.id, ...certifiedJson(result) },
    lines: [`Done for record ${shortId(record.id)}.`, certifiedLine(result)],
  };
}

function addHistory(parent: Command, run: Runner): void {
  const command = parent
    .command('history')
    .summary('representatives: see what was done with the patient’s data')
    .description(
      'Shows all that was done or tried with the data of the patient: what, when, by whom, and whether it was allowed. ' +
        'The list is proven to be complete. Newest last.',
    )
    .option('--limit <count>', 'the newest entries only', parseLimit);
  examples(forOption(command), [
    'carequorum representative history --for "Mother" --keystore rosa.keystore',
    'carequorum representative history --for "Mother" --limit 20 --keystore rosa.keystore',
  ]).action((options: HistoryOptions) => run(options, (context) => history(context, options)));
}

async function history(context: CommandContext, options: HistoryOptions): Promise<CommandResult> {
  const delegate = await acting(context, options);
  const all = await context.look('Asking the hospitals', (signal) => delegate.history({ signal }));
  const entries = options.limit === undefined ? all : all.slice(-options.limit);
  const names = delegate.categoryNames();
  const rows = entries.map((one) => [
    timeText(one.time),
    one.actor.hospital === null ? one.actor.role : `${one.actor.role}, ${one.actor.hospital}`,
    deedText(one.fn),
    decisionText(one),
    one.categories.map((tag) => names.get(tag) ?? 'another kind').join(', '),
    String(one.height),
  ]);
  return {
    json: { count: all.length, entries },
    lines: table(['when', 'who', 'did', 'decision', 'categories', 'block'], rows),
  };
}

async function recordOf(
  context: CommandContext,
  delegate: Delegate,
  id: string,
): Promise<MedicalRecord> {
  const all = await context.look('Asking the hospitals', () => delegate.records());
  return byId(all, id, {
    what: 'record that you act for',
    listedBy: 'carequorum representative records --for PATIENT',
  });
}
