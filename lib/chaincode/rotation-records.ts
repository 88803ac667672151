/** Records in a rotation: a new layer by the custodian, then new tags and wraps by the patient. */
import { z } from 'zod';
import { patientOf } from './actor.ts';
import { cells, listCells } from './cells.ts';
import { revisionOf } from './epochs.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, idField, monthField, revisionField, tagField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { ownOrEarlier, remember } from './history.ts';
import { keys } from './keys.ts';
import { newestPseudonym, requireOpenRotation } from './rotation.ts';
import { generationField, type Rotation } from './rotation-values.ts';
import type { MedicalRecord } from './values.ts';

export const recordRelayered = defineTransaction({
  name: 'record.relayered',
  summary: 'The custodian put a new layer on a record of a patient who rotates; old bytes end.',
  roles: ['custodian'],
  schema: z.strictObject({
    recordId: idField,
    /** One above the present one. */
    generation: generationField.min(1),
    /** Composite SHA-256 of the bytes with the new layer. */
    objectDigest: digestField,
  }),
  hints: ({ recordId }) => [keys.record(recordId)],
  async run({ recordId, generation, objectDigest }, call) {
    const { draft } = call;
    const record = await draft.get(cells.record(recordId));
    if (!record) throw new ChaincodeError('unknown_record');
    if (record.stored === null) throw new ChaincodeError('record_not_stored');
    if (record.erased !== null) throw new ChaincodeError('record_erased');
    const to = await newestPseudonym(draft.reader, record.pseudonym);
    if (to === record.pseudonym) throw new ChaincodeError('rotation_over');
    await requireOpenRotation(draft.reader, to);
    if (record.rotation?.step === 'left') throw new ChaincodeError('already_moved');
    if (record.rotation?.to === to) throw new ChaincodeError('already_relayered');
    if (generation !== record.generation + 1) throw new ChaincodeError('generation_mismatch');
    if (objectDigest === record.objectDigest || objectDigest === record.digest) {
      throw new ChaincodeError('digest_unchanged');
    }
    const rotation = { to, step: 'relayered' } as const;
    draft.put(cells.record(recordId), { ...record, generation, objectDigest, rotation });
    await remember(call, to, { recordId, categories: [record.categoryTag] });
    draft.announce(to, 'record.relayered');
    return { recordId, generation, objectDigest };
  },
});

export const recordRetag = defineTransaction({
  name: 'record.retag',
  summary:
    'Brings a re-encrypted record under the new pseudonym, with a new tag and new wraps. May be ' +
    'repeated until the rotation is finished.',
  roles: ['patient'],
  schema: z.strictObject({
    recordId: idField,
    /** Those that the custodian committed: the patient agrees to them. */
    generation: generationField.min(1),
    objectDigest: digestField,
    categoryTag: tagField,
    epoch: z.strictObject({ month: monthField, revision: revisionField }),
    metadataCommitment: digestField,
    wrapDigest: digestField,
  }),
  hints: ({ recordId }) => [keys.record(recordId)],
  async run(args, call) {
    const { draft } = call;
    const { recordId, categoryTag, epoch, metadataCommitment, wrapDigest } = args;
    const { record, rotation, own } = await movable(call, recordId);
    if (record.erased !== null) throw new ChaincodeError('record_erased');
    if (record.rotation?.to !== own) throw new ChaincodeError('not_relayered');
    const isAgain = record.rotation.step === 'retagged';
    if (isAgain && record.categoryTag !== categoryTag) throw new ChaincodeError('already_moved');
    if (args.generation !== record.generation) throw new ChaincodeError('generation_mismatch');
    if (args.objectDigest !== record.objectDigest) throw new ChaincodeError('digest_mismatch');
    const epochs = await draft.get(cells.epoch(own, categoryTag));
    const revision = revisionOf(epochs, epoch.month);
    if (epoch.revision < revision) throw new ChaincodeError('epoch_superseded');
    if (epoch.revision > revision) throw new ChaincodeError('epoch_unknown');
    draft.put(cells.record(recordId), {
      ...record,
      pseudonym: own,
      categoryTag,
      epoch,
      metadataCommitment,
      wrapDigest,
      rotation: { to: own, step: 'retagged' },
    });
    if (!isAgain) {
      const { dataMonth } = record;
      const entry = { recordId, dataMonth };
      await draft.append(listCells.records(own), entry);
      await draft.append(listCells.tagRecords(own, categoryTag), entry);
      await draft.append(listCells.monthRecords(own, categoryTag, dataMonth), entry);
      draft.put(cells.rotation(own), { ...rotation, done: rotation.done + 1 });
    }
    await remember(call, own, { recordId, categories: [categoryTag] });
    const { generation, objectDigest, dataMonth } = record;
    const object = { generation, objectDigest, wrapDigest };
    const { kid: ownerKid } = call.actor;
    return { recordId, pseudonym: own, ownerKid, categoryTag, dataMonth, ...object };
  },
});

export const recordLeave = defineTransaction({
  name: 'record.leave',
  summary:
    'Leaves a record behind in a rotation: one that was never stored, or that the custodian lost. ' +
    'Nobody can read it any more. May be repeated until the rotation is finished.',
  roles: ['patient'],
  schema: z.strictObject({ recordId: idField }),
  hints: ({ recordId }) => [keys.record(recordId)],
  async run({ recordId }, call) {
    const { draft } = call;
    const { record, rotation, own } = await movable(call, recordId, { isLeaving: true });
    if (record.pseudonym === own) throw new ChaincodeError('already_moved');
    const value = { recordId, pseudonym: own, ownerKid: call.actor.kid, left: true };
    // Said again it changes nothing: the custodian may want a receipt of validators of now.
    if (record.rotation?.step === 'left') return value;
    draft.put(cells.record(recordId), { ...record, rotation: { to: own, step: 'left' } });
    draft.put(cells.rotation(own), { ...rotation, done: rotation.done + 1 });
    await remember(call, own, { recordId, categories: [record.categoryTag] });
    return value;
  },
});

interface Movable {
  record: MedicalRecord;
  rotation: Rotation;
  own: string;
}

/** A record of an earlier pseudonym, or one that just came over. Others' are unknown. */
async function movable(
  call: TransactionCall,
  recordId: string,
  { isLeaving = false } = {},
): Promise<Movable> {
  const { pseudonym: own } = patientOf(call.actor);
  const { reader } = call.draft;
  const rotation = await requireOpenRotation(reader, own);
  const record = await reader.get(cells.record(recordId));
  if (!record) throw new ChaincodeError('unknown_record');
  try {
    await ownOrEarlier(reader, own, record.pseudonym);
  } catch (error) {
    if (error instanceof ChaincodeError) throw new ChaincodeError('unknown_record');
    throw error;
  }
  // What was left behind is not counted again; what was written here has nowhere to come from.
  const isNative = record.pseudonym === own && record.rotation?.to !== own;
  const isLeftBefore = record.rotation?.step === 'left';
  const isLeftHere = isLeftBefore && record.rotation?.to === own;
  if (isNative || (isLeftBefore && !(isLeaving && isLeftHere))) {
    throw new ChaincodeError('already_moved');
  }
  return { record, rotation, own };
}
