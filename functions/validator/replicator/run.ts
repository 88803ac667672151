/** One run of the replicator: new blocks, care teams, patients who are due, orders to erase. */

import { z } from 'zod';
import type { Reader } from '../../../lib/chaincode/draft.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import type { ItemStore } from '../../aws/item-store.ts';
import { type ReplicatorContext, CustodianAway, OutOfTime } from './context.ts';
import { auditedAt, type Due, dueList, markAllDue, settleDue } from './due.ts';
import { bringErasures } from './erasures.ts';
import { reconcile } from './reconcile.ts';
import { scanBlocks } from './scan.ts';
import { lookAtTeams } from './teams.ts';

const LEASE = { pk: 'service', sk: 'lease' };
/** Longer than a function may run: two runs never work at once. */
const LEASE_MS = 35_000;
const DUE_AT_ONCE = 100;
const RETRY_MS = 20_000;
const BUSY_MS = 3_000;

/** The custodian did not answer, and when it did again. */
const AWAY = { pk: 'service', sk: 'custodian-away' };
const RETURNED = { pk: 'service', sk: 'custodian-returned' };

const returnedSchema = z.strictObject({ at: z.int() });
const leaseSchema = z.strictObject({ until: z.int() });

/** Milliseconds after which there is something to do, or null: only the ledger can bring more. */
export type ComeBack = number | null;

export async function replicate(context: ReplicatorContext, deadline: number): Promise<ComeBack> {
  const version = await takeLease(context);
  if (version === null) return BUSY_MS;
  try {
    return await work(context, deadline);
  } finally {
    await context.store.replace(LEASE, version, { until: 0 });
  }
}

async function work(context: ReplicatorContext, deadline: number): Promise<ComeBack> {
  const head = await context.feed.head();
  if (!head) return null;
  const { isDone } = await scanBlocks(context, head, deadline);
  const teamsMs = await lookAtTeams(context, head.state, deadline);
  const isOver = await lookAtDue(context, head.state, deadline);
  const erasuresMs = await bringErasures(context, head.state);
  if (!isDone || isOver) return 0;
  const [next] = await dueList(context.store, 1);
  const dueMs = next ? Math.max(0, next.at - context.now()) : null;
  return soonest([teamsMs, dueMs, erasuresMs]);
}

function soonest(waits: readonly ComeBack[]): ComeBack {
  const known = waits.filter((one) => one !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** True where the time was over before everybody had a turn. */
async function lookAtDue(
  context: ReplicatorContext,
  state: Reader,
  deadline: number,
): Promise<boolean> {
  const started = context.now();
  const due = (await dueList(context.store, DUE_AT_ONCE)).filter(({ at }) => at <= started);
  for (const one of due) {
    if (context.now() >= deadline) return true;
    if (!(await lookAt(context, one, { state, deadline }))) return true;
  }
  return due.length === DUE_AT_ONCE;
}

/** What fails for one patient is tried again, and keeps nobody else waiting. */
async function lookAt(
  context: ReplicatorContext,
  due: Due,
  run: { state: Reader; deadline: number },
): Promise<boolean> {
  const { store } = context;
  const { pseudonym } = due;
  const audited = await auditedSince(store, pseudonym);
  try {
    const next = await reconcile(context, pseudonym, { ...run, auditedAt: audited });
    await settleDue(store, due, next);
    if (next && next.auditedAt > audited) await noteReturn(context);
    return true;
  } catch (error) {
    if (error instanceof OutOfTime) return false;
    const isAway = error instanceof CustodianAway;
    context.log({ event: isAway ? 'custodian away' : 'patient not looked at', error });
    if (isAway) await store.insert(AWAY, {});
    await settleDue(store, due, { at: context.now() + RETRY_MS, auditedAt: 0 });
    return true;
  }
}

/** A custodian that was away may have lost something: everybody is compared with it again. */
async function noteReturn(context: ReplicatorContext): Promise<void> {
  const { store } = context;
  if ((await store.get(AWAY)) === null) return;
  const item = await store.get(RETURNED);
  const at = context.now();
  const value = { at };
  if (item) await store.replace(RETURNED, item.version, value);
  else await store.insert(RETURNED, value);
  await markAllDue(store, at);
  await store.remove([AWAY]);
}

/** When a patient was compared last, if that was after the custodian came back. */
async function auditedSince(store: ItemStore, pseudonym: string): Promise<number> {
  const [at, item] = [await auditedAt(store, pseudonym), await store.get(RETURNED)];
  return item && at < parseWith(returnedSchema, item.value).at ? 0 : at;
}

/** The version of the lease that is ours, or null while another run works. */
async function takeLease(context: ReplicatorContext): Promise<number | null> {
  const { store } = context;
  const now = context.now();
  const until = now + LEASE_MS;
  const item = await store.get(LEASE);
  if (!item) return (await store.insert(LEASE, { until })) ? 1 : null;
  if (parseWith(leaseSchema, item.value).until > now) return null;
  return (await store.replace(LEASE, item.version, { until })) ? item.version + 1 : null;
}
