/** Releases to studies: what a doctor may give, who counts it, and what a researcher may have. */
import { z } from 'zod';
import { identityOf, patientOf } from './actor.ts';
import { cells, listCells } from './cells.ts';
import { chaincodeBounds } from './bounds.ts';
import { decide, heldBy, teamOf } from './decision.ts';
import { present } from './draft.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, distinct, idField, labelField, pseudonymField } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { ownOrEarlier, pageArgs, remember } from './history.ts';
import { keys, lists } from './keys.ts';
import {
  isStaying,
  ownStudy,
  participantOf,
  readableStudy,
  requireApproved,
  studyNamed,
  studyReaders,
} from './study.ts';
import type { MedicalRecord, Permission } from './values.ts';

export const releaseSubmit = defineTransaction({
  name: 'release.submit',
  summary:
    'A doctor whom the patient lets share releases a record to a study, cleaned of identifiers.',
  roles: ['doctor'],
  schema: z.strictObject({
    releaseId: idField,
    studyId: labelField,
    recordId: idField,
    /** Commitment to what the coordinator counts. */
    rowCommitment: digestField,
    /** Digests of what is sealed to coordinator and researcher. */
    rowDigest: digestField,
    payloadDigest: digestField,
  }),
  hints: ({ releaseId, studyId, recordId }) => [
    keys.release(releaseId),
    keys.study(studyId),
    keys.record(recordId),
    keys.releasedRecord(studyId, recordId),
    lists.releases(studyId).count,
  ],
  async run(args, call) {
    const { draft, context } = call;
    const { releaseId, studyId, recordId } = args;
    const { identity, kid } = identityOf(call.actor);
    requireApproved(await studyNamed(draft.reader, studyId), context.time);
    const record = await draft.get(cells.record(recordId));
    if (!record) throw new ChaincodeError('unknown_record');
    const permission = await requireShare(call, identity.subject, record, studyId);
    await requireReleasable(call, record);
    if (await draft.get(cells.release(releaseId))) throw new ChaincodeError('release_exists');
    if (await draft.get(cells.releasedRecord(studyId, recordId))) {
      throw new ChaincodeError('already_released');
    }
    const { pseudonym, categoryTag, uploader, review } = record;
    const { handle, participant } = await participantOf(draft.reader, studyId, pseudonym);
    const sequence = await draft.reader.count(listCells.releases(studyId));
    if (sequence >= chaincodeBounds.releasesOfStudyMax) {
      throw new ChaincodeError('too_many_releases');
    }
    const source = await draft.get(cells.subject(uploader.subject));
    const released = { time: context.time, height: context.height };
    const { rowCommitment, rowDigest, payloadDigest } = args;
    const { subject, hospital } = identity;
    await draft.append(listCells.releases(studyId), {
      ...{ participant: handle, commitment: participant.commitment },
      ...{ rowCommitment, rowDigest, payloadDigest },
      source: {
        hospital: uploader.hospital,
        role: source?.role ?? 'unknown',
        review: review === 'countersigned' ? review : 'awaiting',
      },
      releasedBy: { hospital },
    });
    draft.put(cells.release(releaseId), {
      ...{ id: releaseId, studyId, sequence, pseudonym, recordId, permissionId: permission.id },
      ...{ participant: handle, doctor: subject, hospital, released },
      transaction: call.transactionId,
    });
    draft.put(cells.releasedRecord(studyId, recordId), { releaseId });
    await draft.append(listCells.patientReleases(pseudonym), { releaseId });
    const by = { permissionId: permission.id, team: teamOf(permission) };
    const categories = [categoryTag];
    await remember(call, pseudonym, {
      ...{ recordId, ...by, categories, purpose: 'RESCH', study: studyId },
    });
    const about = { recordId, permissionId: permission.id };
    await draft.notify({ pseudonym }, 'release.submitted', about);
    const sealed = { rowDigest, payloadDigest };
    return { releaseId, studyId, participant: handle, sequence, doctorKid: kid, ...sealed };
  },
});

