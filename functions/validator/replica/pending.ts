/** Pending requests: read from the mempool, checked, told to the state machine, handed on. */
import { orderHints, signerHints } from '../../../lib/chaincode/execute.ts';
import { wasSeen } from '../../../lib/chaincode/seen.ts';
import { equalBytes } from '../../../lib/crypto/bytes.ts';
import { limits } from '../../../lib/limits.ts';
import {
  arrange,
  clockAfter,
  compareTurns,
  firstArrived,
  NOT_STORED,
  pendingOf,
} from '../../../lib/pbft/fair-order.ts';
import { forwardToLeader } from '../../../lib/pbft/timers.ts';
import type { QueuedTransaction } from '../../../lib/ports.ts';
import type { MessageOf } from '../../../lib/wire/messages.ts';
import type { Transaction } from '../../../lib/wire/transaction.ts';
import type { CheckedTransaction, PendingPool, WarmLedger } from '../runtime.ts';
import { spendChecks } from './budget.ts';
import { headView, type People, transactionFault, tryParse } from './execute-block.ts';
import type { Run } from './run.ts';

/** L1: `wakeSeq` is raised durably before the mempool is read, so that no wake is lost. */
export async function takeWake(run: Run): Promise<void> {
  run.pendingStale = true;
  if (run.wakeRaised) return;
  run.wakeRaised = true;
  await run.runtime.ports.replicas.raiseWake(run.ledger);
}

/** As one that waits: it is a candidate at once, even where a flood left no room to store it. */
export async function takeOwn(run: Run, transaction: string): Promise<void> {
  const transactions = [transaction];
  await acceptForwarded(run, run.state.self, { type: 'forward', transactions, waiting: true });
}

/** Reads the mempool if it may hold news, and tells the state machine what is oldest. */
export async function refreshPending(run: Run): Promise<void> {
  if (!run.pendingStale && run.pendingTold) return;
  if (!run.pendingStale && run.warm.isRead) return tellHanded(run);
  run.pendingStale = false;
  let pool = await readPool(run);
  // What is dead may hide what lives: it has been removed, so there is an end.
  while (pool.entries.length === 0 && !pool.complete) pool = await readPool(run);
  const { entries, complete } = await withPresent(run, pool);
  run.warm.handed.remove(entries.map(({ id }) => id));
  await sortOutHanded(run);
  await sortOutWaited(run);
  setPending(run, entries, complete);
  await tellOldest(run);
}

/** What peers handed on in this step joins what was read before. */
async function tellHanded(run: Run): Promise<void> {
  setPending(run, storedOf(run.warm), run.warm.pending.complete);
  await tellOldest(run);
}

function storedOf(warm: WarmLedger): CheckedTransaction[] {
  return warm.pending.entries.filter((entry) => isStored(warm, entry));
}

/** L3: what may enter a block, in the order in which it is taken. */
function setPending(run: Run, entries: readonly CheckedTransaction[], complete: boolean): void {
  const { warm, state, runtime } = run;
  warm.handed.enter(state.view);
  const waited = [...warm.waited.values()];
  const queues = [entries, warm.handed.entries()];
  const all = [...queues.flat(), ...waited];
  const present = all.find(({ id }) => id === state.oldest?.id);
  const next = present ? null : firstArrived(all);
  const oldest = present ? state.oldest : next && { id: next.id, since: runtime.clock() };
  const arranged = arrange(queues, { oldest, waited });
  const byCompact = new Map(arranged.map((entry) => [entry.compact, entry]));
  warm.pending = { entries: arranged, byCompact, complete };
}

/** The oldest keeps its place though others, of lower turns, now fill all that is read. */
async function withPresent(run: Run, pool: PendingPool): Promise<PendingPool> {
  const { runtime, ledger, warm, state } = run;
  const present = warm.pending.entries.find((entry) => entry.id === state.oldest?.id);
  if (!present || !isStored(warm, present) || pool.complete) return pool;
  if (pool.entries.some((entry) => entry.id === present.id)) return pool;
  if (!(await runtime.ports.mempool.has(ledger, present.id))) return pool;
  const { valid } = await sortOut(run, [present]);
  return { ...pool, entries: [...valid, ...pool.entries] };
}

/** The next entries that may still enter a block; removes the dead ones among those read. */
async function readPool(run: Run): Promise<PendingPool> {
  const { runtime, ledger, warm } = run;
  const { blockTransactionsMax, blockBytesMax } = run.state.parameters;
  const bounds = { count: blockTransactionsMax, bytes: blockBytesMax };
  warm.isRead = true;
  const found = await runtime.ports.mempool.next(ledger, bounds);
  const bytes = found.reduce((sum, entry) => sum + entry.compact.length, 0);
  const isAll =
    found.length === 0 ||
    (found.length < bounds.count && bytes < bounds.bytes - limits.transactionBytesMax);
  const { valid, dead } = await sortOut(run, found);
  const pool = { entries: valid, complete: isAll };
  await removeFrom(run, dead, pool);
  return pool;
}

