/** `carequorum case`: a hospital stay with a ledger of its own, for the patient and the team. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { caseList, listCases, listConsents, showCase } from '../../sdk/case-data.ts';
import { exportCase } from '../../sdk/case-export.ts';
import { changeMembers, giveHistory, rekeyCase } from '../../sdk/case-keys.ts';
import { openCase } from '../../sdk/case-reading.ts';
import {
  acceptHandover,
  askQuestion,
  closeCase,
  consentToCase,
  DEFAULT_RULE,
  handOver,
  leaveCase,
  openByConsent,
  openByPatient,
  renewPatientKey,
  settleQuestion,
  voteOn,
  withdrawConsent,
  writeNote,
} from '../../sdk/cases.ts';
import { SdkError } from '../../sdk/errors.ts';
import { fileExists, writeTextFile } from '../../sdk/platform/node.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import {
  caseIdOf,
  casePerson,
  clinicianNamed,
  contentLines,
  memberNamed,
  namesOf,
} from '../cases.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  collect,
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, ProgressBar, table } from '../output.ts';
import { personText } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { parseWhen, timeOf, timeText, type When } from '../times.ts';

const key = '--keystore ada.keystore';
const caseArgument = ['<case>', 'id of the case, or its start'] as const;

export function addCase(program: Command, run: Runner): void {
  const command = program
    .command('case')
    .summary('a hospital stay with a ledger of its own, for the patient and the team')
    .description(
      'A case is a ledger for one hospital stay. The patient and the clinicians whom it names write notes and ' +
        'opinions there; where they disagree they vote, by a rule that is fixed when it is opened. Nobody else ' +
        'reads anything, the hospitals’ operators included. When somebody joins or leaves, the key changes. ' +
        'At the end its last block is anchored in the main ledger, so that nothing can be changed unseen.',
    );
  examples(command, [
    '# the patient lets a doctor open it:',
    'carequorum case consent "Ada Okonjo" --keystore anna.keystore',
    '# the doctor:',
    `carequorum case open --consent CONSENT ${key}`,
    `carequorum case add CASE 1000000020 --with-history ${key}`,
    `carequorum case note CASE --text "Afebrile since noon." ${key}`,
    `carequorum case close CASE ${key}`,
  ]);
  for (const add of [
    addConsent,
    addOpen,
    addMembers,
    addNotes,
    addQuestions,
    addCourse,
    addLooks,
  ]) {
    add(command, run);
  }
}

/** A subcommand of which one change is certified. */
function addDeed<O, A extends unknown[]>(
  parent: Command,
  run: Runner,
  head: { usage: string; summary: string; description: string; examples: readonly string[] },
  work: (context: CommandContext, options: O, ...args: A) => Promise<Deed>,
): Command {
  const command = parent.command(head.usage).summary(head.summary).description(head.description);
  return examples(yesOption(receiptsOption(keystoreOptions(command))), head.examples).action(
    (...all: unknown[]) => {
      const options = all.at(-2) as CommonOptions & O;
      const args = all.slice(0, -2) as A;
      return run(options, async (context) => {
        const { results, json, lines } = await work(context, options, ...args);
        await context.keepReceipts(results);
        const last = results.at(-1) as CertifiedResult;
        return {
          json: { ...json, ...certifiedJson(last) },
          lines: [...lines, certifiedLine(last)],
        };
      });
    },
  );
}

interface Deed {
  results: readonly CertifiedResult[];
  json: Readonly<Record<string, unknown>>;
  lines: readonly string[];
}

