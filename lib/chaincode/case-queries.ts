/** What members see of a case: all of it, in lists that are complete; nobody else sees anything. */
import { z } from 'zod';
import { toBase64url } from '../crypto/bytes.ts';
import { inside, mainReader } from './case-parts.ts';
import { PATIENT } from './case-values.ts';
import { cells, listCells } from './cells.ts';
import { type PageRequest, present, type Reader } from './draft.ts';
import { defineQuery, type PlainValue } from './functions.ts';
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

/** A page of a list of the case: for its members alone. */
function pageOfCase(
  name: string,
  summary: string,
  pageOf: (reader: Reader, wanted: PageRequest) => Promise<PlainValue>,
) {
  return defineQuery({
    name,
    summary,
    ledger: 'case',
    roles: patientAndClinicians,
    schema: z.strictObject(pageArgs),
    hints: () => [keys.caseState],
    async run(wanted, { actor, reader, context }) {
      await inside(actor, reader, context);
      return pageOf(reader, wanted);
    },
  });
}

export const caseNotes = pageOfCase(
  'case.notes',
  'A page of all notes and opinions of the case: who, when, digest.',
  (reader, wanted) => reader.page(listCells.caseNotes(), wanted),
);

export const caseQuestions = pageOfCase(
  'case.questions',
  'A page of all questions of the case, with every vote and the outcome.',
  async (reader, wanted) => {
    const page = await reader.page(listCells.caseQuestions(), wanted);
    const questions = page.items.map(({ questionId }) => cells.caseQuestion(questionId));
    return { ...page, items: await present(reader, questions) };
  },
);

export const caseKeys = pageOfCase(
  'case.keys',
  'A page of all keys that the case had: what members compare their seeds with.',
  async (reader, wanted) => {
    const page = await reader.page(listCells.caseKeys(), wanted);
    const items = page.items.map((one) => ({ ...one, publicKey: toBase64url(one.publicKey) }));
    return { ...page, items };
  },
);

export const caseLog = pageOfCase(
  'case.log',
  'A page of all that was done in the case beside notes: members, keys, votes, reads.',
  (reader, wanted) => reader.page(listCells.caseLog(), wanted),
);
