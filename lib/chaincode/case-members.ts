/** Who is in a case: let in and out by the one in charge, with a new key at every change. */
import { z } from 'zod';
import { fromBase64url } from '../crypto/bytes.ts';
import { chaincodeBounds } from './bounds.ts';
import {
  atWork,
  caseName,
  inCharge,
  type Inside,
  isInCharge,
  logged,
  mainReader,
  putState,
} from './case-parts.ts';
import {
  type CaseMember,
  type CaseState,
  generationField,
  PATIENT,
  whoField,
} from './case-values.ts';
import { cells, listCells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, distinct, shareKeyText, subjectField } from './fields.ts';
import { defineTransaction, type PlainValue, type TransactionCall } from './functions.ts';
import { keys } from './keys.ts';
import { clinicians } from './roles.ts';

const patientAndClinicians = ['patient', ...clinicians] as const;
const nextGenerationField = generationField.min(1);
const othersMax = chaincodeBounds.caseMembersMax - 1;

/** A new key, and what its maker sealed of it to whom. */
const newKeyArgs = {
  /** As the maker last saw the case. */
  version: z.int().min(0),
  /** One above the last. */
  generation: nextGenerationField,
  publicKey: shareKeyText,
  seals: z
    .array(z.strictObject({ who: whoField, digest: digestField }))
    .min(1)
    .max(chaincodeBounds.caseMembersMax)
    .refine((all) => new Set(all.map(({ who }) => who)).size === all.length, 'twice'),
} as const;
type NewKey = z.infer<z.ZodObject<typeof newKeyArgs>>;

export const caseRekey = defineTransaction({
  name: 'case.rekey',
  summary:
    'A member gives the case a new key, sealed to the members who are named; those whose identity ' +
    'ended on the main ledger are out.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject(newKeyArgs),
  hints: () => [keys.caseState],
  async run(args, call) {
    const found = await atWork(call);
    requireNext(found.state, args);
    return withKey(call, await withoutEnded(call, found), args);
  },
});

export const caseMembers = defineTransaction({
  name: 'case.members',
  summary:
    'The attending clinician or the patient lets clinicians in and others out. The case has a new ' +
    'key from then on; who joins reads from the generation that is named.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z
    .strictObject({
      ...newKeyArgs,
      add: z
        .array(z.strictObject({ subject: subjectField, from: nextGenerationField }))
        .max(othersMax)
        .refine((all) => new Set(all.map(({ subject }) => subject)).size === all.length, 'twice'),
      remove: distinct(subjectField, 0, othersMax),
    })
    .refine(({ add, remove }) => add.length + remove.length > 0, 'nobody joins or leaves')
    .refine(({ add, generation }) => add.every(({ from }) => from <= generation), 'no such key'),
  hints: () => [keys.caseState],
  async run({ add, remove, ...key }, call) {
    const present = await inCharge(call);
    requireNext(present.state, key);
    const found = await withoutEnded(call, present);
    const left = withoutMembers(found.state, remove);
    const joined: CaseMember[] = [];
    for (const { subject, from } of add) {
      joined.push(await newMember(call, left, subject, from));
    }
    const members = [...left.members, ...joined];
    if (members.length > chaincodeBounds.caseMembersMax) throw new ChaincodeError('case_too_large');
    const changed = [...remove, ...add.map(({ subject }) => subject)];
    return withKey(call, { ...found, state: { ...left, members } }, key, changed);
  },
});

export const caseLeave = defineTransaction({
  name: 'case.leave',
  summary: 'A clinician leaves a case; nothing is written until another member made a new key.',
  ledger: 'case',
  roles: clinicians,
  schema: z.strictObject({}),
  hints: () => [keys.caseState],
  async run(_args, call) {
    const found = await atWork(call);
    const { who } = found.member;
    const state = putState(call, { ...withoutMembers(found.state, [who]), key: null });
    await logged(call, { ...found, state }, { members: [who] });
    return { ...caseName(call.context, state), version: state.version };
  },
});

export const caseSeal = defineTransaction({
  name: 'case.seal',
  summary:
    'A member seals the key to another who lacks it; the attending clinician or the patient alone ' +
    'gives earlier ones with it, and the case records that.',
  ledger: 'case',
  roles: patientAndClinicians,
  schema: z.strictObject({
    version: z.int().min(0),
    who: whoField,
    /** The first generation whose key is sealed. */
    from: nextGenerationField,
    digest: digestField,
  }),
  hints: () => [keys.caseState],
  async run({ version, who, from, digest }, call) {
    const found = await atWork(call);
    const { state } = found;
    if (state.version !== version) throw new ChaincodeError('case_changed');
    if (state.key === null) throw new ChaincodeError('case_without_key');
    if (from > state.generation) throw new ChaincodeError('case_key_superseded');
    const { generation } = state;
    const target = state.members.find((one) => one.who === who);
    if (!target) throw new ChaincodeError('not_in_case');
    const isMore = from < target.from;
    if (isMore && !isInCharge(found)) {
      throw new ChaincodeError('history_not_given');
    }
    const sealed = { ...target, from: Math.min(from, target.from), seal: { digest, generation } };
    const members = state.members.map((one) => (one.who === who ? sealed : one));
    const put = putState(call, { ...state, members });
    await logged(call, found, { members: [who], generation: from });
    return keyValue(call, put, found.member.who, [{ who, digest }]);
  },
});