function addConsent(parent: Command, run: Runner): void {
  addDeed(
    parent,
    run,
    {
      usage: 'consent <doctor>',
      summary: 'patients: let a doctor open a case for your stay',
      description:
        'Lets one doctor, whom you name by number (NPI) or full name, open a case for your hospital stay. You are ' +
        'in it from the start and read everything in it. The doctor decides whom else to let in; you can let ' +
        'people in and out too. You can take the consent back until the case is open.',
      examples: [
        'carequorum case consent "Ada Okonjo" --keystore anna.keystore',
        'carequorum case consent 1000000012 --until 3d --keystore anna.keystore',
      ],
    },
    async (context, options: { until?: When }, doctor: string) => {
      const person = await casePerson(context);
      const found = await context.look('Looking for the doctor', () =>
        clinicianNamed(person, doctor),
      );
      const until = timeOf(options.until ?? parseWhen('7d'), context.now());
      await context.confirm(
        [
          `You are about to let ${personText(found)} open a case for you, until ${timeText(until)}.`,
          'You will be in it, and see who reads and writes there.',
        ],
        'Do you want that?',
      );
      const done = await context.work('Asking the hospitals', () =>
        consentToCase(person, { attending: found.subject, until }),
      );
      return {
        results: [done.result],
        json: { consentId: done.consentId, attending: found.subject },
        lines: [`${found.name} can open a case for you.`, `Consent: ${done.consentId}`],
      };
    },
  ).option('--until <time>', 'when the doctor can no longer use it (default: 7d)', parseWhen);
  addDeed(
    parent,
    run,
    {
      usage: 'withdraw <consent>',
      summary: 'patients: take back a consent that no case was opened with',
      description:
        'Takes a consent back. Once a case is open it is part of your history: ask the attending clinician to close it.',
      examples: [
        'carequorum case withdraw CONSENT --keystore anna.keystore',
        'carequorum case withdraw CONSENT --yes --json --keystore anna.keystore',
      ],
    },
    async (context, _options, consentId: string) => {
      const person = await casePerson(context);
      const result = await context.work('Asking the hospitals', () =>
        withdrawConsent(person, consentId),
      );
      return { results: [result], json: { consentId }, lines: ['The consent is taken back.'] };
    },
  );
}

interface OpenOptions {
  consent?: string;
  attending?: string;
  voters: 'doctors' | 'clinicians' | 'everybody';
  majority: 'half' | 'two-thirds' | 'all';
  quorum: number;
  votingHours: number;
  otherwise: 'attending' | 'unsettled';
}

function addOpen(parent: Command, run: Runner): void {
  addDeed(
    parent,
    run,
    {
      usage: 'open',
      summary: 'doctors, by consent, or patients: open a case',
      description:
        'Opens a case: a doctor with --consent, a patient with --attending. How the team settles what it disagrees ' +
        'on is fixed here and shown to all members; it cannot be changed later.',
      examples: [
        `carequorum case open --consent CONSENT ${key}`,
        'carequorum case open --attending "Ada Okonjo" --voters clinicians --keystore anna.keystore',
      ],
    },
    async (context, options: OpenOptions) => {
      const person = await casePerson(context);
      const { voters, majority, otherwise } = options;
      const rule = {
        ...{ voters, majority, otherwise, quorumPercent: options.quorum },
        votingMs: options.votingHours * 3_600_000,
      };
      const { consent, attending } = options;
      if ((consent === undefined) === (attending === undefined)) {
        throw usage('Give --consent, as a doctor, or --attending, as the patient.');
      }
      const doctor =
        attending === undefined ? null : (await clinicianNamed(person, attending)).subject;
      const done = await context.work('Opening the case', () =>
        doctor === null
          ? openByConsent(person, { consentId: consent ?? '', rule })
          : openByPatient(person, { attending: doctor, rule }),
      );
      return {
        results: [done.result],
        json: { caseId: done.caseId, rule },
        lines: ['The case is open.', `Case: ${done.caseId}`],
      };
    },
  )
    .option('--consent <id>', 'what the patient gave you: carequorum case list shows it')
    .option('--attending <npi|name>', 'the doctor who is in charge')
    .addOption(
      new Option('--voters <who>', 'who votes')
        .choices(['doctors', 'clinicians', 'everybody'])
        .default(DEFAULT_RULE.voters),
    )
    .addOption(
      new Option('--majority <share>', 'of the votes that are cast')
        .choices(['half', 'two-thirds', 'all'])
        .default(DEFAULT_RULE.majority),
    )
    .option(
      '--quorum <percent>',
      'of the electors that must vote',
      Number,
      DEFAULT_RULE.quorumPercent,
    )
    .option('--voting-hours <hours>', 'how long votes are taken', Number, 24)
    .addOption(
      new Option('--otherwise <who>', 'who decides where votes decide nothing')
        .choices(['attending', 'unsettled'])
        .default(DEFAULT_RULE.otherwise),
    );
}

