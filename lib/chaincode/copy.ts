/** Copies at hospitals: who may make them, who says to hold them, where the patient sees them (§9). */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { validatorIdField } from '../wire/fields.ts';
import { identityOf, patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import type { Copier } from './copy-values.ts';
import { asAppointed, type DenyReason, objectionOf } from './decision.ts';
import type { Draft, Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, distinct, idField, pseudonymField } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { ownOrEarlier, pageArgs, pseudonymsOf, remember } from './history.ts';
import { keys, lists } from './keys.ts';
import { setOf } from './seats.ts';
import type { MedicalRecord, Permission } from './values.ts';

export const patientChooseHospitals = defineTransaction({
  name: 'patient.choose-hospitals',
  summary: 'Names hospitals, two or more or none, that hold copies of everything of the patient.',
  roles: ['patient'],
  schema: z.strictObject({
    hospitals: distinct(validatorIdField, 0, limits.validatorsMax).refine(
      ({ length }) => length === 0 || length >= chaincodeBounds.chosenHospitalsMin,
      'two hospitals at least, or none',
    ),
  }),
  async run({ hospitals }, call) {
    const { draft, context } = call;
    const { pseudonym } = patientOf(call.actor);
    const set = await setOf(draft);
    if (!hospitals.every((one) => set.some(({ id }) => id === one))) {
      throw new ChaincodeError('unknown_hospital');
    }
    const since = { time: context.time, height: context.height };
    draft.put(cells.chosen(pseudonym), { hospitals, since });
    await remember(call, pseudonym, {});
    return { pseudonym, hospitals };
  },
});

export const copyRequest = defineTransaction({
  name: 'copy.request',
  summary: 'Decides what a hospital may copy of a patient now; permit or deny is recorded.',
  roles: ['hospital'],
  schema: z.strictObject({
    pseudonym: pseudonymField,
    /** Permissions that the hospital relies on; none where the patient chose it. */
    permissionIds: distinct(idField, 0, chaincodeBounds.copyPermissionsMax),
  }),
  hints: ({ pseudonym, permissionIds }) => [
    keys.patient(pseudonym),
    keys.chosen(pseudonym),
    keys.copiers(pseudonym),
    keys.patientErasure(pseudonym),
    lists.history(pseudonym).count,
    ...permissionIds.map(keys.permission),
  ],
  async run({ pseudonym, permissionIds }, call) {
    const { draft, context, actor } = call;
    const hospital = hospitalOf(call);
    if (!(await draft.get(cells.patient(pseudonym)))) throw new ChaincodeError('unknown_patient');
    const asked = { pseudonym, hospital, readerKid: actor.kid, decidedAt: context.time };
    const deny = async (reason: string) => {
      await remember(call, pseudonym, { decision: 'deny', reason });
      await draft.notify({ pseudonym }, 'access.denied');
      return { decision: 'deny', reason, ...asked };
    };
    if (await draft.get(cells.patientErasure(pseudonym))) return deny('patient_erased');
    if (await draft.get(cells.rotated(pseudonym))) return deny('patient_rotated');
    const all = (await draft.get(cells.chosen(pseudonym)))?.hospitals.includes(hospital) ?? false;
    const judged = await judge(draft.reader, { pseudonym, hospital, all, permissionIds }, call);
    const { live, reason } = judged;
    if (!all && live.length === 0) return deny(reason);
    await addCopier(draft, pseudonym, hospital, call);
    const scopes = live.flatMap(({ categories, dataFrom, dataUntil }) =>
      categories.map((tag) => ({ tag, dataFrom, dataUntil })),
    );
    const categories = [...new Set(scopes.map(({ tag }) => tag))].sort();
    const permissionId = live[0]?.id ?? null;
    await remember(call, pseudonym, { decision: 'permit', permissionId, categories });
    const shares = live.map(({ id, shareDigest }) => ({ permissionId: id, shareDigest }));
    const longest = context.time + context.parameters.receiptUsableMs;
    const ends = all ? [] : live.map(({ until }) => until);
    const usableUntil = Math.min(longest, ...ends);
    return { decision: 'permit', ...asked, all, scopes, shares, usableUntil };
  },
});

const heldRecord = z.strictObject({ recordId: idField, objectDigest: digestField });

export const copyHeld = defineTransaction({
  name: 'copy.held',
  summary: 'A hospital says that it holds exactly these bytes; the patient sees it in `copy.list`.',
  roles: ['hospital'],
  schema: z.strictObject({
    pseudonym: pseudonymField,
    records: z.array(heldRecord).min(1).max(chaincodeBounds.copyRecordsMax),
  }),
  hints: ({ pseudonym, records }) => [
    keys.copiers(pseudonym),
    ...records.flatMap(({ recordId }) => [keys.record(recordId), keys.copies(recordId)]),
  ],
  async run({ pseudonym, records }, call) {
    const { draft, context } = call;
    const hospital = hospitalOf(call);
    const copier = await requireCopier(draft, pseudonym, hospital);
    const since = { time: context.time, height: context.height };
    const held = [];
    for (const { recordId, objectDigest } of records) {
      const record = await heldRecordOf(draft, pseudonym, recordId);
      if (record.objectDigest !== objectDigest) throw new ChaincodeError('digest_mismatch');
      const copies = (await draft.get(cells.copies(recordId))) ?? [];
      const known = liveCopies(copies, [copier]).find((one) => one.hospital === hospital);
      const entry = { hospital, digest: objectDigest, since };
      if (known?.digest !== objectDigest) {
        const others = without(copies, hospital);
        requireRoom(others);
        draft.put(cells.copies(recordId), [...others, entry]);
      }
      held.push(registeredOf(record));
    }
    await remember(call, pseudonym, aboutRecords(records.map(({ recordId }) => recordId)));
    return { pseudonym, hospital, holderKid: call.actor.kid, records: held };
  },
});

export const copyDeleted = defineTransaction({
  name: 'copy.deleted',
  summary: 'A hospital says, under its signature, that it deleted its copies.',
  roles: ['hospital'],
  schema: z
    .strictObject({
      pseudonym: pseudonymField,
      recordIds: distinct(idField, 0, chaincodeBounds.copyRecordsMax),
      /** Whether nothing of the patient is left there. */
      all: z.boolean(),
    })
    .refine(({ recordIds, all }) => all || recordIds.length > 0, 'nothing is said'),
  hints: ({ pseudonym, recordIds }) => [
    keys.copiers(pseudonym),
    ...recordIds.flatMap((recordId) => [keys.record(recordId), keys.copies(recordId)]),
  ],
  async run({ pseudonym, recordIds, all }, call) {
    const { draft } = call;
    const hospital = hospitalOf(call);
    await requireCopier(draft, pseudonym, hospital);
    for (const recordId of recordIds) {
      await requireRecordOf(draft, pseudonym, recordId);
      await forgetCopy(draft, recordId, hospital);
    }
    if (all) {
      const copiers = (await draft.get(cells.copiers(pseudonym))) ?? [];
      draft.put(cells.copiers(pseudonym), without(copiers, hospital));
    }
    await remember(call, pseudonym, aboutRecords(recordIds));
    await draft.notify({ pseudonym }, 'copy.deleted');
    return { pseudonym, hospital, recordIds, all };
  },
});

export const copyList = defineQuery({
  name: 'copy.list',
  summary:
    'Which hospitals hold copies: of a page of the patient’s records, under an earlier pseudonym ' +
    'too, and who was let to.',
  roles: ['patient'],
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym: named, ...args }, { actor, reader }) {
    const { pseudonym: own } = patientOf(actor);
    const pseudonym = await ownOrEarlier(reader, own, named);
    const page = await reader.page(listCells.records(pseudonym), args);
    const ids = page.items.map(({ recordId }) => recordId);
    const [copies, erasures] = [
      await reader.many(ids.map(cells.copies)),
      await reader.many(ids.map(cells.recordErasure)),
    ];
    const pseudonyms = await pseudonymsOf(reader, own);
    const copierLists = await reader.many(pseudonyms.map(cells.copiers));
    const all = copierLists.flatMap((list) => list ?? []);
    const items = ids.map((recordId, at) => {
      const live = liveCopies(copies[at] ?? [], all);
      return { recordId, copies: live, erasure: erasures[at] ?? null };
    });
    const chosen = (await reader.get(cells.chosen(own)))?.hospitals ?? [];
    const [copiers = [], ...before] = copierLists.map((list) => list ?? []);
    const earlier = before.map((list, at) => ({ pseudonym: pseudonyms[at + 1]!, copiers: list }));
    const erasure = await reader.get(cells.patientErasure(own));
    return { ...page, items, chosen, copiers, earlier, erasure };
  },
});

