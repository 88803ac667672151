/** Queries over records: a clinician's reads touch keys of granted categories and months only. */
import { z } from 'zod';
import { patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { decide } from './decision.ts';
import { present, type Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import {
  idField,
  monthField,
  monthsBetween,
  monthsOf,
  pseudonymField,
  tagField,
} from './fields.ts';
import {
  defineQuery,
  type IdentityActor,
  type QueryCall,
  type RepresentativeActor,
} from './functions.ts';
import { ownOrEarlier, pageArgs } from './history.ts';
import { keys } from './keys.ts';
import { heldByViewer } from './representation.ts';
import { clinicians } from './roles.ts';
import type { MedicalRecord } from './values.ts';

const listSchema = z
  .strictObject({
    pseudonym: pseudonymField.optional(),
    categoryTag: tagField.optional(),
    /** Data of these months only, both ends included. */
    months: z
      .strictObject({ from: monthField, until: monthField })
      .refine(({ from, until }) => from <= until, 'the range ends before it starts')
      .refine(({ from, until }) => monthsBetween(from, until) <= chaincodeBounds.queryMonthsMax)
      .optional(),
    ...pageArgs,
  })
  .refine(({ categoryTag, months }) => !months || categoryTag, 'months need a category');
type ListArgs = z.infer<typeof listSchema>;

export const recordList = defineQuery({
  name: 'record.list',
  summary:
    'A page of records: of the patient, of a category, or of a category’s months. A clinician ' +
    'names patient and category, and months unless the permission is open.',
  roles: ['patient', 'representative', ...clinicians],
  schema: listSchema,
  async run(args, call) {
    const pseudonym = await listablePatient(args, call);
    const { categoryTag, months, from, count } = args;
    if (categoryTag !== undefined && months !== undefined) {
      return monthsPage(call.reader, { pseudonym, categoryTag, months, from, count });
    }
    const list =
      categoryTag === undefined
        ? listCells.records(pseudonym)
        : listCells.tagRecords(pseudonym, categoryTag);
    const page = await call.reader.page(list, { from, count });
    return { ...page, items: await recordsOf(call.reader, page.items) };
  },
});

export const recordGet = defineQuery({
  name: 'record.get',
  summary: 'One record’s entry, for its patient, its uploader, the custodian and its readers.',
  roles: ['patient', 'representative', ...clinicians, 'custodian'],
  schema: z.strictObject({ recordId: idField }),
  hints: ({ recordId }) => [keys.record(recordId)],
  async run({ recordId }, call) {
    const record = await call.reader.get(cells.record(recordId));
    if (!record || !(await maySee(call, record))) throw new ChaincodeError('unknown_record');
    return record;
  },
});

async function maySee({ actor, reader, context }: QueryCall, record: MedicalRecord) {
  if (actor.kind === 'patient') return record.pseudonym === patientOf(actor).pseudonym;
  if (actor.role === 'custodian') return true;
  // Who only wrote it must not learn the pseudonym that a rotation gave it.
  const isUploader =
    actor.kind === 'identity' && record.uploader.subject === actor.identity.subject;
  if (isUploader && record.rotation === null) return true;
  const held = await heldByViewer(reader, record.pseudonym, actor);
  const { categoryTag, dataMonth } = record;
  const wanted = { right: 'read', time: context.time, categoryTag, dataMonth } as const;
  return decide(held, wanted).decision === 'permit';
}

/** Whose records are listed, if the actor may. @throws ChaincodeError of a decision */
async function listablePatient(args: ListArgs, call: QueryCall): Promise<string> {
  const { actor } = call;
  if (actor.kind === 'patient') {
    return ownOrEarlier(call.reader, patientOf(actor).pseudonym, args.pseudonym);
  }
  const { categoryTag, months } = args;
  const pseudonym =
    args.pseudonym ?? (actor.kind === 'representative' ? actor.pseudonym : undefined);
  if (pseudonym === undefined || categoryTag === undefined) {
    throw new ChaincodeError('bad_arguments', 'name a patient and a category');
  }
  await requireReadable(call, actor, { pseudonym, categoryTag, months });
  return pseudonym;
}

/** Every month that is asked for is covered; the whole category only by an open permission. */
async function requireReadable(
  { reader, context }: QueryCall,
  actor: IdentityActor | RepresentativeActor,
  asked: { pseudonym: string; categoryTag: string; months: ListArgs['months'] },
): Promise<void> {
  const { pseudonym, categoryTag, months } = asked;
  const held = await heldByViewer(reader, pseudonym, actor);
  const wanted = { right: 'read', time: context.time, categoryTag } as const;
  if (months === undefined) {
    const judged = decide(held, wanted);
    if (judged.decision === 'deny') throw new ChaincodeError(judged.reason);
    const open = held.filter((one) => one.dataFrom === null && one.dataUntil === null);
    if (decide(open, wanted).decision === 'deny') throw new ChaincodeError('period_not_granted');
    return;
  }
  for (const dataMonth of monthsOf(months.from, months.until)) {
    const judged = decide(held, { ...wanted, dataMonth });
    if (judged.decision === 'deny') throw new ChaincodeError(judged.reason);
  }
}

interface MonthsRequest {
  pseudonym: string;
  categoryTag: string;
  months: { from: string; until: string };
  /** Where to start in the first month. */
  from: number | undefined;
  count: number | undefined;
}

/** Records month by month; `next` says where to go on, null at the end. */
async function monthsPage(reader: Reader, asked: MonthsRequest) {
  const { pseudonym, categoryTag, months } = asked;
  const size = asked.count ?? chaincodeBounds.pageDefault;
  const items: MedicalRecord[] = [];
  let offset = asked.from ?? 0;
  for (const month of monthsOf(months.from, months.until)) {
    const list = listCells.monthRecords(pseudonym, categoryTag, month);
    const page = await reader.page(list, { from: offset, count: size - items.length });
    items.push(...(await recordsOf(reader, page.items)));
    const reached = page.from + page.items.length;
    if (reached < page.count) return { items, next: { month, from: reached } };
    offset = 0;
  }
  return { items, next: null };
}

async function recordsOf(
  reader: Reader,
  entries: readonly { recordId: string }[],
): Promise<MedicalRecord[]> {
  return present(
    reader,
    entries.map(({ recordId }) => cells.record(recordId)),
  );
}