function addMembers(parent: Command, run: Runner): void {
  addDeed(
    parent,
    run,
    {
      usage: 'add <case> <people...>',
      summary: 'let clinicians into a case, with a new key',
      description:
        'The attending clinician or the patient lets clinicians in, by number (NPI) or full name. They read what is ' +
        'written from now on; with --with-history earlier notes too, and the case records that decision.',
      examples: [
        `carequorum case add CASE 1000000020 "Ines Marchetti" ${key}`,
        `carequorum case add CASE "Emil Harrowgate" --with-history ${key}`,
      ],
    },
    async (context, options: { withHistory?: boolean }, wanted: string, names: string[]) => {
      const person = await casePerson(context);
      const caseId = await caseIdOf(person, wanted);
      const people = [];
      for (const name of names) people.push(await clinicianNamed(person, name));
      const withHistory = options.withHistory === true;
      await context.confirm(
        [
          `You are about to let in: ${people.map(personText).join('; ')}.`,
          withHistory
            ? 'They read everything that was written.'
            : 'They read what is written from now on.',
        ],
        'Do you know them all, and let them in?',
      );
      const add = people.map(({ subject }) => ({ subject, withHistory }));
      const done = await context.work('Making a new key', () =>
        changeMembers(person, caseId, { add }),
      );
      return changed(done, caseId, `${plural(people.length, 'clinician')} joined.`);
    },
  ).option('--with-history', 'they get the earlier notes too');
  addDeed(
    parent,
    run,
    {
      usage: 'remove <case> <people...>',
      summary: 'let clinicians out of a case, with a new key',
      description:
        'The attending clinician or the patient lets clinicians out. They keep what they have read, and read nothing ' +
        'that is written from now on.',
      examples: [
        `carequorum case remove CASE "Emil Harrowgate" ${key}`,
        `carequorum case remove CASE "Emil Harrowgate" --yes --json ${key}`,
      ],
    },
    async (context, _options, wanted: string, names: string[]) => {
      const person = await casePerson(context);
      const caseId = await caseIdOf(person, wanted);
      const view = await showCase(person, caseId);
      const people = [];
      for (const name of names) people.push(await memberNamed(person, view, name));
      await context.confirm(
        [`You are about to let out: ${people.map(personText).join('; ')}.`],
        'Let them out?',
      );
      const remove = people.map(({ subject }) => subject);
      const done = await context.work('Making a new key', () =>
        changeMembers(person, caseId, { remove }),
      );
      return changed(done, caseId, `${plural(people.length, 'clinician')} left.`);
    },
  );
  addDeed(
    parent,
    run,
    {
      usage: 'give-history <case> <person>',
      summary: 'give a member the notes of before it joined',
      description:
        'The attending clinician or the patient gives a member all earlier notes. The case records who gave them, ' +
        'and to whom.',
      examples: [
        `carequorum case give-history CASE "Ines Marchetti" ${key}`,
        `carequorum case give-history CASE "Ines Marchetti" --yes --json ${key}`,
      ],
    },
    async (context, _options, wanted: string, name: string) => {
      const person = await casePerson(context);
      const caseId = await caseIdOf(person, wanted);
      const found = await memberNamed(person, await showCase(person, caseId), name);
      const result = await context.work('Sealing the keys', () =>
        giveHistory(person, caseId, found.subject),
      );
      return {
        results: [result],
        json: { caseId, subject: found.subject },
        lines: [`${found.name} can read everything of the case.`],
      };
    },
  );
  addDeed(
    parent,
    run,
    {
      usage: 'rekey <case>',
      summary: 'give a case a new key, for those who are in it now',
      description:
        'Any member can make a new key: after somebody left, when a member’s identity ended, or where the key may be ' +
        'known to others. A patient whose keys were renewed names the new one by it.',
      examples: [`carequorum case rekey CASE ${key}`, `carequorum case rekey CASE --json ${key}`],
    },
    async (context, _options, wanted: string) => {
      const person = await casePerson(context);
      const caseId = await caseIdOf(person, wanted);
      const isPatient = (await context.person()).kind === 'patient';
      const done = await context.work('Making a new key', async () => {
        if (isPatient) await renewPatientKey(person, caseId);
        return rekeyCase(person, caseId);
      });
      return changed(done, caseId, 'The case has a new key.');
    },
  );
  addDeed(
    parent,
    run,
    {
      usage: 'leave <case>',
      summary: 'clinicians: leave a case',
      description:
        'You leave the case: nothing that is written from now on can be read by you. Who is in charge hands over first.',
      examples: [`carequorum case leave CASE ${key}`, `carequorum case leave CASE --json ${key}`],
    },
    async (context, _options, wanted: string) =>
      plainDeed(context, wanted, 'You left the case.', leaveCase),
  );
}

