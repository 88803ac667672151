/** Makes what a hospital holds of one patient what the ledger says it should; safe to repeat. */

import { cells } from '../../../lib/chaincode/cells.ts';
import { chaincodeBounds } from '../../../lib/chaincode/bounds.ts';
import { liveCopies } from '../../../lib/chaincode/copy.ts';
import type { Reader } from '../../../lib/chaincode/draft.ts';
import { digestOfSealed } from '../../../lib/records/sealed.ts';
import type { MedicalRecord } from '../../../lib/chaincode/values.ts';
import type { ItemStore } from '../../aws/item-store.ts';
import { partsOf } from '../../aws/parallel.ts';
import { copiesOf, deleteCopy, findCopy, saveCopy } from '../copies/copy-store.ts';
import { isDamaged } from '../copies/damaged.ts';
import { CustodianAway, OutOfTime, type ReplicatorContext } from './context.ts';
import { CustodianRefused, listAtCustodian, sharesAtCustodian } from './custodian.ts';
import { fetchCopy, WrongBytes } from './fetch-copy.ts';
import { type Plan, planOf, type WantedShare } from './plan.ts';
import { restoreLost } from './restore.ts';
import { Refused, say } from './say.ts';
import { keptShares, rememberShare, removeShare } from './shares.ts';

/** Every patient is looked at so often at least: what the custodian lost is found then. */
const AUDIT_MS = 24 * 3_600_000;
/** What could not be done is tried again after this. */
const RETRY_MS = 20_000;

/** When to look again, or null where the hospital has nothing to do with the patient. */
export type NextLook = { at: number; auditedAt: number } | null;

export interface Look {
  readonly state: Reader;
  readonly deadline: number;
  /** When the custodian's bytes of this patient were compared last. */
  readonly auditedAt: number;
}

/** Deletes first, then copies, then says so. Throws CustodianAway, OutOfTime. */
export async function reconcile(
  context: ReplicatorContext,
  pseudonym: string,
  { state, deadline, auditedAt }: Look,
): Promise<NextLook> {
  const { hospital } = context;
  const now = (): number => context.now();
  const plan = await planOf(state, { pseudonym, hospital }, now());
  await deleteOthers(context, state, plan);
  await sayErased(context, state, plan);
  const isEntitled = plan.isChosen || plan.permissions.length > 0;
  if (!isEntitled) {
    if (plan.copier !== null && plan.erasure === null) await sayAllDeleted(context, pseudonym);
    return plan.until === null ? null : { at: plan.until, auditedAt };
  }
  const isWhole = (await isHere(context, state, plan)) && now() < auditedAt + AUDIT_MS;
  const isDone = isWhole || (await copyWanted(context, state, plan, deadline));
  const audited = isWhole ? auditedAt : now();
  const at = isDone ? audited + AUDIT_MS : now() + RETRY_MS;
  return { at: Math.min(at, plan.until ?? at), auditedAt: isDone ? audited : 0 };
}

/** Whether all that is wanted is here, and said, so that nobody has to be asked. */
async function isHere(context: ReplicatorContext, state: Reader, plan: Plan): Promise<boolean> {
  const { store } = context;
  const said = await saidHere(state, plan, plan.wanted);
  for (const [index, record] of plan.wanted.entries()) {
    const isSaid = said[index] === record.objectDigest;
    const found = await findCopy(store, record.id);
    if (!isSaid || found?.copy.status !== 'held') return false;
    if (await isDamaged(store, record.id)) return false;
  }
  return (await lackingShares(store, plan)).length === 0;
}

