/** `carequorum case consent`, `withdraw`, `open`: how a case comes to be. */
import { type Command, Option } from 'commander';
import {
  consentToCase,
  DEFAULT_RULE,
  openByConsent,
  openByPatient,
  withdrawConsent,
} from '../../sdk/cases.ts';
import { casePerson } from '../cases.ts';
import { clinicianNamed, personText } from '../people.ts';
import type { Runner } from '../runner.ts';
import { parseWhen, timeOf, timeText, type When } from '../times.ts';
import { addDeed, key, usage } from './case-deed.ts';

export function addConsent(parent: Command, run: Runner): void {
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

export function addOpen(parent: Command, run: Runner): void {
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
