/**
 * Publication: a study’s researcher gets releases once no class of them is too small (design §8).
 */
import { z } from 'zod';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, distinct, labelField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { keys, lists } from './keys.ts';
import { isMarked } from './release.ts';
import { isStaying, ownStudy, requireApproved } from './study.ts';
import type { Study } from './study-values.ts';

const sequenceField = z
  .int()
  .min(0)
  .max(chaincodeBounds.releasesOfStudyMax - 1);
const classesField = z
  .array(
    z.strictObject({
      classId: z.int().min(1),
      members: z
        .array(
          z.strictObject({
            participant: digestField,
            releases: distinct(sequenceField, 1, chaincodeBounds.publishedReleasesMax),
          }),
        )
        .min(1)
        .max(chaincodeBounds.publishedMembersMax),
    }),
  )
  .min(1)
  .max(chaincodeBounds.publishedMembersMax)
  .refine((classes) => {
    const all = classes.flatMap(({ members }) => members.map((one) => one.participant));
    return all.length <= chaincodeBounds.publishedMembersMax && new Set(all).size === all.length;
  }, 'a participant is named twice, or there are too many')
  .refine(
    (classes) => new Set(classes.map((one) => one.classId)).size === classes.length,
    'a class is named twice',
  );
type Class = z.infer<typeof classesField>[number];

export const releasePublish = defineTransaction({
  name: 'release.publish',
  summary:
    'The coordinator publishes releases by classes of patients that cannot be told apart; the ' +
    'ledger counts the patients of each.',
  roles: ['coordinator'],
  schema: z.strictObject({
    studyId: labelField,
    /** One more than there are. */
    batch: z.int().min(1),
    /** Digest over the rows that are sealed to the researcher, in the order of the members. */
    rowsDigest: digestField,
    classes: classesField,
  }),
  hints: ({ studyId, batch, classes }) => [
    ...[keys.study(studyId), keys.batch(studyId, batch), keys.published(studyId)],
    ...classes.flatMap(({ classId, members }) => [
      keys.studyClass(studyId, classId),
      ...members.flatMap(({ participant, releases }) => [
        keys.participant(studyId, participant),
        ...releases.map((sequence) => lists.releases(studyId).entry(sequence)),
      ]),
    ]),
  ],
  async run({ studyId, batch, rowsDigest, classes }, call) {
    const { draft, context } = call;
    const study = await ownStudy(call, studyId, 'coordinator');
    requireApproved(study, context.time);
    if (batch !== study.batches + 1) throw new ChaincodeError('batch_not_next');
    const published = await draft.get(cells.published(studyId));
    let bits = published ?? new Uint8Array();
    let made = study.classes;
    for (const one of classes) {
      if (await publishClass(call, study, one, made)) made += 1;
      for (const { participant, releases } of one.members) {
        bits = await markReleases(call, studyId, { participant, releases }, bits);
      }
    }
    draft.put(cells.published(studyId), bits);
    const at = { time: context.time, height: context.height };
    draft.put(cells.batch(studyId, batch), { rowsDigest, classes, published: at });
    draft.put(cells.study(studyId), { ...study, batches: batch, classes: made });
    await draft.notify({ subject: study.researcher }, 'release.published');
    const members = classes.reduce((sum, one) => sum + one.members.length, 0);
    return { studyId, batch, coordinatorKid: call.actor.kid, rowsDigest, members };
  },
});

/**
 * A class has k patients or more. A new one has the next number and nobody of another class; one of
 * before is named whole, but for those who withdrew, so that what comes later tells nobody apart.
 * Gives whether it is new.
 */
async function publishClass(
  { draft }: TransactionCall,
  { id: studyId, k }: Study,
  { classId, members }: Class,
  made: number,
): Promise<boolean> {
  if (members.length < k) throw new ChaincodeError('class_too_small');
  const isNew = classId > made;
  if (isNew && classId !== made + 1) throw new ChaincodeError('class_changed');
  for (const { participant: handle } of members) {
    const cell = cells.participant(studyId, handle);
    const participant = await draft.get(cell);
    if (!participant) throw new ChaincodeError('unknown_participant');
    if (!(await isStaying(draft.reader, participant))) {
      throw new ChaincodeError('participant_withdrawn');
    }
    if (participant.classId !== (isNew ? null : classId)) throw new ChaincodeError('class_changed');
    if (isNew) draft.put(cell, { ...participant, classId });
  }
  const cell = cells.studyClass(studyId, classId);
  if (isNew) {
    const handles = members.map(({ participant }) => participant);
    draft.put(cell, handles);
    return true;
  }
  let staying = 0;
  for (const handle of (await draft.get(cell)) ?? []) {
    const participant = await draft.get(cells.participant(studyId, handle));
    if (await isStaying(draft.reader, participant)) staying += 1;
  }
  if (members.length !== staying) throw new ChaincodeError('class_changed');
  return false;
}

/** Marks releases of one participant as published. */
async function markReleases(
  { draft }: TransactionCall,
  studyId: string,
  { participant, releases }: Class['members'][number],
  bits: Uint8Array,
): Promise<Uint8Array> {
  const list = listCells.releases(studyId);
  let marked = bits;
  for (const sequence of releases) {
    const entry = await draft.get({ key: list.keys.entry(sequence), schema: list.schema });
    if (entry?.participant !== participant) throw new ChaincodeError('unknown_release');
    if (isMarked(marked, sequence)) throw new ChaincodeError('already_published');
    const length = Math.max(marked.length, (sequence >> 3) + 1);
    const next = new Uint8Array(length);
    next.set(marked);
    next[sequence >> 3] = (next[sequence >> 3] ?? 0) | (1 << (sequence & 7));
    marked = next;
  }
  return marked;
}
