/** `carequorum case add`, `remove`, `give-history`, `rekey`, `leave`: who is in it, and the key. */
import type { Command } from 'commander';
import { showCase } from '../../sdk/case-data.ts';
import { changeMembers, giveHistory, rekeyCase } from '../../sdk/case-keys.ts';
import { leaveCase, renewPatientKey } from '../../sdk/cases.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { caseIdOf, casePerson, memberNamed } from '../cases.ts';
import { plural } from '../output.ts';
import { clinicianNamed, personText } from '../people.ts';
import type { Runner } from '../runner.ts';
import { addDeed, type Deed, key, plainDeed } from './case-deed.ts';

export function addMembers(parent: Command, run: Runner): void {
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