export const releaseCollect = defineTransaction({
  name: 'release.collect',
  summary: 'Lets the coordinator of a study fetch what it counts; recorded as every access is.',
  roles: ['coordinator'],
  schema: z.strictObject({ studyId: labelField }),
  hints: ({ studyId }) => [keys.study(studyId)],
  async run({ studyId }, call) {
    const { context, actor } = call;
    requireApproved(await ownStudy(call, studyId, 'coordinator'), context.time);
    const usableUntil = context.time + context.parameters.receiptUsableMs;
    const decision = 'permit';
    return { decision, studyId, readerKid: actor.kid, decidedAt: context.time, usableUntil };
  },
});

export const releaseAccess = defineTransaction({
  name: 'release.access',
  summary: 'Lets the researcher of a study fetch a publication, without those who withdrew.',
  roles: ['researcher'],
  schema: z.strictObject({ studyId: labelField, batch: z.int().min(1) }),
  hints: ({ studyId, batch }) => [keys.study(studyId), keys.batch(studyId, batch)],
  async run({ studyId, batch }, call) {
    const { draft, context, actor } = call;
    const study = await ownStudy(call, studyId, 'researcher');
    if (study.closed !== null) throw new ChaincodeError('study_closed');
    const found = await draft.get(cells.batch(studyId, batch));
    if (!found) throw new ChaincodeError('unknown_batch');
    const handles = found.classes.flatMap(({ members }) => members.map((one) => one.participant));
    const states = await draft.reader.many(handles.map((one) => cells.participant(studyId, one)));
    const here = new Set<string>();
    for (const [at, handle] of handles.entries()) {
      if (await isStaying(draft.reader, states[at])) here.add(handle);
    }
    // What is left of a class that fell below k would single its patients out.
    const members = found.classes.flatMap((one) => {
      const left = one.members.filter(({ participant }) => here.has(participant));
      return left.length < study.k ? [] : left;
    });
    const usableUntil = context.time + context.parameters.receiptUsableMs;
    return {
      decision: 'permit',
      ...{ studyId, batch, readerKid: actor.kid, rowsDigest: found.rowsDigest, members },
      decidedAt: context.time,
      usableUntil,
    };
  },
});

export const releaseList = defineQuery({
  name: 'release.list',
  summary: 'A page of all releases of a study: where each came from, and nobody’s record.',
  // Not the researcher: what is not published is not for the one, not even that it came.
  roles: ['coordinator', 'auditor', 'operator'],
  schema: z.strictObject({ studyId: labelField, ...pageArgs }),
  async run({ studyId, ...page }, call) {
    await readableStudy(call, studyId);
    return call.reader.page(listCells.releases(studyId), page);
  },
});

export const releaseBatch = defineQuery({
  name: 'release.batch',
  summary: 'One publication of a study: its classes, by handles that say nothing of any person.',
  roles: studyReaders,
  schema: z.strictObject({ studyId: labelField, batch: z.int().min(1) }),
  hints: ({ studyId, batch }) => [keys.study(studyId), keys.batch(studyId, batch)],
  async run({ studyId, batch }, call) {
    await readableStudy(call, studyId);
    const found = await call.reader.get(cells.batch(studyId, batch));
    if (!found) throw new ChaincodeError('unknown_batch');
    return { studyId, batch, ...found };
  },
});

export const releaseMine = defineQuery({
  name: 'release.mine',
  summary: 'A page of the releases of the patient’s own records, to all studies.',
  roles: ['patient'],
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym: named, ...args }, { actor, reader }) {
    const pseudonym = await ownOrEarlier(reader, patientOf(actor).pseudonym, named);
    const page = await reader.page(listCells.patientReleases(pseudonym), args);
    const releases = await present(
      reader,
      page.items.map(({ releaseId }) => cells.release(releaseId)),
    );
    const items = [];
    for (const release of releases) {
      const bits = await reader.get(cells.published(release.studyId));
      items.push({ ...release, published: isMarked(bits, release.sequence) });
    }
    return { ...page, items };
  },
});

