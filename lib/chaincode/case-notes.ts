/** Notes and opinions of a case: the ledger holds digests, the custodian what is sealed. */
import { z } from 'zod';
import { atWork, caseName, inside, type Inside, logged, tellOthers } from './case-parts.ts';
import { type CaseState, sealedNoteArgs } from './case-values.ts';
import { cells, listCells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { idField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { keys, lists } from './keys.ts';
import { clinicians } from './roles.ts';

const patientAndClinicians = ['patient', ...clinicians] as const;

const noteArgs = {
  noteId: idField,
  ...sealedNoteArgs,
  /** An own note that this one takes the place of. */
  corrects: idField.optional(),
} as const;
type NoteArgs = z.infer<z.ZodObject<typeof noteArgs>>;

export const caseNote = defineTransaction({
  name: 'case.note',
  summary: 'A member writes a note: its digest, of a text that is sealed to the members of now.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject(noteArgs),
  hints: ({ noteId }) => [keys.caseState, keys.caseNoted(noteId), lists.caseNotes().count],
  async run(args, call) {
    return written(call, await atWork(call), args, null);
  },
});

export const caseOpinion = defineTransaction({
  name: 'case.opinion',
  summary: 'A member says what to think of a question that is open; a note that belongs to it.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject({ questionId: idField, ...noteArgs }),
  hints: ({ noteId, questionId }) => [
    ...[keys.caseState, keys.caseNoted(noteId), keys.caseQuestion(questionId)],
    lists.caseNotes().count,
  ],
  async run({ questionId, ...args }, call) {
    const found = await atWork(call);
    const question = await call.draft.get(cells.caseQuestion(questionId));
    if (!question) throw new ChaincodeError('unknown_question');
    if (question.outcome !== null) throw new ChaincodeError('question_over');
    return written(call, found, args, questionId);
  },
});

export const caseRead = defineTransaction({
  name: 'case.read',
  summary:
    'A member reads: the receipt opens the sealed notes at the custodian for a short while, after ' +
    'the discharge too.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject({}),
  hints: () => [keys.caseState],
  async run(_args, call) {
    const { actor, draft, context } = call;
    const found = await inside(actor, draft.reader, context);
    await logged(call, found, { generation: found.member.from });
    const { who, from } = found.member;
    const usableUntil = context.time + context.parameters.receiptUsableMs;
    return { ...caseName(context, found.state), who, from, readerKid: actor.kid, usableUntil };
  },
});

async function written(
  call: TransactionCall,
  found: Inside,
  { noteId, generation, digest, size, corrects }: NoteArgs,
  questionId: string | null,
) {
  const { draft, context, actor, transactionId: transaction } = call;
  const { state, member } = found;
  requireKey(state, generation);
  if (corrects !== undefined) {
    const corrected = await draft.get(cells.caseNoted(corrects));
    if (corrected?.author !== member.who) throw new ChaincodeError('unknown_note');
  }
  await takeId(call, noteId, member.who);
  const { time, height } = context;
  await draft.append(listCells.caseNotes(), {
    ...{ noteId, author: member.who, role: member.role, generation, digest, size, questionId },
    ...{ corrects: corrects ?? null, time, height, transaction },
  });
  tellOthers(call, found, 'case.noted');
  const sealed = { noteId, generation, digest, size };
  return { ...caseName(context, state), author: member.who, authorKid: actor.kid, ...sealed };
}

/** @throws ChaincodeError `case_without_key`, `case_key_superseded` */
export function requireKey(state: CaseState, generation: number): void {
  if (state.key === null) throw new ChaincodeError('case_without_key');
  if (generation !== state.generation) throw new ChaincodeError('case_key_superseded');
}

/** Ids of notes and questions are of one kind to the custodian: each is used once. */
export async function takeId({ draft }: TransactionCall, id: string, author: string) {
  if (await draft.get(cells.caseNoted(id))) throw new ChaincodeError('note_exists');
  draft.put(cells.caseNoted(id), { author });
}