/** Frees the room of what is done or dead, and moves the clock of the fair order: `left` is stored. */
async function removeFrom(
  { runtime, ledger, warm }: Run,
  removed: readonly QueuedTransaction[],
  left: PendingPool,
): Promise<void> {
  for (const { id } of removed) warm.forwarded.delete(id);
  warm.lastTurn = removed.reduce((most, { turn }) => Math.max(most, turn), warm.lastTurn);
  const isEmpty = left.complete && left.entries.length === 0;
  if (removed.length === 0 && !(isEmpty && warm.lastTurn > 0)) return;
  await runtime.ports.mempool.remove(ledger, removed, clockAfter(warm.lastTurn, left));
  if (isEmpty) warm.lastTurn = 0;
}

/** What is known here of the requests of a block: for logs and metrics. */
export function requestsOf(
  { warm, runtime }: Run,
  body: readonly string[],
): { correlationIds: string[]; waited: number | null } {
  const inBlock = new Set(body);
  const known = warm.pending.entries.filter(({ compact }) => inBlock.has(compact));
  const ids = new Set(known.flatMap(({ correlationId }) => correlationId ?? []));
  const first = known.reduce((least, { arrivedAt }) => Math.min(least, arrivedAt), Infinity);
  const waited = known.length === 0 ? null : Math.max(0, runtime.clock() - first);
  return { correlationIds: [...ids], waited };
}

/** After a commit: what was in the block leaves the mempool, and the next have their turn. */
export async function committedFromPending(run: Run, body: readonly string[]): Promise<void> {
  const { warm } = run;
  const inBlock = new Set(body);
  const done = warm.pending.entries.filter((entry) => inBlock.has(entry.compact));
  const left = warm.pending.entries.filter((entry) => !inBlock.has(entry.compact));
  for (const [peer, { compact }] of warm.waited) if (inBlock.has(compact)) warm.waited.delete(peer);
  for (const entry of done) warm.forwarded.delete(entry.id);
  const { complete } = warm.pending;
  const stored = left.filter((entry) => isStored(warm, entry));
  const gone = done.filter((entry) => isStored(warm, entry));
  const ended = warm.handed.entries().filter((entry) => inBlock.has(entry.compact));
  warm.handed.remove(ended.map(({ id }) => id));
  await removeFrom(run, gone, { entries: stored, complete });
  setPending(run, stored, complete);
  if (!warm.isRead || (stored.length === 0 && !complete)) {
    run.pendingStale = true;
    return refreshPending(run);
  }
  await tellOldest(run);
}

/** Whether it was read from the mempool: what peers hand on or wait for is in memory alone. */
function isStored({ handed }: WarmLedger, { id, turn }: QueuedTransaction): boolean {
  return turn !== NOT_STORED && !handed.has(id);
}

/** L1: the present oldest keeps the timer while it waits, so that nobody can reset it. */
async function tellOldest(run: Run): Promise<void> {
  run.pendingTold = true;
  const { entries } = run.warm.pending;
  const present = run.state.oldest?.id;
  const oldest = entries.find(({ id }) => id === present) ?? firstArrived(entries);
  await run.feed(run, { type: 'pending', oldest: oldest?.id ?? null });
}

/** L3: no block on this head can be earlier, whoever proposes it. */
export function nextBlockTime({ runtime, state }: Run): number {
  return Math.max(runtime.clock(), state.head.header.time + 1);
}

/** L23: who is who in a block that would be made now. */
export function peopleOf({ main }: Run): People {
  return main && { view: main.view, isOpen: main.found.closed === null };
}

/** Splits what may still enter a block from what never can: expired, seen, or not well signed. */
async function sortOut(
  run: Run,
  found: readonly QueuedTransaction[],
): Promise<{ valid: CheckedTransaction[]; dead: QueuedTransaction[] }> {
  const { byCompact } = run.warm.pending;
  const transactions = found.map(
    ({ compact }) => byCompact.get(compact)?.transaction ?? tryParse(compact),
  );
  const isGood = await checkAll(run, transactions);
  const valid = found.flatMap((entry, index) => {
    const transaction = transactions[index];
    return transaction && isGood[index] ? [{ ...entry, transaction }] : [];
  });
  return { valid, dead: found.filter((_, index) => !isGood[index]) };
}