function changed(
  done: { result: CertifiedResult; generation: number; skipped: readonly string[] },
  caseId: string,
  line: string,
): Deed {
  const { result, generation, skipped } = done;
  return {
    results: [result],
    json: { caseId, generation, skipped },
    lines: [
      `${line} Key ${generation} of the case is in force.`,
      ...(skipped.length === 0
        ? []
        : [
            `${plural(skipped.length, 'member')} could not be sealed to: ask them to renew their keys.`,
          ]),
    ],
  };
}

async function plainDeed(
  context: CommandContext,
  wanted: string,
  line: string,
  work: (
    person: Awaited<ReturnType<typeof casePerson>>,
    caseId: string,
  ) => Promise<CertifiedResult>,
): Promise<Deed> {
  const person = await casePerson(context);
  const caseId = await caseIdOf(person, wanted);
  const result = await context.work('Asking the hospitals', () => work(person, caseId));
  return { results: [result], json: { caseId }, lines: [line] };
}

interface TextOptions {
  text?: string;
  file?: string;
}

async function textOf({ text, file }: TextOptions): Promise<string> {
  if ((text === undefined) === (file === undefined)) throw usage('Give --text or --file.');
  return text ?? readFile(file ?? '', 'utf8');
}

function addNotes(parent: Command, run: Runner): void {
  addDeed(
    parent,
    run,
    {
      usage: 'note <case>',
      summary: 'write a note, or an opinion on a question',
      description:
        'Writes a note for all members of now. With --question it is an opinion on an open question; with --corrects ' +
        'it takes the place of an own note, which stays to be seen.',
      examples: [
        `carequorum case note CASE --text "Afebrile since noon." ${key}`,
        `carequorum case note CASE --file opinion.txt --question QUESTION ${key}`,
      ],
    },
    async (
      context,
      options: TextOptions & { question?: string; corrects?: string },
      wanted: string,
    ) => {
      const text = await textOf(options);
      const person = await casePerson(context);
      const caseId = await caseIdOf(person, wanted);
      const { question: questionId, corrects } = options;
      const done = await context.work('Writing the note', () =>
        writeNote(person, caseId, { text, questionId, corrects }),
      );
      return {
        results: [done.result],
        json: { caseId, noteId: done.noteId },
        lines: [`Written. Note: ${done.noteId}`],
      };
    },
  )
    .option('--text <text>', 'what it says')
    .option('--file <file>', 'a text file that says it')
    .option('--question <id>', 'the question that it is an opinion on')
    .option('--corrects <note>', 'an own note that it takes the place of');
}

function addQuestions(parent: Command, run: Runner): void {
  addDeed(
    parent,
    run,
    {
      usage: 'ask <case>',
      summary: 'put a question that the team disagrees on',
      description:
        'Puts a question with two to eight options to those who vote by the rule of the case. Who votes, and until ' +
        'when, is fixed from this moment on.',
      examples: [
        `carequorum case ask CASE --text "Which antibiotic?" --option narrow --option broad ${key}`,
        `carequorum case ask CASE --text "Discharge?" --option today --option tomorrow --json ${key}`,
      ],
    },
    async (context, options: TextOptions & { option?: string[] }, wanted: string) => {
      const answers = options.option ?? [];
      if (answers.length < 2 || answers.length > 8) throw usage('Give 2 to 8 --option.');
      const text = await textOf(options);
      const person = await casePerson(context);
      const caseId = await caseIdOf(person, wanted);
      const done = await context.work('Putting the question', () =>
        askQuestion(person, caseId, { text, options: answers }),
      );
      return {
        results: [done.result],
        json: { caseId, questionId: done.questionId },
        lines: [`Question: ${done.questionId}`],
      };
    },
  )
    .option('--text <text>', 'what is asked')
    .option('--file <file>', 'a text file that asks it')
    .option('--option <text>', 'what can be chosen; the option repeated for more', collect);
  addDeed(
    parent,
    run,
    {
      usage: 'vote <case> <question> <option>',
      summary: 'vote on a question, once; options count from 0',
      description:
        'Casts your vote. It is recorded with your name, and cannot be changed. The vote that makes the outcome ' +
        'certain settles the question.',
      examples: [
        `carequorum case vote CASE QUESTION 1 ${key}`,
        `carequorum case vote CASE QUESTION 0 --json ${key}`,
      ],
    },
    async (context, _options, wanted: string, questionId: string, option: string) =>
      settled(context, wanted, (person, caseId) =>
        voteOn(person, caseId, { questionId, option: Number(option) }),
      ),
  );
  addDeed(
    parent,
    run,
    {
      usage: 'settle <case> <question>',
      summary: 'have votes counted when their time is over; or decide, in charge',
      description:
        'Counts the votes once their time is over. Where they decided nothing and the rule says so, the attending ' +
        'clinician decides with --choose.',
      examples: [
        `carequorum case settle CASE QUESTION ${key}`,
        `carequorum case settle CASE QUESTION --choose 1 ${key}`,
      ],
    },
    async (context, options: { choose?: number }, wanted: string, questionId: string) =>
      settled(context, wanted, (person, caseId) =>
        settleQuestion(person, caseId, { questionId, option: options.choose }),
      ),
  ).option('--choose <option>', 'what the attending clinician decides, counted from 0', Number);
}