/**
 * Copies that count: of a hospital that has not said since then that nothing is left with it.
 * What it says of a whole patient so holds for every record, without a write for each.
 */
export function liveCopies<T extends Copier>(
  copies: readonly T[],
  copiers: readonly Copier[],
): T[] {
  return copies.filter(({ hospital, since }) =>
    copiers.some((one) => one.hospital === hospital && one.since.height <= since.height),
  );
}

/** Takes a hospital out of those that hold a record. */
export async function forgetCopy(draft: Draft, recordId: string, hospital: string): Promise<void> {
  const copies = await draft.get(cells.copies(recordId));
  if (!copies?.some((one) => one.hospital === hospital)) return;
  draft.put(cells.copies(recordId), without(copies, hospital));
}

/** One record by its id; many only as what was done with them, which the transaction names. */
export function aboutRecords(recordIds: readonly string[]): { recordId: string | null } {
  const [first, ...others] = recordIds;
  return { recordId: first !== undefined && others.length === 0 ? first : null };
}

function hospitalOf({ actor }: TransactionCall): string {
  const { hospital } = identityOf(actor).identity;
  if (hospital === null) throw new Error('a hospital’s key is of a hospital');
  return hospital;
}

/** Those permissions to read that hold now and are for the hospital, or any if it was chosen. */
async function judge(
  reader: Reader,
  asked: { pseudonym: string; hospital: string; all: boolean; permissionIds: readonly string[] },
  { context }: TransactionCall,
): Promise<{ live: Permission[]; reason: DenyReason }> {
  const live: Permission[] = [];
  let reason: DenyReason = 'no_permission';
  const named = await reader.many(asked.permissionIds.map(cells.permission));
  const own = named.filter((one): one is Permission => one?.pseudonym === asked.pseudonym);
  for (const permission of await asAppointed(reader, own)) {
    const hospital = await hospitalOfGrantee(reader, permission);
    if (hospital === null || (hospital !== asked.hospital && !asked.all)) continue;
    const objection = objectionOf(permission, { right: 'read', time: context.time });
    if (objection !== null) reason = objection;
    else live.push(permission);
  }
  return { live, reason };
}