/** Of each, whether it may enter a block on this head; all that they read is loaded at once. */
async function checkAll(run: Run, found: readonly (Transaction | null)[]): Promise<boolean[]> {
  const { runtime, state, warm } = run;
  const { hash } = state.head;
  const view = headView(runtime, state);
  const people = peopleOf(run);
  const at = { time: nextBlockTime(run), state, people };
  const now = runtime.clock();
  // Time alone may have made it bad since.
  const isKnown = (one: Transaction): boolean => {
    const known = warm.good.get(one);
    if (!known || Math.abs(now - known.time) >= limits.checkedMs) return false;
    return equalBytes(known.head, hash);
  };
  const unknown = found.filter((one) => one !== null).filter((one) => !isKnown(one));
  await view.prefetch(unknown.flatMap(orderHints));
  await people?.view.prefetch(unknown.flatMap(signerHints));
  return Promise.all(
    found.map(async (transaction) => {
      if (!transaction || isKnown(transaction)) return transaction !== null;
      if (await wasSeen(view, transaction)) return false;
      if ((await transactionFault(runtime, view, transaction, at)) !== null) return false;
      warm.good.set(transaction, { head: hash, time: now });
      return true;
    }),
  );
}

/** What peers handed on leaves memory once it is done or dead. */
async function sortOutHanded(run: Run): Promise<void> {
  const { warm, state } = run;
  warm.handed.enter(state.view);
  // What stands behind is looked at when its turn comes, or when it is what waits longest.
  const byTurn = warm.handed.entries().sort(compareTurns).slice(0, limits.handedCheckedMax);
  const first = warm.handed.entries().slice(0, limits.handedCheckedMax);
  const { dead } = await sortOut(run, [...new Set([...byTurn, ...first])]);
  warm.handed.remove(dead.map(({ id }) => id));
}

/** What peers wait for longest leaves memory once it is done or dead. */
async function sortOutWaited(run: Run): Promise<void> {
  const { waited } = run.warm;
  if (waited.size === 0) return;
  const { valid } = await sortOut(run, [...waited.values()]);
  const alive = new Set(valid.map(({ id }) => id));
  for (const [peer, { id }] of waited) if (!alive.has(id)) waited.delete(peer);
}

/**
 * Takes requests that a peer forwarded, after the same checks as `api` makes, the cheap ones first.
 * They count under their signer. A leader keeps them in memory; others have no use for them. Of a
 * message that says what waits there, the first is what has waited longest: it is stored, as all
 * have a timer for it, and a candidate of the next block even where there is no room to store it.
 */
export async function acceptForwarded(
  run: Run,
  from: string,
  { transactions, waiting, correlationIds }: MessageOf<'forward'>,
): Promise<void> {
  const { runtime, ledger, warm, state } = run;
  const isLeader = forwardToLeader(state) === null && !state.changing;
  const wanted = isLeader ? transactions : waiting ? transactions.slice(0, 1) : [];
  if (wanted.length === 0 || !spendChecks(run, from, 1)) return;
  const now = runtime.clock();
  const place = `${run.sender} ${from}`;
  const { byCompact } = warm.pending;
  const first = byCompact.get(wanted[0] ?? '');
  if (first && waiting) warm.waited.set(place, { ...first, arrivedAt: now, turn: NOT_STORED });
  const unknown: { index: number; transaction: Transaction }[] = [];
  for (const [index, compact] of wanted.entries()) {
    if (byCompact.has(compact)) continue;
    if (!spendChecks(run, from, 1)) break;
    const transaction = tryParse(compact);
    if (transaction) unknown.push({ index, transaction });
  }
  const isGood = await checkAll(
    run,
    unknown.map(({ transaction }) => transaction),
  );
  const fresh: CheckedTransaction[] = [];
  let told: CheckedTransaction | null = null;
  for (const [at, { index, transaction }] of unknown.entries()) {
    if (!isGood[at]) continue;
    const correlationId = correlationIds?.[index];
    const traced = correlationId ? { correlationId } : {};
    const entry = { ...pendingOf(transaction, now), ...traced, turn: NOT_STORED, transaction };
    if (index === 0 && waiting) told = entry;
    else fresh.push(entry);
  }
  warm.handed.enter(state.view);
  warm.handed.add(ledger, fresh, limits.handedBytesMax - handedBytes(run));
  run.pendingTold = false;
  if (!told) return;
  warm.waited.set(place, told);
  await runtime.ports.mempool.submit(ledger, [told], warm.turns);
  run.pendingStale = true;
}

/** Bytes that are held for peers, on all ledgers of this process. */
function handedBytes({ runtime }: Run): number {
  return [...runtime.warm.values()].reduce((sum, { handed }) => sum + handed.bytes, 0);
}
