/** Disagreements of a case: a question, votes that are recorded, and an outcome by the stated rule. */
import { z } from 'zod';
import { chaincodeBounds } from './bounds.ts';
import { atWork, caseName, type Inside, logged, putState } from './case-parts.ts';
import { isVoter, outcomeOf } from './case-rule.ts';
import { requireKey, takeId } from './case-notes.ts';
import { type CaseQuestion, sealedNoteArgs } from './case-values.ts';
import { cells, listCells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { idField } from './fields.ts';
import { defineTransaction, type PlainValue, type TransactionCall } from './functions.ts';
import { keys } from './keys.ts';
import { clinicians } from './roles.ts';

const patientAndClinicians = ['patient', ...clinicians] as const;
const optionField = z
  .int()
  .min(0)
  .max(chaincodeBounds.caseOptionsMax - 1);

export const caseQuestion = defineTransaction({
  name: 'case.question',
  summary: 'A member puts a question that the members disagree on; who votes is fixed from now on.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject({
    questionId: idField,
    ...sealedNoteArgs,
    options: z.int().min(2).max(chaincodeBounds.caseOptionsMax),
  }),
  hints: ({ questionId }) => [keys.caseState, keys.caseNoted(questionId)],
  async run({ questionId, generation, digest, size, options }, call) {
    const { draft, context, actor } = call;
    const found = await atWork(call);
    const { state, member, opened } = found;
    requireKey(state, generation);
    if (state.openQuestions >= chaincodeBounds.caseQuestionsMax) {
      throw new ChaincodeError('too_many_questions');
    }
    await takeId(call, questionId, member.who);
    const { time, height } = context;
    const voters = state.members.filter(({ role }) => isVoter(opened.rule, role));
    const question: CaseQuestion = {
      ...{ id: questionId, opener: member.who, generation, digest, size, options },
      electors: voters.map(({ who }) => who),
      votes: [],
      opened: { time, height },
      deadline: time + opened.rule.votingMs,
      ...{ status: 'open', undecided: null, outcome: null },
    };
    draft.put(cells.caseQuestion(questionId), question);
    await draft.append(listCells.caseQuestions(), { questionId });
    putState(call, { ...state, openQuestions: state.openQuestions + 1 });
    await logged(call, found, { questionId, members: question.electors });
    const sealed = { noteId: questionId, generation, digest, size };
    const by = { author: member.who, authorKid: actor.kid };
    return { ...caseName(context, state), ...by, ...sealed, deadline: question.deadline };
  },
});

export const caseVote = defineTransaction({
  name: 'case.vote',
  summary: 'An elector votes, once. The vote that makes the outcome certain settles the question.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject({ questionId: idField, option: optionField }),
  hints: ({ questionId }) => [keys.caseState, keys.caseQuestion(questionId)],
  async run({ questionId, option }, call) {
    const found = await atWork(call);
    const question = await openQuestion(call, questionId);
    const { who } = found.member;
    const { time } = call.context;
    if (question.status !== 'open' || time >= question.deadline) {
      throw new ChaincodeError('voting_over');
    }
    if (!question.electors.includes(who)) throw new ChaincodeError('not_an_elector');
    if (question.votes.some((vote) => vote.who === who)) throw new ChaincodeError('already_voted');
    requireOption(question, option);
    const votes = [...question.votes, { who, option, time }];
    await logged(call, found, { questionId, option });
    return concluded(call, found, { ...question, votes }, false);
  },
});

export const caseSettle = defineTransaction({
  name: 'case.settle',
  summary:
    'A member has the votes counted once their time is over; where they decided nothing, the ' +
    'attending clinician names an option, if the rule says so.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject({ questionId: idField, option: optionField.optional() }),
  hints: ({ questionId }) => [keys.caseState, keys.caseQuestion(questionId)],
  async run({ questionId, option }, call) {
    const found = await atWork(call);
    const question = await openQuestion(call, questionId);
    if (question.status === 'open') {
      if (option !== undefined) throw new ChaincodeError('votes_decide');
      if (call.context.time < question.deadline) throw new ChaincodeError('voting_open');
      await logged(call, found, { questionId });
      return concluded(call, found, question, true);
    }
    const isAttending = found.member.who === found.state.attending;
    if (!isAttending || option === undefined) throw new ChaincodeError('attending_decides');
    requireOption(question, option);
    await logged(call, found, { questionId, option });
    return ended(call, found, question, { option, by: 'attending' });
  },
});

async function openQuestion({ draft }: TransactionCall, id: string): Promise<CaseQuestion> {
  const question = await draft.get(cells.caseQuestion(id));
  if (!question) throw new ChaincodeError('unknown_question');
  if (question.outcome !== null) throw new ChaincodeError('question_over');
  return question;
}

function requireOption({ options }: CaseQuestion, option: number): void {
  if (option >= options) throw new ChaincodeError('unknown_option');
}

/** Writes a question with its votes, and what the rule makes of them. */
function concluded(
  call: TransactionCall,
  found: Inside,
  question: CaseQuestion,
  isOver: boolean,
): Record<string, PlainValue> {
  const { rule } = found.opened;
  const tallies = Array.from(
    { length: question.options },
    (_, option) => question.votes.filter((vote) => vote.option === option).length,
  );
  const electors = question.electors.length;
  const outcome = outcomeOf(rule, tallies, { electors, isOver });
  if (outcome.status === 'decided') {
    return ended(call, found, question, { option: outcome.option, by: 'vote' });
  }
  if (outcome.status === 'open') return put(call, found, question);
  const undecided = outcome.reason;
  if (rule.otherwise === 'attending') {
    return put(call, found, { ...question, undecided, status: 'attending' });
  }
  return ended(call, found, { ...question, undecided }, { option: null, by: 'nobody' });
}

function ended(
  call: TransactionCall,
  found: Inside,
  question: CaseQuestion,
  { option, by }: Pick<NonNullable<CaseQuestion['outcome']>, 'option' | 'by'>,
): Record<string, PlainValue> {
  const { time, height } = call.context;
  const { state } = found;
  const status = option === null ? 'unsettled' : 'decided';
  putState(call, { ...state, openQuestions: state.openQuestions - 1 });
  const outcome = { option, by, at: { time, height } };
  return put(call, found, { ...question, status, outcome });
}

function put(
  { draft, context }: TransactionCall,
  { state }: Inside,
  question: CaseQuestion,
): Record<string, PlainValue> {
  draft.put(cells.caseQuestion(question.id), question);
  const { id: questionId, status, undecided, outcome, votes, electors } = question;
  return {
    ...{ ...caseName(context, state), questionId, status, undecided },
    ...{ option: outcome?.option ?? null, by: outcome?.by ?? null },
    ...{ votes: votes.length, electors: electors.length },
  };
}