/** Copies and shares that the ledger does not want here (any more), or that are of old bytes. */
async function deleteOthers(context: ReplicatorContext, state: Reader, plan: Plan): Promise<void> {
  const wanted = new Map(plan.wanted.map((one) => [one.id, one]));
  const gone: string[] = [];
  for (const one of await copiesOf(context.store, plan.pseudonym)) {
    const record = wanted.get(one.recordId);
    if (record && one.stored?.copy.objectDigest === record.objectDigest) continue;
    await deleteCopy(context, one);
    gone.push(one.recordId);
    context.log({ event: 'copy deleted' });
  }
  const live = new Set(plan.permissions.map(({ shareDigest }) => shareDigest));
  for (const kept of await keptShares(context.store, plan.pseudonym)) {
    if (!live.has(kept.shareDigest)) await removeShare(context.store, plan.pseudonym, kept);
  }
  if (plan.copier === null) return;
  // Of an earlier run, too, that deleted and died before it said so.
  const said = await listedHere(state, plan, plan.records);
  const unsaid = said.filter((id) => !wanted.has(id) || gone.includes(id));
  const erased = new Set(plan.records.filter((one) => one.erased !== null).map(({ id }) => id));
  const ended = unsaid.filter((id) => !erased.has(id) && plan.erasure === null);
  for (const recordIds of partsOf(ended, chaincodeBounds.copyRecordsMax)) {
    const { pseudonym } = plan;
    await say(context, { fn: 'copy.deleted', args: { pseudonym, recordIds, all: false } });
  }
}

/** Records that the ledger says this hospital holds. */
async function listedHere(
  state: Reader,
  plan: Plan,
  records: readonly MedicalRecord[],
): Promise<string[]> {
  const said = await saidHere(state, plan, records);
  return records.filter((_, at) => said[at] !== null).map(({ id }) => id);
}

/** The digest of each copy that the ledger says this hospital holds, or null. */
async function saidHere(
  state: Reader,
  { copier }: Plan,
  records: readonly MedicalRecord[],
): Promise<(string | null)[]> {
  const copies = await state.many(records.map(({ id }) => cells.copies(id)));
  return copies.map((list) => {
    const live = liveCopies(list ?? [], copier ? [copier] : []);
    return live.find(({ hospital }) => hospital === copier?.hospital)?.digest ?? null;
  });
}

/** Erasures that were ordered and that this hospital has not answered yet. */
async function sayErased(context: ReplicatorContext, state: Reader, plan: Plan): Promise<void> {
  const { hospital } = context;
  const isOpen = (erasure: Plan['erasure']): boolean =>
    erasure !== null &&
    erasure.holders.includes(hospital) &&
    !erasure.acknowledged.some(({ party }) => party === hospital);
  const erased = plan.records.filter((one) => one.erased !== null);
  const orders = await state.many(erased.map(({ id }) => cells.recordErasure(id)));
  const open = erased.filter((_, at) => isOpen(orders[at] ?? null)).map(({ id }) => id);
  for (const recordIds of partsOf(open, chaincodeBounds.copyRecordsMax)) {
    await say(context, { fn: 'record.erased', args: { recordIds } });
  }
  if (!isOpen(plan.erasure)) return;
  await say(context, { fn: 'patient.erased', args: { pseudonym: plan.pseudonym } });
}

async function sayAllDeleted(context: ReplicatorContext, pseudonym: string): Promise<void> {
  await say(context, { fn: 'copy.deleted', args: { pseudonym, recordIds: [], all: true } });
}

/** True where everything is here and said; false where something has to be tried again. */
async function copyWanted(
  context: ReplicatorContext,
  state: Reader,
  plan: Plan,
  deadline: number,
): Promise<boolean> {
  const { pseudonym } = plan;
  const args = { pseudonym, permissionIds: plan.permissions.map((one) => one.permissionId) };
  const { receipt, result } = await say(context, { fn: 'copy.request', args });
  const { decision } = result.value as { decision: string };
  // Revoked since this state was read: the next block says so.
  if (decision !== 'permit') return false;
  const listed = await listAtCustodian(context, receipt);
  await copyShares(context, plan, receipt);
  let isWhole = true;
  const held: MedicalRecord[] = [];
  for (const record of plan.wanted) {
    const found = await findCopy(context.store, record.id);
    const there = listed.get(record.id);
    if (found && found.copy.status !== 'open') {
      held.push(record);
    } else if (there?.digest === record.objectDigest) {
      const isHere = await copyOne(context, record, { listed: there, receipt, deadline });
      if (isHere) held.push(record);
      isWhole &&= isHere;
    } else {
      isWhole = false;
    }
    if (held.length === chaincodeBounds.copyRecordsMax) {
      await sayHeld(context, state, plan, held.splice(0));
    }
  }
  await sayHeld(context, state, plan, held);
  await restoreLost(context, plan, { listed, deadline });
  return isWhole;
}

