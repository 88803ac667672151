/** What members see of a case: all of it, in lists that are complete; nobody else sees anything. */
import { z } from 'zod';
import { toBase64url } from '../crypto/bytes.ts';
import { inside, mainReader } from './case-parts.ts';
import { PATIENT } from './case-values.ts';
import { cells, listCells } from './cells.ts';
import { defineQuery } from './functions.ts';
import { pageArgs } from './history.ts';
import { keys } from './keys.ts';
import { clinicians } from './roles.ts';

const patientAndClinicians = ['patient', ...clinicians] as const;

export const caseShow = defineQuery({
  name: 'case.show',
  summary: 'The case as it is: members with the keys they have now, who is in charge, the rule.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject({}),
  hints: () => [keys.caseState],
  async run(_args, { actor, reader, context }) {
    const { opened, state, member } = await inside(actor, reader, context);
    const people = state.members.filter(({ who }) => who !== PATIENT);
    const subjects = await mainReader(context).many(people.map(({ who }) => cells.subject(who)));
    const { patientKey, key, members, ...rest } = state;
    return {
      ...rest,
      caseId: opened.id,
      hospital: opened.hospital,
      rule: opened.rule,
      opened: opened.opened,
      self: member.who,
      patientKey: toBase64url(patientKey),
      key: key && { ...key, publicKey: toBase64url(key.publicKey) },
      members: members.map((one) => {
        const person = subjects[people.indexOf(one)];
        // The patient's standing is that of the owner key, which has to sign.
        const isActive = one.who === PATIENT || person?.status === 'active';
        return { ...one, isActive, kid: person?.kid ?? null };
      }),
    };
  },
});

export const caseNotes = defineQuery({
  name: 'case.notes',
  summary: 'A page of all notes and opinions of the case: who, when, digest.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject(pageArgs),
  hints: () => [keys.caseState],
  async run(page, { actor, reader, context }) {
    await inside(actor, reader, context);
    return reader.page(listCells.caseNotes(), page);
  },
});

export const caseQuestions = defineQuery({
  name: 'case.questions',
  summary: 'A page of all questions of the case, with every vote and the outcome.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject(pageArgs),
  hints: () => [keys.caseState],
  async run(wanted, { actor, reader, context }) {
    await inside(actor, reader, context);
    const page = await reader.page(listCells.caseQuestions(), wanted);
    const ids = page.items.map(({ questionId }) => questionId);
    const found = await reader.many(ids.map((id) => cells.caseQuestion(id)));
    const items = found.map((one, at) => {
      if (!one) throw new Error(`question ${ids[at]} is listed but missing`);
      return one;
    });
    return { ...page, items };
  },
});

export const caseKeys = defineQuery({
  name: 'case.keys',
  summary: 'A page of all keys that the case had: what members compare their seeds with.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject(pageArgs),
  hints: () => [keys.caseState],
  async run(wanted, { actor, reader, context }) {
    await inside(actor, reader, context);
    const page = await reader.page(listCells.caseKeys(), wanted);
    const items = page.items.map((one) => ({ ...one, publicKey: toBase64url(one.publicKey) }));
    return { ...page, items };
  },
});

export const caseLog = defineQuery({
  name: 'case.log',
  summary: 'A page of all that was done in the case beside notes: members, keys, votes, reads.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject(pageArgs),
  hints: () => [keys.caseState],
  async run(page, { actor, reader, context }) {
    await inside(actor, reader, context);
    return reader.page(listCells.caseLog(), page);
  },
});