/** Of which hospital a grantee is: a person at work, or a care team; null once it ended. */
export async function hospitalOfGrantee(
  reader: Pick<Reader, 'get'>,
  { grantee, granteeKind }: Permission,
): Promise<string | null> {
  if (granteeKind === 'team') {
    const team = await reader.get(cells.team(grantee));
    return team?.closed === null ? team.hospital : null;
  }
  const subject = await reader.get(cells.subject(grantee));
  return subject?.status === 'active' ? subject.hospital : null;
}

async function addCopier(
  draft: Draft,
  pseudonym: string,
  hospital: string,
  { context }: TransactionCall,
): Promise<void> {
  const copiers = (await draft.get(cells.copiers(pseudonym))) ?? [];
  if (copiers.some((one) => one.hospital === hospital)) return;
  requireRoom(copiers);
  const since = { time: context.time, height: context.height };
  draft.put(cells.copiers(pseudonym), [...copiers, { hospital, since }]);
}

/** Hospitals that left the network without a word stay listed, so a list can be full. */
function requireRoom(list: readonly unknown[]): void {
  if (list.length >= chaincodeBounds.copiersMax) throw new ChaincodeError('too_many_copies');
}

async function requireCopier(draft: Draft, pseudonym: string, hospital: string): Promise<Copier> {
  const copiers = await draft.get(cells.copiers(pseudonym));
  const found = copiers?.find((one) => one.hospital === hospital);
  if (!found) throw new ChaincodeError('copy_not_requested');
  return found;
}

/** A record of the pseudonym, or one that a rotation took on from it. */
async function requireRecordOf(draft: Draft, pseudonym: string, recordId: string): Promise<void> {
  const record = await draft.get(cells.record(recordId));
  const known = record ? await pseudonymsOf(draft.reader, record.pseudonym) : [];
  if (!known.includes(pseudonym)) throw new ChaincodeError('unknown_record');
}

async function heldRecordOf(
  draft: Draft,
  pseudonym: string,
  recordId: string,
): Promise<MedicalRecord> {
  const record = await draft.get(cells.record(recordId));
  if (record?.pseudonym !== pseudonym) throw new ChaincodeError('unknown_record');
  const isErased = record.erased ?? (await draft.get(cells.patientErasure(pseudonym)));
  if (isErased) throw new ChaincodeError('record_erased');
  if (record.stored === null) throw new ChaincodeError('record_not_stored');
  return record;
}

/** What the ledger says of the bytes: enough for the custodian to take them back. */
function registeredOf(record: MedicalRecord) {
  const { id, categoryTag, dataMonth, objectDigest, ciphertextLength, wrapDigest } = record;
  const names = { recordId: id, categoryTag, dataMonth, uploaderKid: record.uploader.kid };
  return {
    ...names,
    digest: record.digest,
    objectDigest,
    ciphertextLength,
    wrapDigest,
    generation: record.generation,
  };
}

function without<T extends { hospital: string }>(list: readonly T[], hospital: string): T[] {
  return list.filter((one) => one.hospital !== hospital);
}
