/** `carequorum case list`, `show`, `read`, `export`: what members see of it. */
import type { Command } from 'commander';
import { caseList, listCases, listConsents, showCase } from '../../sdk/case-data.ts';
import { exportCase } from '../../sdk/case-export.ts';
import { openCase } from '../../sdk/case-reading.ts';
import { SdkError } from '../../sdk/errors.ts';
import { fileExists, writeTextFile } from '../../sdk/platform/node.ts';
import { caseIdOf, casePerson, contentLines, namesOf } from '../cases.ts';
import type { CommandContext } from '../context.ts';
import { type CommonOptions, examples, keystoreOptions, receiptsOption } from '../options.ts';
import { type CommandResult, plural, ProgressBar, table } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { caseArgument, key } from './case-deed.ts';

export function addLooks(parent: Command, run: Runner): void {
  const list = parent
    .command('list')
    .summary('your cases, and consents to open one')
    .description(
      'Shows the cases that you are in or were told of, and consents that wait to be used.',
    );
  examples(keystoreOptions(list), [
    `carequorum case list ${key}`,
    'carequorum case list --keystore anna.keystore --json',
  ]).action((options: CommonOptions) => run(options, listAll));
  const show = parent
    .command('show')
    .summary('who is in a case, and what became of it')
    .description(
      'Shows members, who is in charge, the rule, and everything that was done beside notes.',
    )
    .argument(...caseArgument);
  examples(keystoreOptions(show), [
    `carequorum case show CASE ${key}`,
    'carequorum case show CASE --keystore anna.keystore --json',
  ]).action((wanted: string, options: CommonOptions) =>
    run(options, (context) => showOne(context, wanted)),
  );
  const read = parent
    .command('read')
    .summary('read the notes of a case; the case records that you did')
    .description(
      'Shows every note, opinion and question that you may read, oldest first. The case records who reads, and when.',
    )
    .argument(...caseArgument);
  examples(receiptsOption(keystoreOptions(read)), [
    `carequorum case read CASE ${key}`,
    'carequorum case read CASE --keystore anna.keystore --json',
  ]).action((wanted: string, options: CommonOptions) =>
    run(options, (context) => readOne(context, wanted)),
  );
  const save = parent
    .command('export')
    .summary('save a closed case with all that proves it offline')
    .description(
      'Writes the whole case into one private file: notes, votes and changes with their receipts, and the chain to ' +
        'the anchor. Anybody to whom you give it reads the case, and can check it with `carequorum verify` offline.',
    )
    .argument(...caseArgument)
    .requiredOption('--out <file>', 'where it is written; readable by you alone');
  examples(keystoreOptions(save), [
    'carequorum case export CASE --out stay.json --keystore anna.keystore',
    'carequorum verify stay.json --genesis network.json',
  ]).action((wanted: string, options: CommonOptions & { out: string }) =>
    run(options, (context) => saveOne(context, wanted, options.out)),
  );
}

async function listAll(context: CommandContext): Promise<CommandResult> {
  const person = await casePerson(context);
  const found = await context.look('Asking the hospitals', async () => ({
    cases: await listCases(person),
    consents: await listConsents(person).catch((error: unknown) => {
      // Nurses and pharmacists are given none.
      if (error instanceof SdkError && error.code === 'refused') return [];
      throw error;
    }),
  }));
  const waiting = found.consents.filter(({ isLive }) => isLive);
  const rows = found.cases.map(({ id, hospital, opened, closed }) => [
    ...[id.slice(0, 12), hospital, timeText(opened.time)],
    closed === null ? 'open' : `closed ${timeText(closed.time)}`,
  ]);
  return {
    json: found,
    lines: [
      ...(rows.length === 0
        ? ['There is no case yet.']
        : table(['case', 'hospital', 'opened', 'state'], rows)),
      ...waiting.map(({ id, until }) => `Consent ${id} to open a case, until ${timeText(until)}.`),
    ],
  };
}

async function showOne(context: CommandContext, wanted: string): Promise<CommandResult> {
  const person = await casePerson(context);
  return context.look('Asking the hospitals', async () => {
    const caseId = await caseIdOf(person, wanted);
    const view = await showCase(person, caseId);
    const log = await caseList(person, caseId, 'case.log');
    const people = [...view.members.map(({ who }) => who), ...log.flatMap((one) => one.members)];
    const names = await namesOf(person, [...people, ...log.map(({ who }) => who)]);
    const { rule } = view;
    return {
      json: { case: view, log },
      lines: [
        `Case ${caseId} (${view.hospital}), opened ${timeText(view.opened.time)}`,
        `In charge: ${names(view.attending)}`,
        `Rule: ${rule.voters} vote, ${rule.quorumPercent} % of them must, majority ${rule.majority}, ` +
          `${rule.votingMs / 3_600_000} h; otherwise ${rule.otherwise}`,
        view.discharged === null ? `Key ${view.generation}` : 'The patient was discharged.',
        'In it now:',
        ...view.members.map(({ who, isActive, from }) => {
          const standing = isActive ? '' : ', identity ENDED: make a new key';
          return `  ${names(who)}, reads from key ${from}${standing}`;
        }),
        'What was done:',
        ...log.map(({ time, fn, who, members }) => {
          const about = members.length === 0 ? '' : `: ${members.map(names).join('; ')}`;
          return `  ${timeText(time)}  ${names(who)}  ${fn.slice('case.'.length)}${about}`;
        }),
      ],
    };
  });
}

async function readOne(context: CommandContext, wanted: string): Promise<CommandResult> {
  const person = await casePerson(context);
  const caseId = await caseIdOf(person, wanted);
  const contents = await context.work('Reading the case', () => openCase(person, caseId));
  await context.keepReceipts([contents.access]);
  const { notes, questions, access } = contents;
  const authors = [
    ...notes.map(({ author }) => author),
    ...questions.flatMap(({ opener, votes }) => [opener, ...votes.map(({ who }) => who)]),
  ];
  const names = await namesOf(person, authors);
  return {
    json: { caseId, notes, questions, ...certifiedJson(access) },
    lines: [...contentLines(contents, names), certifiedLine(access)],
  };
}

async function saveOne(
  context: CommandContext,
  wanted: string,
  out: string,
): Promise<CommandResult> {
  if (await fileExists(out)) {
    throw new SdkError('bad_input', `${out} is there already.`, {
      nextStep: 'Give another --out: nothing is overwritten.',
    });
  }
  const person = await casePerson(context);
  const caseId = await caseIdOf(person, wanted);
  const bar = new ProgressBar(context.environment, 'receipts');
  const file = await exportCase(person, caseId, (done, of) => bar.update(done, of)).finally(() =>
    bar.clear(),
  );
  await writeTextFile(out, `${JSON.stringify(file)}\n`, { isPrivate: true, overwrite: false });
  const counts = { receipts: file.receipts.length, notes: file.notes.length };
  return {
    json: { out, caseId, ...counts },
    lines: [
      `Written: ${out}`,
      `  ${plural(counts.receipts, 'receipt')}, ${plural(counts.notes, 'sealed text')} and the keys that open them.`,
      `Next: carequorum verify ${out} --genesis ${context.networkPath}`,
    ],
  };
}
