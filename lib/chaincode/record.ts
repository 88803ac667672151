/** Records: registered by writers, stored by the custodian, reviewed by the patient (design §8). */
import { z } from 'zod';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { decide, heldBy, teamOf } from './decision.ts';
import type { Draft } from './draft.ts';
import { revisionOf } from './epochs.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, idField, monthField, pseudonymField, revisionField } from './fields.ts';
import { tagField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { keys, lists } from './keys.ts';
import { actingFor, coversData } from './representation.ts';
import { alertReaders } from './readers.ts';
import { writers } from './roles.ts';
import { newestPseudonym } from './rotation.ts';
import { type MedicalRecord, type Permission, retractReasonField } from './values.ts';

/** Why a patient disputes a record. */
export const disputeReasonField = z.enum([
  'wrong-patient',
  'wrong-content',
  'incomplete',
  'duplicate',
  'not-consented',
  'other',
]);

const registerSchema = z.strictObject({
  recordId: idField,
  pseudonym: pseudonymField,
  categoryTag: tagField,
  /** The category key that the file key is sealed to. */
  epoch: z.strictObject({ month: monthField, revision: revisionField }),
  /** Month that the data is of. */
  dataMonth: monthField,
  /** Bytes of the padded ciphertext. */
  ciphertextLength: z.int().min(1).max(chaincodeBounds.ciphertextBytesMax),
  /** Composite SHA-256 of the ciphertext. */
  digest: digestField,
  /** Salted commitment to the sealed metadata. */
  metadataCommitment: digestField,
  /** Digest of the file key's wrap. */
  wrapDigest: digestField,
  /** An earlier record that this one corrects. */
  supersedes: idField.optional(),
});

export const recordRegister = defineTransaction({
  name: 'record.register',
  summary: 'Announces a record; its receipt lets the custodian take exactly these bytes.',
  roles: writers,
  schema: registerSchema,
  hints: ({ recordId, pseudonym, categoryTag, dataMonth, supersedes }) => [
    keys.record(recordId),
    keys.patient(pseudonym),
    keys.epoch(pseudonym, categoryTag),
    lists.records(pseudonym).count,
    lists.tagRecords(pseudonym, categoryTag).count,
    lists.monthRecords(pseudonym, categoryTag, dataMonth).count,
    lists.history(pseudonym).count,
    ...(supersedes === undefined ? [] : [keys.record(supersedes)]),
  ],
  async run(args, call) {
    const { draft, context } = call;
    const { recordId, pseudonym, categoryTag, epoch, dataMonth } = args;
    const { identity, kid } = identityOf(call.actor);
    if (!(await draft.get(cells.patient(pseudonym)))) throw new ChaincodeError('unknown_patient');
    const permission = await requireWrite(call, identity.subject, args);
    if (await isPatientErased(draft, pseudonym)) throw new ChaincodeError('patient_erased');
    if (await draft.get(cells.record(recordId))) throw new ChaincodeError('record_exists');
    const epochs = await draft.get(cells.epoch(pseudonym, categoryTag));
    const revision = revisionOf(epochs, epoch.month);
    if (epoch.revision < revision) throw new ChaincodeError('epoch_superseded');
    if (epoch.revision > revision) throw new ChaincodeError('epoch_unknown');
    if (args.supersedes !== undefined) await requireSupersedable(draft, args.supersedes, args);
    draft.put(cells.record(recordId), {
      id: recordId,
      pseudonym,
      categoryTag,
      epoch,
      dataMonth,
      ciphertextLength: args.ciphertextLength,
      digest: args.digest,
      generation: 0,
      objectDigest: args.digest,
      rotation: null,
      metadataCommitment: args.metadataCommitment,
      wrapDigest: args.wrapDigest,
      uploader: { kid, subject: identity.subject, hospital: identity.hospital },
      registered: { time: context.time, height: context.height },
      stored: null,
      review: 'awaiting',
      disputeReason: null,
      supersedes: args.supersedes ?? null,
      supersededBy: null,
      erased: null,
      retracted: null,
    });
    const entry = { recordId, dataMonth };
    await draft.append(listCells.records(pseudonym), entry);
    await draft.append(listCells.tagRecords(pseudonym, categoryTag), entry);
    await draft.append(listCells.monthRecords(pseudonym, categoryTag, dataMonth), entry);
    const by = { permissionId: permission.id, team: teamOf(permission) };
    await remember(call, pseudonym, { recordId, ...by, categories: [categoryTag] });
    const { ciphertextLength, digest, metadataCommitment, wrapDigest } = args;
    const bytes = { ciphertextLength, digest, metadataCommitment, wrapDigest };
    return { recordId, pseudonym, categoryTag, epoch, dataMonth, ...bytes, uploaderKid: kid };
  },
});

export const recordStored = defineTransaction({
  name: 'record.stored',
  summary: 'The custodian holds the registered bytes: the record can be read from now on.',
  roles: ['custodian'],
  schema: z.strictObject({ recordId: idField, objectDigest: digestField }),
  hints: ({ recordId }) => [keys.record(recordId)],
  async run({ recordId, objectDigest }, call) {
    const { draft, context } = call;
    const record = await draft.get(cells.record(recordId));
    if (!record) throw new ChaincodeError('unknown_record');
    if (record.stored !== null) throw new ChaincodeError('already_stored');
    const isErased = record.erased !== null || (await isPatientErased(draft, record.pseudonym));
    if (isErased) throw new ChaincodeError('record_erased');
    if (record.digest !== objectDigest) throw new ChaincodeError('digest_mismatch');
    if (await draft.get(cells.rotated(record.pseudonym))) {
      throw new ChaincodeError('patient_rotated');
    }
    const stored = { time: context.time, height: context.height };
    draft.put(cells.record(recordId), { ...record, stored });
    if (record.supersedes !== null) {
      await markSuperseded(draft, record.supersedes, recordId);
      await alertReaders(call, record.supersedes, 'record.corrected');
    }
    const { pseudonym, categoryTag } = record;
    await remember(call, pseudonym, { recordId, categories: [categoryTag] });
    await draft.notify({ pseudonym }, 'record.stored', { recordId });
    return { recordId, objectDigest };
  },
});

export const recordRetract = defineTransaction({
  name: 'record.retract',
  summary:
    'The writer takes a record back: no clinician opens it any more, and all who read it are told. ' +
    'What is about somebody else the patient then has erased.',
  roles: writers,
  schema: z.strictObject({ recordId: idField, reason: retractReasonField }),
  hints: ({ recordId }) => [keys.record(recordId), keys.readers(recordId)],
  async run({ recordId, reason }, call) {
    const { draft, context } = call;
    const record = await draft.get(cells.record(recordId));
    const { subject } = identityOf(call.actor).identity;
    if (record?.uploader.subject !== subject) throw new ChaincodeError('unknown_record');
    if (record.erased !== null) throw new ChaincodeError('record_erased');
    if (record.stored === null) throw new ChaincodeError('record_not_stored');
    if (record.retracted) throw new ChaincodeError('record_retracted');
    const retracted = { time: context.time, height: context.height, reason };
    draft.put(cells.record(recordId), { ...record, retracted });
    const pseudonym = await newestPseudonym(draft.reader, record.pseudonym);
    await remember(call, pseudonym, { recordId, categories: [record.categoryTag], reason });
    await draft.notify({ pseudonym }, 'record.retracted', { recordId });
    const told = await alertReaders(call, recordId, 'record.retracted');
    return { recordId, reason, ...told };
  },
});

export const recordCountersign = defineTransaction({
  name: 'record.countersign',
  summary: 'The patient confirms a stored record, naming its digest.',
  roles: ['patient', 'representative'],
  schema: z.strictObject({ recordId: idField, objectDigest: digestField }),
  hints: ({ recordId }) => [keys.record(recordId)],
  async run({ recordId, objectDigest }, call) {
    const record = await reviewable(call, recordId);
    if (record.digest !== objectDigest) throw new ChaincodeError('digest_mismatch');
    if (record.review === 'countersigned') throw new ChaincodeError('already_countersigned');
    const reviewed = { ...record, review: 'countersigned', disputeReason: null } as const;
    call.draft.put(cells.record(recordId), reviewed);
    await tellReview(call, record, 'record.countersigned', null);
    return { recordId, review: 'countersigned' };
  },
});

export const recordDispute = defineTransaction({
  name: 'record.dispute',
  summary: 'The patient disputes a stored record, with a coded reason.',
  roles: ['patient', 'representative'],
  schema: z.strictObject({ recordId: idField, reasonCode: disputeReasonField }),
  hints: ({ recordId }) => [keys.record(recordId)],
  async run({ recordId, reasonCode }, call) {
    const record = await reviewable(call, recordId);
    if (record.review === 'disputed') throw new ChaincodeError('already_disputed');
    const reviewed = { ...record, review: 'disputed', disputeReason: reasonCode } as const;
    call.draft.put(cells.record(recordId), reviewed);
    await tellReview(call, record, 'record.disputed', reasonCode);
    const isWrong = reasonCode === 'wrong-patient' || reasonCode === 'wrong-content';
    const told = isWrong ? await alertReaders(call, recordId, 'record.doubted') : {};
    return { recordId, review: 'disputed', ...told };
  },
});

/** The live permission to write this category and month. @throws ChaincodeError of a decision */
async function requireWrite(
  { draft, context }: TransactionCall,
  subject: string,
  args: z.infer<typeof registerSchema>,
): Promise<Permission> {
  const held = await heldBy(draft.reader, args.pseudonym, subject);
  const { categoryTag, dataMonth } = args;
  const judged = decide(held, { right: 'write', time: context.time, categoryTag, dataMonth });
  if (judged.decision === 'deny') throw new ChaincodeError(judged.reason);
  return judged.permission;
}

async function requireSupersedable(
  draft: Draft,
  earlierId: string,
  { pseudonym, categoryTag }: { pseudonym: string; categoryTag: string },
): Promise<void> {
  const earlier = await draft.get(cells.record(earlierId));
  const isSame = earlier?.pseudonym === pseudonym && earlier.categoryTag === categoryTag;
  if (!earlier || !isSame || earlier.stored === null || earlier.erased !== null) {
    throw new ChaincodeError('unknown_superseded');
  }
  if (earlier.retracted) throw new ChaincodeError('record_retracted');
  if (earlier.supersededBy !== null) throw new ChaincodeError('already_superseded');
}

/** The first stored correction is the successor; a later one still names what it corrects. */
async function markSuperseded(draft: Draft, earlierId: string, recordId: string): Promise<void> {
  const cell = cells.record(earlierId);
  const earlier = await draft.get(cell);
  if (!earlier) throw new Error(`superseded record ${earlierId} is missing`);
  if (earlier.supersededBy === null) draft.put(cell, { ...earlier, supersededBy: recordId });
}

/** The patient's own stored record. Others' are unknown, so that ids cannot be tried out. */
async function reviewable(call: TransactionCall, recordId: string): Promise<MedicalRecord> {
  const actor = actingFor(call.actor, 'countersign');
  const record = await call.draft.get(cells.record(recordId));
  if (record?.pseudonym !== actor.pseudonym) throw new ChaincodeError('unknown_record');
  if (actor.kind === 'representative' && !coversData(actor.appointment, record)) {
    throw new ChaincodeError('unknown_record');
  }
  if (record.erased !== null) throw new ChaincodeError('record_erased');
  if (record.stored === null) throw new ChaincodeError('record_not_stored');
  return record;
}

async function tellReview(
  call: TransactionCall,
  record: MedicalRecord,
  topic: 'record.countersigned' | 'record.disputed',
  reason: string | null,
): Promise<void> {
  const { id: recordId, pseudonym, categoryTag, uploader } = record;
  await remember(call, pseudonym, { recordId, categories: [categoryTag], reason });
  await call.draft.notify({ subject: uploader.subject }, topic, { recordId });
}
