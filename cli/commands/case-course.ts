/** `carequorum case hand-over`, `accept`, `close`: who is in charge, and how it ends. */
import type { Command } from 'commander';
import { showCase } from '../../sdk/case-data.ts';
import { acceptHandover, closeCase, handOver } from '../../sdk/cases.ts';
import { caseIdOf, casePerson, memberNamed } from '../cases.ts';
import type { Runner } from '../runner.ts';
import { addDeed, key, plainDeed } from './case-deed.ts';

export function addCourse(parent: Command, run: Runner): void {
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