async function copyOne(
  context: ReplicatorContext,
  record: MedicalRecord,
  from: Parameters<typeof fetchCopy>[2],
): Promise<boolean> {
  try {
    await fetchCopy(context, record, from);
    context.log({ event: 'copied', bytes: record.ciphertextLength });
    return true;
  } catch (error) {
    if (error instanceof CustodianAway || error instanceof OutOfTime) throw error;
    // One record that the custodian lost or spoilt must not keep the others from being copied.
    context.log({ event: 'not copied', error });
    if (error instanceof WrongBytes) await forgetBroken(context, record);
    return false;
  }
}

async function forgetBroken(context: ReplicatorContext, record: MedicalRecord): Promise<void> {
  for (const one of await copiesOf(context.store, record.pseudonym)) {
    if (one.recordId === record.id) await deleteCopy(context, one);
  }
}

/** `copy.held` for those of which the ledger does not say it; from then on they are given out. */
async function sayHeld(
  context: ReplicatorContext,
  state: Reader,
  plan: Plan,
  held: readonly MedicalRecord[],
): Promise<void> {
  const { store } = context;
  const { pseudonym } = plan;
  const said = await saidHere(state, plan, held);
  const unsaid = held.filter(({ objectDigest }, at) => said[at] !== objectDigest);
  if (unsaid.length > 0) {
    const records = unsaid.map(({ id, objectDigest }) => ({ recordId: id, objectDigest }));
    try {
      await say(context, { fn: 'copy.held', args: { pseudonym, records } });
    } catch (error) {
      // Erased, superseded or revoked meanwhile: the look at the next block deletes it.
      if (!(error instanceof Refused)) throw error;
      context.log({ event: 'not held', code: error.code });
      return;
    }
  }
  for (const { id } of held) {
    const found = await findCopy(store, id);
    if (found?.copy.status === 'verified') {
      await saveCopy(store, found, { ...found.copy, status: 'held' });
    }
  }
}

/** Shares of the permissions that are relied on, each as the ledger names it. */
async function copyShares(
  context: ReplicatorContext,
  plan: Plan,
  receipt: Uint8Array,
): Promise<void> {
  const { store } = context;
  const lacking = await lackingShares(store, plan);
  if (lacking.length === 0) return;
  try {
    const ids = lacking.map(({ permissionId }) => permissionId);
    for (const { permissionId, holder, share } of await sharesAtCustodian(context, receipt, ids)) {
      const wanted = lacking.find((one) => one.permissionId === permissionId);
      const shareDigest = digestOfSealed(share);
      if (wanted?.shareDigest !== shareDigest) continue;
      const kept = { permissionId, holder, shareDigest };
      await rememberShare(store, plan.pseudonym, kept, share);
    }
  } catch (error) {
    if (!(error instanceof CustodianRefused)) throw error;
    context.log({ event: 'shares refused', code: error.code });
  }
}

async function lackingShares(
  store: ItemStore,
  { pseudonym, permissions }: Plan,
): Promise<WantedShare[]> {
  const kept = new Set((await keptShares(store, pseudonym)).map((one) => one.shareDigest));
  return permissions.filter(({ shareDigest }) => !kept.has(shareDigest));
}
