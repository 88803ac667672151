/** Pending requests: read from the mempool, checked, told to the state machine, handed on. */
import { wasSeen } from '../../../lib/chaincode/seen.ts';
import type { PendingTransaction } from '../../../lib/ports.ts';
import { parseTransaction, type Transaction } from '../../../lib/wire/transaction.ts';
import type { CheckedTransaction, PendingPool } from '../runtime.ts';
import { headView, transactionFault } from './execute-block.ts';
import type { Run } from './run.ts';

/** L1: `wakeSeq` is raised durably before the mempool is read, so that no wake is lost. */
export async function takeWake(run: Run): Promise<void> {
  run.pendingStale = true;
  if (run.wakeRaised) return;
  run.wakeRaised = true;
  await run.runtime.ports.replicas.raiseWake(run.ledger);
}

/** Reads the mempool if it may hold news, and tells the state machine what is oldest. */
export async function refreshPending(run: Run): Promise<void> {
  if (!run.pendingStale) return;
  run.pendingStale = false;
  let pool = await readPool(run);
  // What is dead may hide what lives: it has been removed, so there is an end.
  while (pool.entries.length === 0 && !pool.complete) pool = await readPool(run);
  run.warm.pending = await withPresent(run, pool);
  await tellOldest(run);
}

/** The oldest keeps its place though others, issued earlier, now fill all that is read. */
async function withPresent(run: Run, pool: PendingPool): Promise<PendingPool> {
  const { runtime, ledger, warm, state } = run;
  const present = warm.pending.entries.find((entry) => entry.id === state.oldest?.id);
  if (!present || pool.complete) return pool;
  if (pool.entries.some((entry) => entry.id === present.id)) return pool;
  if (!(await runtime.ports.mempool.has(ledger, present))) return pool;
  const { valid } = await sortOut(run, [present]);
  return { ...pool, entries: [...valid, ...pool.entries] };
}

/** The oldest entries that may still enter a block; removes the dead ones among those read. */
async function readPool(run: Run): Promise<PendingPool> {
  const { runtime, ledger, warm } = run;
  const { blockTransactionsMax, blockBytesMax } = run.state.parameters;
  const bounds = { count: blockTransactionsMax, bytes: blockBytesMax };
  const found = await runtime.ports.mempool.oldest(ledger, bounds);
  const bytes = found.reduce((sum, entry) => sum + entry.compact.length, 0);
  const complete = found.length < bounds.count && bytes < bounds.bytes - 64 * 1024;
  const { valid, dead } = await sortOut(run, found);
  if (dead.length > 0) await runtime.ports.mempool.remove(ledger, dead);
  for (const { id } of dead) warm.forwarded.delete(id);
  return { entries: valid, complete: complete || found.length === 0 };
}

/** After a commit: what was in the block leaves the mempool, and the next oldest has its turn. */
export async function committedFromPending(run: Run, body: readonly string[]): Promise<void> {
  const { runtime, ledger, warm } = run;
  const inBlock = new Set(body);
  const done = warm.pending.entries.filter((entry) => inBlock.has(entry.compact));
  const entries = warm.pending.entries.filter((entry) => !inBlock.has(entry.compact));
  warm.pending = { entries, complete: warm.pending.complete };
  for (const entry of done) warm.forwarded.delete(entry.id);
  if (done.length > 0) await runtime.ports.mempool.remove(ledger, done);
  if (entries.length === 0 && !warm.pending.complete) {
    run.pendingStale = true;
    return refreshPending(run);
  }
  await tellOldest(run);
}

/** Keeps the present oldest while it waits, so that nobody can reset its timer by backdating. */
async function tellOldest(run: Run): Promise<void> {
  const { entries } = run.warm.pending;
  const present = run.state.oldest?.id;
  const oldest = entries.some((entry) => entry.id === present) ? present : entries[0]?.id;
  await run.feed(run, { type: 'pending', oldest: oldest ?? null });
}

/** L3: no block on this head can be earlier, whoever proposes it. */
export function nextBlockTime({ runtime, state }: Run): number {
  return Math.max(runtime.clock(), state.head.header.time + 1);
}

/** Splits what may still enter a block from what never can: expired, seen, or not well signed. */
async function sortOut(
  run: Run,
  found: readonly PendingTransaction[],
): Promise<{ valid: CheckedTransaction[]; dead: PendingTransaction[] }> {
  const { runtime, state, warm } = run;
  const view = headView(runtime, state);
  const at = { time: nextBlockTime(run), state };
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

function parsed(compact: string): Transaction | null {
  try {
    return parseTransaction(compact);
  } catch {
    return null;
  }
}

/** Takes requests that a peer forwarded, after the same checks as `api` makes. */
export async function acceptForwarded(run: Run, compacts: readonly string[]): Promise<void> {
  const { runtime, ledger, state } = run;
  const view = headView(runtime, state);
  const now = runtime.clock();
  const time = nextBlockTime(run);
  const known = new Set(run.warm.pending.entries.map((entry) => entry.compact));
  const entries: PendingTransaction[] = [];
  for (const compact of compacts) {
    if (known.has(compact)) continue;
    const transaction = parsed(compact);
    if (!transaction) continue;
    if (await transactionFault(runtime, view, transaction, { time, state })) continue;
    if (await wasSeen(view, transaction)) continue;
    const { id, issuedAt, expiresAt } = transaction;
    entries.push({ id, compact, issuedAt, expiresAt, arrivedAt: now });
  }
  if (entries.length === 0) return;
  await runtime.ports.mempool.submit(ledger, entries);
  run.pendingStale = true;
}
