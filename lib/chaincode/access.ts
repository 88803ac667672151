/** Access: decided and recorded; the certified value of a permit is the capability (design §8). */
import { z } from 'zod';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import {
  decide,
  type Decision,
  type DenyReason,
  objectionOf,
  teamOf,
  type Wanted,
} from './decision.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import { idField, type Purpose, pseudonymField, purposeField } from './fields.ts';
import {
  defineTransaction,
  type IdentityActor,
  type PlainValue,
  type RepresentativeActor,
  type TransactionCall,
} from './functions.ts';
import { remember } from './history.ts';
import { keys, lists } from './keys.ts';
import { heldByReader } from './representation.ts';
import { noteReader } from './readers.ts';
import { clinicians } from './roles.ts';
import type { HistoryEntry, MedicalRecord, Permission } from './values.ts';

export const accessRequest = defineTransaction({
  name: 'access.request',
  summary: 'Decides whether the signer may read a record now; permit or deny is recorded.',
  roles: ['patient', 'representative', ...clinicians],
  schema: z.strictObject({ recordId: idField, purpose: purposeField }),
  hints: ({ recordId }) => [keys.record(recordId)],
  async run({ recordId, purpose }, call) {
    const record = await call.draft.get(cells.record(recordId));
    if (!record) throw new ChaincodeError('unknown_record');
    const { actor, context } = call;
    const asked = { recordId, readerKid: actor.kid, purpose };
    const judged =
      actor.kind === 'patient'
        ? judgeOwner(actor.pseudonym, record, purpose)
        : await judgeReader(call, actor, record, purpose);
    const reason = judged.reason ?? (await objectionTo(call, record));
    const about = { recordId, categories: [record.categoryTag], purpose };
    if (reason !== null) return denied(call, record.pseudonym, about, { ...asked, reason });
    const { permission } = judged;
    if (actor.kind === 'identity') await noteReader(call, recordId, actor.identity.subject);
    const by = { permissionId: permission?.id ?? null, team: permission && teamOf(permission) };
    await recordPermit(call, record.pseudonym, { ...about, ...by });
    const usableUntil = usableUntilOf(call, permission ? [permission] : []);
    return {
      decision: 'permit',
      ...asked,
      pseudonym: record.pseudonym,
      objectDigest: record.objectDigest,
      ...by,
      decidedAt: context.time,
      usableUntil,
    };
  },
});

export const accessList = defineTransaction({
  name: 'access.list',
  summary: 'Decides which categories’ sealed metadata the signer may fetch now; recorded too.',
  roles: ['patient', 'representative', ...clinicians],
  schema: z.strictObject({ pseudonym: pseudonymField, purpose: purposeField }),
  hints: ({ pseudonym }) => [keys.patient(pseudonym), lists.history(pseudonym).count],
  async run({ pseudonym, purpose }, call) {
    const { actor, draft, context } = call;
    if (!(await draft.get(cells.patient(pseudonym)))) throw new ChaincodeError('unknown_patient');
    const asked = { pseudonym, readerKid: actor.kid, purpose };
    const permit = { decision: 'permit', ...asked, decidedAt: context.time };
    if (actor.kind === 'patient') {
      if (actor.pseudonym !== pseudonym) throw new ChaincodeError('unknown_patient');
      if (purpose !== 'PATRQT') {
        const reason = 'purpose_not_granted';
        return denied(call, pseudonym, { purpose }, { ...asked, reason });
      }
      await recordPermit(call, pseudonym, { purpose });
      const own = { permissionId: null, team: null, all: true, tags: [], scopes: [] };
      return { ...permit, ...own, usableUntil: usableUntilOf(call, []) };
    }
    const held = await heldByReader(draft.reader, pseudonym, actor);
    if (actor.kind === 'representative' && held.length === 0) {
      throw new ChaincodeError('unknown_patient');
    }
    const wanted = { right: 'read', time: context.time, ...purposeOf(actor, purpose) } as const;
    const judged = judgeHeld(actor, held, purpose, wanted);
    if (judged.decision === 'deny') {
      return denied(call, pseudonym, { purpose }, { ...asked, reason: judged.reason });
    }
    if (await isPatientErased(draft, pseudonym)) {
      return denied(call, pseudonym, { purpose }, { ...asked, reason: 'patient_erased' });
    }
    const live = listable(held.filter((one) => objectionOf(one, wanted) === null));
    const scopes = live.flatMap(({ categories, dataFrom, dataUntil }) =>
      categories.map((tag) => ({ tag, dataFrom, dataUntil })),
    );
    const tags = [...new Set(scopes.map((scope) => scope.tag))].sort();
    const by = { permissionId: judged.permission.id, team: teamOf(judged.permission) };
    await recordPermit(call, pseudonym, { purpose, ...by, categories: tags });
    return { ...permit, ...by, all: false, tags, scopes, usableUntil: usableUntilOf(call, live) };
  },
});