export const casePatientKey = defineTransaction({
  name: 'case.patient-key',
  summary: 'The patient names another key to seal to, under the present pseudonym.',
  ledger: 'case',
  roles: ['patient'],
  schema: z.strictObject({ publicKey: shareKeyText }),
  hints: () => [keys.caseState],
  async run({ publicKey }, call) {
    const found = await atWork(call);
    const { actor } = call;
    const pseudonym = actor.kind === 'patient' ? actor.pseudonym : null;
    if (pseudonym === null) throw new ChaincodeError('not_in_case');
    const patientKey = fromBase64url(publicKey);
    // The old key may be in wrong hands: nothing more is written for it.
    const members = found.state.members.map((one) =>
      one.who === PATIENT ? { ...one, seal: null } : one,
    );
    const state = putState(call, { ...found.state, pseudonym, patientKey, members, key: null });
    await logged(call, { ...found, state }, { members: [PATIENT] });
    return { ...caseName(call.context, state), version: state.version };
  },
});

/** @throws ChaincodeError `case_changed`, `case_key_superseded` */
function requireNext(state: CaseState, { version, generation }: NewKey): void {
  if (state.version !== version) throw new ChaincodeError('case_changed');
  if (generation !== state.generation + 1) throw new ChaincodeError('case_key_superseded');
}

/** Puts a new key in force for the members that a case is to have now. */
async function withKey(
  call: TransactionCall,
  found: Inside,
  { generation, publicKey, seals }: NewKey,
  changed: readonly string[] = [],
) {
  const { draft, context } = call;
  const { state, member } = found;
  const { time, height } = context;
  const members = state.members.map((one) => {
    const seal = seals.find(({ who }) => who === one.who);
    return seal ? { ...one, seal: { digest: seal.digest, generation } } : one;
  });
  if (!seals.every(({ who }) => members.some((one) => one.who === who))) {
    throw new ChaincodeError('not_in_case');
  }
  const made = { time, height };
  const key = { publicKey: fromBase64url(publicKey), maker: member.who, made };
  const put = putState(call, { ...state, members, generation, key });
  await draft.append(listCells.caseKeys(), { generation, ...key });
  await logged(call, { ...found, state: put }, { members: [...changed], generation });
  return keyValue(call, put, member.who, seals);
}

/** What lets the custodian keep what was sealed. */
function keyValue(
  { actor, context }: TransactionCall,
  state: CaseState,
  maker: string,
  seals: readonly { who: string; digest: string }[],
): Record<string, PlainValue> {
  const { generation, version } = state;
  const by = { maker, makerKid: actor.kid, generation, version };
  return { ...caseName(context, state), ...by, seals: seals.map((one) => ({ ...one })) };
}

/** @throws ChaincodeError `not_in_case`, `attending_stays` */
function withoutMembers(state: CaseState, subjects: readonly string[]): CaseState {
  for (const subject of subjects) {
    if (!state.members.some(({ who }) => who === subject)) throw new ChaincodeError('not_in_case');
    if (subject === state.attending) throw new ChaincodeError('attending_stays');
  }
  const members = state.members.filter(({ who }) => !subjects.includes(who));
  const isHandedTo = state.handover !== null && subjects.includes(state.handover.to);
  return { ...state, members, handover: isHandedTo ? null : state.handover };
}

/** Without those whose identity ended; the attending clinician's place stays until a handover. */
async function withoutEnded({ context }: TransactionCall, found: Inside): Promise<Inside> {
  const { state } = found;
  const people = state.members.filter(({ who }) => who !== PATIENT && who !== state.attending);
  const cellsOf = people.map(({ who }) => cells.subject(who));
  const subjects = await mainReader(context).many(cellsOf);
  const ended = people.filter((_, at) => subjects[at]?.status === 'revoked');
  const left = withoutMembers(
    state,
    ended.map(({ who }) => who),
  );
  return { ...found, state: left };
}

async function newMember(
  { context }: TransactionCall,
  state: CaseState,
  subject: string,
  from: number,
): Promise<CaseMember> {
  if (state.members.some(({ who }) => who === subject)) throw new ChaincodeError('already_in_case');
  const person = await mainReader(context).get(cells.subject(subject));
  if (person?.status !== 'active' || !clinicians.includes(person.role)) {
    throw new ChaincodeError('case_member_unknown');
  }
  const { time, height } = context;
  return { who: subject, role: person.role, since: { time, height }, from, seal: null };
}
