/** The course of a case: who is in charge, handover to a successor, and the discharge. */
import { z } from 'zod';
import {
  atWork,
  caseName,
  inside,
  type Inside,
  logged,
  mainReader,
  putState,
} from './case-parts.ts';
import { PATIENT } from './case-values.ts';
import { cells, listCells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { subjectField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { keys } from './keys.ts';
import { clinicians } from './roles.ts';

export const caseHandover = defineTransaction({
  name: 'case.handover',
  summary:
    'The attending clinician names a successor of the case; the patient does where the attending ' +
    'clinician’s identity ended.',
  ledger: 'case',
  roles: ['patient', ...clinicians],
  schema: z.strictObject({ to: subjectField }),
  hints: () => [keys.caseState],
  async run({ to }, call) {
    const found = await atWork(call);
    const { state, member } = found;
    if (member.who !== state.attending) await requireOrphaned(call, found);
    const successor = state.members.find(({ who }) => who === to);
    if (to === state.attending || successor?.role !== 'doctor') {
      throw new ChaincodeError('not_a_successor');
    }
    const { time, height } = call.context;
    const put = putState(call, { ...state, handover: { to, at: { time, height } } });
    await logged(call, found, { members: [to] });
    return { ...caseName(call.context, put), attending: put.attending, to };
  },
});

/** The patient stands in for a doctor who is none any more, and for nobody else. */
async function requireOrphaned({ context }: TransactionCall, { state, member }: Inside) {
  const person = await mainReader(context).get(cells.subject(state.attending));
  const isOrphaned = person?.status === 'revoked';
  if (member.who !== PATIENT || !isOrphaned) throw new ChaincodeError('not_attending');
}

export const caseAccept = defineTransaction({
  name: 'case.accept',
  summary: 'The successor who was named accepts, and is in charge from this block on.',
  ledger: 'case',
  roles: ['doctor'],
  schema: z.strictObject({}),
  hints: () => [keys.caseState],
  async run(_args, call) {
    const found = await atWork(call);
    const { state, member } = found;
    if (state.handover?.to !== member.who) throw new ChaincodeError('no_handover');
    const put = putState(call, { ...state, attending: member.who, handover: null });
    await logged(call, { ...found, state: put }, { members: [state.attending] });
    return { ...caseName(call.context, put), attending: put.attending, from: state.attending };
  },
});

export const caseDischarge = defineTransaction({
  name: 'case.discharge',
  summary:
    'The attending clinician ends the stay: nothing is written from now on. Said again, it gives a ' +
    'newer receipt to anchor on the main ledger.',
  ledger: 'case',
  roles: ['doctor'],
  schema: z.strictObject({}),
  hints: () => [keys.caseState],
  async run(_args, call) {
    const { actor, draft, context } = call;
    const found = await inside(actor, draft.reader, context);
    const { member } = found;
    if (member.who !== found.state.attending) throw new ChaincodeError('not_attending');
    const isFirst = found.state.discharged === null;
    if (isFirst && found.state.openQuestions > 0) throw new ChaincodeError('questions_open');
    const { time, height } = context;
    const discharged = found.state.discharged ?? { time, height };
    const state = isFirst
      ? putState(call, { ...found.state, discharged, handover: null })
      : found.state;
    await logged(call, { ...found, state });
    return {
      ...caseName(context, state),
      attending: state.attending,
      members: state.members.map(({ who, from }) => ({ who, from })),
      discharged,
      notes: await draft.reader.count(listCells.caseNotes()),
      questions: await draft.reader.count(listCells.caseQuestions()),
      entries: await draft.reader.count(listCells.caseLog()),
    };
  },
});
