/** `carequorum case note`, `ask`, `vote`, `settle`: what is written, and what is decided. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { askQuestion, settleQuestion, voteOn, writeNote } from '../../sdk/cases.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { caseIdOf, casePerson } from '../cases.ts';
import type { CommandContext } from '../context.ts';
import { collect } from '../options.ts';
import type { Runner } from '../runner.ts';
import { addDeed, type Deed, key, plainDeed, usage } from './case-deed.ts';

interface TextOptions {
  text?: string;
  file?: string;
}

async function textOf({ text, file }: TextOptions): Promise<string> {
  if ((text === undefined) === (file === undefined)) throw usage('Give --text or --file.');
  return text ?? readFile(file ?? '', 'utf8');
}

export function addNotes(parent: Command, run: Runner): void {
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

export function addQuestions(parent: Command, run: Runner): void {
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