/** What stands against reading a record whatever is permitted. */
async function objectionTo(
  { actor, draft }: TransactionCall,
  record: MedicalRecord,
): Promise<'record_erased' | 'record_not_stored' | 'record_retracted' | null> {
  const isErased = record.erased !== null || (await isPatientErased(draft, record.pseudonym));
  if (isErased) return 'record_erased';
  // The patient looks at it, and decides whether it is erased.
  if (record.retracted && actor.kind === 'identity') return 'record_retracted';
  return record.stored === null ? 'record_not_stored' : null;
}

/** One list covers as many permissions as one grantee can hold; those that last longest. */
function listable(live: readonly Permission[]): Permission[] {
  const max = chaincodeBounds.holdingsMax;
  return live.length <= max ? [...live] : live.toSorted((a, b) => b.until - a.until).slice(0, max);
}

interface Judged {
  reason: DenyReason | null;
  /** Null where the patient reads what is the patient's. */
  permission: Permission | null;
}

/** Another patient's record is unknown, so that ids cannot be tried out. */
function judgeOwner(pseudonym: string | null, record: MedicalRecord, purpose: Purpose): Judged {
  if (record.pseudonym !== pseudonym) throw new ChaincodeError('unknown_record');
  return { reason: purpose === 'PATRQT' ? null : 'purpose_not_granted', permission: null };
}

/** Who acts for a patient asks as the patient does; purposes are what others are permitted for. */
function purposeOf(actor: IdentityActor | RepresentativeActor, purpose: Purpose) {
  return actor.kind === 'representative' ? {} : { purpose };
}

function judgeHeld(
  actor: IdentityActor | RepresentativeActor,
  held: readonly Permission[],
  purpose: Purpose,
  wanted: Wanted,
): Decision {
  if (actor.kind === 'representative' && purpose !== 'PATRQT') {
    return { decision: 'deny', reason: 'purpose_not_granted' };
  }
  return decide(held, wanted);
}

async function judgeReader(
  { draft, context }: TransactionCall,
  actor: IdentityActor | RepresentativeActor,
  record: MedicalRecord,
  purpose: Purpose,
): Promise<Judged> {
  const held = await heldByReader(draft.reader, record.pseudonym, actor);
  if (actor.kind === 'representative' && held.length === 0) {
    throw new ChaincodeError('unknown_record');
  }
  const { categoryTag, dataMonth } = record;
  const data = { time: context.time, categoryTag, dataMonth };
  const wanted = { right: 'read', ...data, ...purposeOf(actor, purpose) } as const;
  const judged = judgeHeld(actor, held, purpose, wanted);
  return judged.decision === 'permit'
    ? { reason: null, permission: judged.permission }
    : { reason: judged.reason, permission: null };
}

/** The shortest of the permissions that are used and of what the network allows a receipt. */
function usableUntilOf({ context }: TransactionCall, used: readonly Permission[]): number {
  const longest = context.time + context.parameters.receiptUsableMs;
  return Math.min(longest, ...used.map((permission) => permission.until));
}

type About = Partial<
  Pick<HistoryEntry, 'recordId' | 'permissionId' | 'team' | 'categories' | 'purpose'>
>;

/** A permit: history has it, the event alone tells of it. */
async function recordPermit(call: TransactionCall, pseudonym: string, about: About) {
  await remember(call, pseudonym, { ...about, decision: 'permit' });
  if (call.actor.kind === 'identity') call.draft.announce(pseudonym, 'access.permitted');
}

/** A denial is committed too; its value has neither digest nor time of use, and opens nothing. */
async function denied(
  call: TransactionCall,
  pseudonym: string,
  about: About,
  value: { reason: string; [name: string]: PlainValue },
): Promise<PlainValue> {
  await remember(call, pseudonym, { ...about, decision: 'deny', reason: value.reason });
  if (call.actor.kind === 'identity') {
    const { recordId = null } = about;
    await call.draft.notify({ pseudonym }, 'access.denied', { recordId });
  }
  return { decision: 'deny', ...value, decidedAt: call.context.time };
}