async function settled(
  context: CommandContext,
  wanted: string,
  work: (
    person: Awaited<ReturnType<typeof casePerson>>,
    caseId: string,
  ) => Promise<CertifiedResult>,
): Promise<Deed> {
  const deed = await plainDeed(context, wanted, 'Recorded.', work);
  const { status, option } = deed.results[0]?.value as { status: string; option: number | null };
  const line = option === null ? `The question is ${status}.` : `Settled: option ${option}.`;
  return { ...deed, json: { ...deed.json, status, option }, lines: ['Recorded.', line] };
}

function addCourse(parent: Command, run: Runner): void {
  addDeed(
    parent,
    run,
    {
      usage: 'hand-over <case> <doctor>',
      summary: 'name a successor who is then in charge',
      description:
        'The attending clinician names another doctor of the case, who is in charge once they accept. The patient can ' +
        'do it where the attending clinician’s identity ended.',
      examples: [
        `carequorum case hand-over CASE "Ines Marchetti" ${key}`,
        `carequorum case hand-over CASE "Ines Marchetti" --json ${key}`,
      ],
    },
    async (context, _options, wanted: string, name: string) =>
      plainDeed(context, wanted, 'They are in charge once they accept.', async (person, caseId) => {
        const to = await memberNamed(person, await showCase(person, caseId), name);
        return handOver(person, caseId, to.subject);
      }),
  );
  addDeed(
    parent,
    run,
    {
      usage: 'accept <case>',
      summary: 'take over a case that was handed over to you',
      description:
        'You are in charge of the case from this moment on, and everybody in it sees that. Before, read it.',
      examples: [`carequorum case accept CASE ${key}`, `carequorum case accept CASE --json ${key}`],
    },
    async (context, _options, wanted: string) =>
      plainDeed(context, wanted, 'You are in charge.', acceptHandover),
  );
  addDeed(
    parent,
    run,
    {
      usage: 'close <case>',
      summary: 'discharge the patient, and anchor the case in the main ledger',
      description:
        'The attending clinician ends the stay: nothing is written from now on, and the last block of the case is ' +
        'anchored in the main ledger. Every question has to be settled. Run again, it goes on.',
      examples: [
        `carequorum case close CASE ${key}`,
        `carequorum case close CASE --yes --json ${key}`,
      ],
    },
    async (context, _options, wanted: string) => {
      const person = await casePerson(context);
      const caseId = await caseIdOf(person, wanted);
      await context.confirm(
        ['You are about to close the case: nobody writes any more.'],
        'Close it?',
      );
      const { discharge, anchor } = await context.work('Closing the case', () =>
        closeCase(person, caseId),
      );
      return {
        results: [discharge, anchor],
        json: { caseId, anchor: anchor.value },
        lines: [`Closed and anchored at its block ${discharge.height}.`],
      };
    },
  );
}

function addLooks(parent: Command, run: Runner): void {
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

function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum case --help`.');
}
