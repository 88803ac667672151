/** Pending requests: read from the mempool, checked, told to the state machine, handed on. */
import { wasSeen } from '../../../lib/chaincode/seen.ts';
import { limits } from '../../../lib/limits.ts';
import {
  arrange,
  clockAfter,
  firstArrived,
  NOT_STORED,
  pendingOf,
} from '../../../lib/pbft/fair-order.ts';
import type { QueuedTransaction } from '../../../lib/ports.ts';
import type { MessageOf } from '../../../lib/wire/messages.ts';
import { parseTransaction, type Transaction } from '../../../lib/wire/transaction.ts';
import type { CheckedTransaction, PendingPool } from '../runtime.ts';
import { spendChecks } from './budget.ts';
import { headView, type People, transactionFault } from './execute-block.ts';
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
  if (!run.pendingStale) return;
  run.pendingStale = false;
  let pool = await readPool(run);
  // What is dead may hide what lives: it has been removed, so there is an end.
  while (pool.entries.length === 0 && !pool.complete) pool = await readPool(run);
  const { entries, complete } = await withPresent(run, pool);
  await sortOutWaited(run);
  setPending(run, entries, complete);
  await tellOldest(run);
}

/** L3: what may enter a block, in the order in which it is taken. */
function setPending(run: Run, entries: readonly CheckedTransaction[], complete: boolean): void {
  const { warm, state } = run;
  const waited = [...warm.waited.values()];
  const present = state.oldest?.id;
  const all = [...entries, ...waited];
  const oldest = all.find(({ id }) => id === present) ?? firstArrived(all);
  const first = { oldest: oldest?.id ?? null, waited };
  warm.pending = { entries: arrange(entries, first), complete };
}

/** The oldest keeps its place though others, of lower turns, now fill all that is read. */
async function withPresent(run: Run, pool: PendingPool): Promise<PendingPool> {
  const { runtime, ledger, warm, state } = run;
  const present = warm.pending.entries.find((entry) => entry.id === state.oldest?.id);
  if (!present || present.turn === NOT_STORED || pool.complete) return pool;
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
  const found = await runtime.ports.mempool.next(ledger, bounds);
  const bytes = found.reduce((sum, entry) => sum + entry.compact.length, 0);
  const isAll =
    found.length === 0 ||
    (found.length < bounds.count && bytes < bounds.bytes - limits.transactionBytesMax);
  const { valid, dead } = await sortOut(run, found);
  const pool = { entries: valid, complete: isAll };
  await removeFrom(run, dead, pool);
  for (const { id } of dead) warm.forwarded.delete(id);
  return pool;
}

/** Frees the room of what is done or dead, and moves the clock of the fair order. */
async function removeFrom(
  { runtime, ledger, warm }: Run,
  removed: readonly QueuedTransaction[],
  left: PendingPool,
): Promise<void> {
  warm.lastTurn = removed.reduce((most, { turn }) => Math.max(most, turn), warm.lastTurn);
  const isEmpty = left.complete && !left.entries.some(isStored);
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
  await removeFrom(run, done.filter(isStored), { entries: left, complete });
  setPending(run, left.filter(isStored), complete);
  if (left.length === 0 && !complete) {
    run.pendingStale = true;
    return refreshPending(run);
  }
  await tellOldest(run);
}

const isStored = ({ turn }: QueuedTransaction): boolean => turn !== NOT_STORED;

/** L1: the present oldest keeps the timer while it waits, so that nobody can reset it. */
async function tellOldest(run: Run): Promise<void> {
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
  const { runtime, state, warm } = run;
  const view = headView(runtime, state);
  const at = { time: nextBlockTime(run), state, people: peopleOf(run) };
  const held = new Map(warm.pending.entries.map((entry) => [entry.id, entry.transaction]));
  const checked = await Promise.all(
    found.map(async (entry) => {
      const transaction = held.get(entry.id) ?? parsed(entry.compact);
      if (!transaction) return null;
      if (await wasSeen(view, transaction)) return null;
      const fault = await transactionFault(runtime, view, transaction, at);
      return fault === null ? { ...entry, transaction } : null;
    }),
  );
  const valid = checked.filter((one) => one !== null);
  const dead = found.filter((_, index) => checked[index] === null);
  return { valid, dead };
}

/** What peers wait for longest leaves memory once it is done or dead. */
async function sortOutWaited(run: Run): Promise<void> {
  const { waited } = run.warm;
  if (waited.size === 0) return;
  const { valid } = await sortOut(run, [...waited.values()]);
  const alive = new Set(valid.map(({ id }) => id));
  for (const [peer, { id }] of waited) if (!alive.has(id)) waited.delete(peer);
}

function parsed(compact: string): Transaction | null {
  try {
    return parseTransaction(compact);
  } catch {
    return null;
  }
}

/**
 * Takes requests that a peer forwarded, after the same checks as `api` makes, the cheap ones first.
 * They count under their signer. Of a message that says what waits there, the first is what has
 * waited longest: it is a candidate of the next block even where there is no room to store it.
 */
export async function acceptForwarded(
  run: Run,
  from: string,
  { transactions, waiting, correlationIds }: MessageOf<'forward'>,
): Promise<void> {
  const { runtime, ledger, warm, state } = run;
  const view = headView(runtime, state);
  const at = { time: nextBlockTime(run), state, people: peopleOf(run) };
  const now = runtime.clock();
  const held = new Map(warm.pending.entries.map((entry) => [entry.compact, entry]));
  const fresh = new Map<string, CheckedTransaction>();
  for (const [index, compact] of transactions.entries()) {
    const known = held.get(compact);
    if (known && index === 0 && waiting) warm.waited.set(from, known);
    if (known) continue;
    if (!spendChecks(run, from, 1)) break;
    const transaction = parsed(compact);
    if (!transaction || fresh.has(transaction.id)) continue;
    if (await wasSeen(view, transaction)) continue;
    if (await transactionFault(runtime, view, transaction, at)) continue;
    const correlationId = correlationIds?.[index];
    const traced = correlationId ? { correlationId } : {};
    const entry = { ...pendingOf(transaction, now), ...traced, turn: NOT_STORED, transaction };
    if (index === 0 && waiting) warm.waited.set(from, entry);
    fresh.set(transaction.id, entry);
  }
  if (waiting) setPending(run, warm.pending.entries.filter(isStored), warm.pending.complete);
  if (fresh.size === 0) return;
  await runtime.ports.mempool.submit(ledger, [...fresh.values()], warm.turns);
  run.pendingStale = true;
}