export const releaseEntries = defineQuery({
  name: 'release.entries',
  summary: 'Where releases of a publication came from, by their numbers: proof of their source.',
  roles: studyReaders,
  schema: z.strictObject({
    studyId: labelField,
    batch: z.int().min(1),
    /** Of this publication. */
    sequences: distinct(
      z
        .int()
        .min(0)
        .max(chaincodeBounds.releasesOfStudyMax - 1),
      1,
      chaincodeBounds.pageMax,
    ),
  }),
  hints: ({ studyId, batch }) => [keys.study(studyId), keys.batch(studyId, batch)],
  async run({ studyId, batch, sequences }, call) {
    await readableStudy(call, studyId);
    const found = await call.reader.get(cells.batch(studyId, batch));
    if (!found) throw new ChaincodeError('unknown_batch');
    const members = found.classes.flatMap((one) => one.members);
    const published = new Set(members.flatMap(({ releases }) => releases));
    if (!sequences.every((one) => published.has(one))) throw new ChaincodeError('unknown_release');
    const list = listCells.releases(studyId);
    const entries = await present(
      call.reader,
      sequences.map((one) => ({ key: list.keys.entry(one), schema: list.schema })),
    );
    const items = entries.map((entry, at) => ({ sequence: sequences[at] as number, ...entry }));
    return { studyId, batch, items };
  },
});

export const releaseKnown = defineQuery({
  name: 'release.known',
  summary: 'Which of these records went to a study before; of patients who let the doctor share.',
  roles: ['doctor'],
  schema: z.strictObject({
    studyId: labelField,
    recordIds: distinct(idField, 1, chaincodeBounds.pageMax),
  }),
  hints: ({ studyId, recordIds }) => recordIds.map((id) => keys.releasedRecord(studyId, id)),
  async run({ studyId, recordIds }, { actor, reader }) {
    const { subject } = identityOf(actor).identity;
    const shared = new Map<string, boolean>();
    const known: string[] = [];
    for (const recordId of recordIds) {
      const record = await reader.get(cells.record(recordId));
      if (!record) throw new ChaincodeError('unknown_record');
      const { pseudonym } = record;
      if (!shared.has(pseudonym)) {
        const held = await heldBy(reader, pseudonym, subject);
        shared.set(
          pseudonym,
          held.some((one) => one.study === studyId),
        );
      }
      if (!shared.get(pseudonym)) throw new ChaincodeError('unknown_record');
      if (await reader.get(cells.releasedRecord(studyId, recordId))) known.push(recordId);
    }
    return { studyId, recordIds: known };
  },
});

/**
 * The live permission to release this record to this study. @throws ChaincodeError of a decision
 */
async function requireShare(
  { draft, context }: TransactionCall,
  subject: string,
  record: MedicalRecord,
  studyId: string,
): Promise<Permission> {
  const { pseudonym, categoryTag, dataMonth } = record;
  const held = await heldBy(draft.reader, pseudonym, subject);
  if (held.length === 0) throw new ChaincodeError('unknown_record');
  const ofStudy = held.filter(({ study }) => study === studyId);
  if (ofStudy.length === 0) throw new ChaincodeError('study_not_granted');
  const where = { categoryTag, dataMonth, purpose: 'RESCH', time: context.time } as const;
  const judged = decide(ofStudy, { right: 'share', ...where });
  if (judged.decision === 'deny') throw new ChaincodeError(judged.reason);
  return judged.permission;
}

async function requireReleasable({ draft }: TransactionCall, record: MedicalRecord): Promise<void> {
  const isErased = record.erased !== null || (await isPatientErased(draft, record.pseudonym));
  if (isErased) throw new ChaincodeError('record_erased');
  if (record.stored === null) throw new ChaincodeError('record_not_stored');
  if (record.review === 'disputed') throw new ChaincodeError('already_disputed');
}

/** Whether the bit of a release is set. */
export function isMarked(bits: Uint8Array | null, sequence: number): boolean {
  return (((bits?.[sequence >> 3] ?? 0) >> (sequence & 7)) & 1) === 1;
}
