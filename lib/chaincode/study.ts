/** Studies: registered by a researcher, approved by a quorum of hospitals, joined by patients. */
import { z } from 'zod';
import { quorumSize } from '../wire/validators.ts';
import { identityOf, patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { type Draft, present, type Reader } from './draft.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, labelField } from './fields.ts';
import {
  defineQuery,
  defineTransaction,
  type QueryCall,
  type TransactionCall,
} from './functions.ts';
import { pageArgs, remember } from './history.ts';
import { keys, lists } from './keys.ts';
import { everybody, type Role } from './roles.ts';
import { hospitalOf, setOf } from './seats.ts';
import { type Participant, type Study, studyTerms } from './study-values.ts';

/** Roles that may look into a study, if it names them or they oversee. */
export const studyReaders: readonly Role[] = ['researcher', 'coordinator', 'auditor', 'operator'];

const studyArg = { studyId: labelField } as const;

export const studyRegister = defineTransaction({
  name: 'study.register',
  summary: 'Registers a study: what it asks for, who counts, and what it promises to patients.',
  roles: ['researcher'],
  schema: z.strictObject({ ...studyArg, ...studyTerms }),
  hints: ({ studyId, coordinator }) => [
    keys.study(studyId),
    keys.subject(coordinator),
    lists.studies().count,
  ],
  async run({ studyId, ...terms }, call) {
    const { draft, context, actor } = call;
    const { identity } = identityOf(actor);
    if (await draft.get(cells.study(studyId))) throw new ChaincodeError('study_exists');
    if (terms.until <= context.time) throw new ChaincodeError('study_over');
    const coordinator = await draft.get(cells.subject(terms.coordinator));
    const isFit = coordinator?.role === 'coordinator' && coordinator.status === 'active';
    if (!isFit || terms.coordinator === identity.subject) {
      throw new ChaincodeError('bad_coordinator');
    }
    draft.put(cells.study(studyId), {
      id: studyId,
      ...terms,
      researcher: identity.subject,
      hospital: identity.hospital,
      made: { time: context.time, height: context.height },
      approvals: [],
      approved: null,
      closed: null,
      batches: 0,
      classes: 0,
    });
    await draft.append(listCells.studies(), { studyId });
    return { studyId, researcher: identity.subject, coordinator: terms.coordinator };
  },
});

export const studyApprove = defineTransaction({
  name: 'study.approve',
  summary:
    'A hospital approves a study, naming what its ethics committee decided; a quorum opens it.',
  roles: ['operator'],
  schema: z.strictObject({ ...studyArg, ethicsDigest: digestField }),
  hints: ({ studyId }) => [keys.study(studyId), keys.validators],
  async run({ studyId, ethicsDigest }, call) {
    const { draft, context, actor } = call;
    const { identity, kid } = identityOf(actor);
    const study = await studyNamed(draft.reader, studyId);
    requireOpen(study, context.time);
    const set = await setOf(draft);
    const seat = set.find(({ id }) => id === identity.hospital);
    if (!seat) throw new ChaincodeError('not_a_member');
    const { id: hospital } = seat;
    if ((await hospitalOf(draft.reader, hospital)).operator !== kid) {
      throw new ChaincodeError('not_a_member');
    }
    const given = study.approvals.find((one) => one.hospital === hospital);
    if (given?.kid === kid) throw new ChaincodeError('already_approved');
    const at = { time: context.time, height: context.height };
    const present = set.filter(({ suspended }) => !suspended).map(({ id }) => id);
    const kept = study.approvals.filter((one) => one !== given);
    const approvals = [...kept, { hospital, kid, ethicsDigest, at }].slice(
      -chaincodeBounds.approvalsMax,
    );
    const counted = approvals.filter((one) => present.includes(one.hospital)).length;
    const quorum = quorumSize(set.length);
    const isNew = study.approved === null && counted >= quorum;
    const approved = isNew ? at : study.approved;
    draft.put(cells.study(studyId), { ...study, approvals, approved });
    if (isNew) await tellNamed(draft, study, 'study.approved');
    return { studyId, hospital, ethicsDigest, approvals: counted, quorum, open: approved !== null };
  },
});

export const studyClose = defineTransaction({
  name: 'study.close',
  summary: 'Ends a study for good: nothing more is released to it or given out of it.',
  roles: ['researcher', 'coordinator', 'operator'],
  schema: z.strictObject(studyArg),
  hints: ({ studyId }) => [keys.study(studyId)],
  async run({ studyId }, call) {
    const { draft, context, actor } = call;
    const { identity, kid, role } = identityOf(actor);
    const study = await studyNamed(draft.reader, studyId);
    const isNamed = [study.researcher, study.coordinator].includes(identity.subject);
    const isApprover =
      role === 'operator' && study.approvals.some((one) => one.hospital === identity.hospital);
    if (!isNamed && !isApprover) throw new ChaincodeError('not_own_study');
    if (study.closed !== null) throw new ChaincodeError('study_closed');
    const closed = { time: context.time, height: context.height, by: kid };
    draft.put(cells.study(studyId), { ...study, closed });
    await tellNamed(draft, study, 'study.closed');
    return { studyId, closedAt: context.time };
  },
});

export const studyJoin = defineTransaction({
  name: 'study.join',
  summary: 'The patient agrees to take part in a study, under a random name that it commits to.',
  roles: ['patient'],
  schema: z.strictObject({ ...studyArg, commitment: digestField }),
  hints: ({ studyId, commitment }) => [keys.study(studyId), keys.participant(studyId, commitment)],
  async run({ studyId, commitment }, call) {
    const { draft, context, actor } = call;
    const { pseudonym } = patientOf(actor);
    const study = await studyNamed(draft.reader, studyId);
    requireApproved(study, context.time);
    const found = await participationOf(draft.reader, studyId, pseudonym);
    const joined = { time: context.time, height: context.height };
    if (found === null && (await draft.get(cells.participant(studyId, commitment)))) {
      throw new ChaincodeError('participant_taken');
    }
    const handle = found?.handle ?? commitment;
    if (found?.participant.withdrawn === null && found.participant.commitment === commitment) {
      throw new ChaincodeError('already_joined');
    }
    draft.put(cells.participation(studyId, pseudonym), { participant: handle });
    draft.put(cells.participant(studyId, handle), {
      commitment,
      pseudonym,
      joined: found?.participant.joined ?? joined,
      withdrawn: null,
      classId: found?.participant.classId ?? null,
    });
    if (found?.participant.withdrawn) {
      const entry = { participant: handle, what: 'came-back', at: joined } as const;
      await draft.append(listCells.studyLog(studyId), entry);
    }
    await remember(call, pseudonym, { purpose: 'RESCH', study: studyId });
    return { studyId, pseudonym, participant: handle, commitment };
  },
});

export const studyWithdraw = defineTransaction({
  name: 'study.withdraw',
  summary: 'The patient leaves a study: nothing more is released, published or given out.',
  roles: ['patient'],
  schema: z.strictObject(studyArg),
  hints: ({ studyId }) => [keys.study(studyId)],
  async run({ studyId }, call) {
    const { draft, context, actor } = call;
    const { pseudonym } = patientOf(actor);
    const study = await studyNamed(draft.reader, studyId);
    const { handle, participant } = await participantOf(draft.reader, studyId, pseudonym);
    const withdrawn = { time: context.time, height: context.height };
    draft.put(cells.participant(studyId, handle), { ...participant, withdrawn });
    const entry = { participant: handle, what: 'left', at: withdrawn } as const;
    await draft.append(listCells.studyLog(studyId), entry);
    await remember(call, pseudonym, { purpose: 'RESCH', study: studyId });
    await draft.notify({ subject: study.coordinator }, 'study.withdrawn');
    return { studyId, participant: handle, withdrawnAt: context.time };
  },
});

export const studyGet = defineQuery({
  name: 'study.get',
  summary: 'A study: what it asks for and promises, who approved it, and where it stands.',
  roles: everybody,
  schema: z.strictObject(studyArg),
  hints: ({ studyId }) => [keys.study(studyId)],
  run: ({ studyId }, { reader }) => studyNamed(reader, studyId),
});

export const studyList = defineQuery({
  name: 'study.list',
  summary: 'A page of all studies that were ever registered.',
  roles: everybody,
  schema: z.strictObject(pageArgs),
  async run(args, { reader }) {
    const page = await reader.page(listCells.studies(), args);
    const studies = page.items.map(({ studyId }) => cells.study(studyId));
    return { ...page, items: await present(reader, studies) };
  },
});

export const studyMine = defineQuery({
  name: 'study.mine',
  summary: 'Whether and how the patient takes part in a study.',
  roles: ['patient'],
  schema: z.strictObject(studyArg),
  async run({ studyId }, { actor, reader }) {
    const found = await participationOf(reader, studyId, patientOf(actor).pseudonym);
    if (!found) throw new ChaincodeError('not_joined');
    return { studyId, participant: found.handle, ...found.participant };
  },
});

export const studyLog = defineQuery({
  name: 'study.log',
  summary: 'A page of everybody who left a study, or came back to it.',
  roles: studyReaders,
  schema: z.strictObject({ ...studyArg, ...pageArgs }),
  async run({ studyId, ...page }, call) {
    await readableStudy(call, studyId);
    return call.reader.page(listCells.studyLog(studyId), page);
  },
});

/** @throws ChaincodeError `unknown_study` */
export async function studyNamed(reader: Pick<Reader, 'get'>, studyId: string): Promise<Study> {
  const study = await reader.get(cells.study(studyId));
  if (!study) throw new ChaincodeError('unknown_study');
  return study;
}

/** @throws ChaincodeError `study_closed`, `study_over` */
function requireOpen({ closed, until }: Study, time: number): void {
  if (closed !== null) throw new ChaincodeError('study_closed');
  if (time >= until) throw new ChaincodeError('study_over');
}

/** @throws ChaincodeError `study_not_approved`, `study_closed`, `study_over` */
export function requireApproved(study: Study, time: number): void {
  requireOpen(study, time);
  if (study.approved === null) throw new ChaincodeError('study_not_approved');
}

interface Participation {
  handle: string;
  participant: Participant;
}

/** How a patient takes part, withdrawn or not, under this or an earlier pseudonym; or null. */
async function participationOf(
  reader: Pick<Reader, 'get'>,
  studyId: string,
  pseudonym: string,
): Promise<Participation | null> {
  let at: string | null = pseudonym;
  for (let step = 0; at !== null && step <= chaincodeBounds.rotationsMax; step += 1) {
    const found = await reader.get(cells.participation(studyId, at));
    if (found) {
      const { participant: handle } = found;
      const participant = await reader.get(cells.participant(studyId, handle));
      if (!participant) throw new Error(`participant ${handle} of ${studyId} is missing`);
      return { handle, participant };
    }
    at = (await reader.get(cells.rotation(at)))?.from ?? null;
  }
  return null;
}

/** One who takes part now. @throws ChaincodeError `not_joined`, `participant_withdrawn` */
export async function participantOf(
  reader: Pick<Reader, 'get'>,
  studyId: string,
  pseudonym: string,
): Promise<Participation> {
  const found = await participationOf(reader, studyId, pseudonym);
  if (!found) throw new ChaincodeError('not_joined');
  if (found.participant.withdrawn !== null) throw new ChaincodeError('participant_withdrawn');
  return found;
}

/**
 * The study, for those whom it names and for who oversees. @throws ChaincodeError `not_own_study`
 */
export async function readableStudy({ actor, reader }: QueryCall, studyId: string): Promise<Study> {
  const study = await studyNamed(reader, studyId);
  const { identity, role } = identityOf(actor);
  const isNamed = [study.researcher, study.coordinator].includes(identity.subject);
  const isOverseer = role === 'auditor' || role === 'operator';
  if (!isNamed && !isOverseer) throw new ChaincodeError('not_own_study');
  return study;
}

/** Whether data of a participant may be used: nobody withdrew it, or had everything erased. */
export async function isStaying(
  reader: Pick<Reader, 'get'>,
  participant: Participant | null | undefined,
): Promise<boolean> {
  if (!participant || participant.withdrawn !== null) return false;
  return !(await isPatientErased(reader, participant.pseudonym));
}

async function tellNamed(
  draft: Draft,
  { researcher, coordinator }: Study,
  topic: 'study.approved' | 'study.closed',
): Promise<void> {
  await draft.notify({ subject: researcher }, topic);
  await draft.notify({ subject: coordinator }, topic);
}

/** The study, if the one who acts is who it names. @throws ChaincodeError `not_own_study` */
export async function ownStudy(
  { draft, actor }: TransactionCall,
  studyId: string,
  as: 'researcher' | 'coordinator',
): Promise<Study> {
  const study = await studyNamed(draft.reader, studyId);
  if (study[as] !== identityOf(actor).identity.subject) throw new ChaincodeError('not_own_study');
  return study;
}
