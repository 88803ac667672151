/**
 * Pending transactions in DynamoDB, in four shards by id, in the fair order (`fair-order.ts`).
 *
 *   read which are here → reserve room (counter of the shard) → get turns of the submitters
 *   → put each with its name, unless known → give back what was not used
 *   remove: delete what is there → give its room back, move the clock
 *
 * An entry's key is its turn, so that a read of the front is a read of what is next. Its name, an
 * item of its own, makes it unique and says by id whether it waits.
 */

import {
  QueryCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type CancellationReason,
} from '@aws-sdk/client-dynamodb';
import { limits } from '../../lib/limits.ts';
import { compareTurns, costOf } from '../../lib/pbft/fair-order.ts';
import type {
  Mempool,
  PendingTransaction,
  QueuedTransaction,
  Room,
  SubmitOutcome,
  TurnSource,
} from '../../lib/ports.ts';
import { shardCounters, type Reserved, type ShardCounters } from './dynamo-shard-counters.ts';
import {
  batchDelete,
  batchGet,
  getItem,
  keyItem,
  number,
  numberOf,
  sortable,
  text,
  textOf,
  type DynamoTable,
  type Item,
  type ItemKey,
} from './dynamo-table.ts';
import { dynamoTurns } from './dynamo-turns.ts';
import { backOff, mapParallel } from './parallel.ts';
import { StorageError } from './storage-error.ts';

const SHARDS = 4;
/** Bounds of TransactWriteItems, with room for keys and attributes: an entry is two items. */
const TRANSACTION_ENTRIES_MAX = 50;
const TRANSACTION_BYTES_MAX = 3 * 1024 * 1024;
const ATTEMPTS_MAX = 8;
/** Names vanish by themselves long after their entries: they are of use no more. */
const KEPT_SECONDS = 3_600;
const TURNS_PARALLEL_MAX = 16;

const IS_NEW = 'attribute_not_exists(sk)';

type Outcomes = Map<string, SubmitOutcome>;

export interface DynamoMempoolOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Over all shards. @default limits.mempoolTransactionsMax */
  readonly transactionsMax?: number;
}

export function dynamoMempool(table: DynamoTable, options: DynamoMempoolOptions): Mempool {
  const shardMax = Math.ceil((options.transactionsMax ?? limits.mempoolTransactionsMax) / SHARDS);
  const counters = shardCounters(table, shardMax, options.now);
  const own = dynamoTurns(table, options.now);
  return {
    async submit(ledger, entries, turns = own) {
      const outcomes = await submitAll({ table, counters, ledger, turns }, distinct(entries));
      const told = new Set<string>();
      return entries.map(({ id }) => {
        const outcome = outcomes.get(id) ?? 'known';
        const isRepeated = outcome === 'accepted' && told.has(id);
        told.add(id);
        return isRepeated ? 'known' : outcome;
      });
    },
    async next(ledger, bounds) {
      const shards = await Promise.all(
        SHARD_NUMBERS.map((shard) => frontOfShard(table, ledger, shard, bounds)),
      );
      await Promise.all(
        SHARD_NUMBERS.filter((shard) => shards[shard]?.length === 0).map((shard) =>
          counters.heal(ledger, shard),
        ),
      );
      return withinBounds(shards.flat().sort(compareTurns), bounds);
    },
    async has(ledger, id) {
      return (await getItem(table, nameKey(ledger, id), ['sk'])) !== null;
    },
    async remove(ledger, entries, clock) {
      const found = await waiting(table, ledger, distinct(entries));
      // The name first: an entry without one is removed when it is read again.
      await batchDelete(
        table,
        found.map(({ id }) => nameKey(ledger, id)),
      );
      await batchDelete(
        table,
        found.map((entry) => entryKey(ledger, entry)),
      );
      await Promise.all(
        SHARD_NUMBERS.map(async (shard) => {
          const count = found.filter(({ id }) => shardOf(id) === shard).length;
          if (clock === null) await counters.release(ledger, shard, count);
          else await counters.advance(ledger, shard, count, clock);
        }),
      );
    },
  };
}

const SHARD_NUMBERS = Array.from({ length: SHARDS }, (_, shard) => shard);

function shardOf(id: string): number {
  return parseInt(id.slice(0, 2), 16) % SHARDS;
}

const shardKey = (ledger: string, shard: number) => `mempool#${ledger}#${shard}`;

function entryKey(ledger: string, { id, turn, arrivedAt }: QueuedTransaction): ItemKey {
  const place = `${sortable(turn)}#${sortable(arrivedAt)}#${id}`;
  return { pk: shardKey(ledger, shardOf(id)), sk: place };
}

function nameKey(ledger: string, id: string): ItemKey {
  return { pk: `pending#${ledger}#${id}`, sk: 'pending' };
}

function distinct<T extends PendingTransaction>(entries: readonly T[]): T[] {
  const byId = new Map<string, T>();
  for (const entry of entries) if (!byId.has(entry.id)) byId.set(entry.id, entry);
  return [...byId.values()];
}

interface Submission {
  readonly table: DynamoTable;
  readonly counters: ShardCounters;
  readonly ledger: string;
  readonly turns: TurnSource;
}

async function submitAll(
  at: Submission,
  entries: readonly PendingTransaction[],
): Promise<Outcomes> {
  const outcomes: Outcomes = new Map();
  const names = await batchGet(
    at.table,
    entries.map(({ id }) => nameKey(at.ledger, id)),
    [],
  );
  const fresh = entries.filter((_, index) => names[index] === undefined);
  if (fresh.length === 0) return outcomes;
  const shards = await Promise.all(
    SHARD_NUMBERS.map(async (shard) => {
      const group = fresh.filter(({ id }) => shardOf(id) === shard);
      const reserved = await at.counters.reserve(at.ledger, shard, group.length);
      for (const { id } of group.slice(reserved.count)) outcomes.set(id, 'full');
      return { shard, reserved, asked: group.length };
    }),
  );
  try {
    const taken = fresh.filter(({ id }) => !outcomes.has(id));
    const queued = await queue(at, taken, roomOf(shards), outcomes);
    const puts = transactionsOf(queued).map((part) => putPart(at, part));
    // Room that is used is not given back, whatever becomes of the other parts.
    const settled = await Promise.allSettled(puts);
    for (const one of settled) {
      if (one.status === 'fulfilled') for (const [id, it] of one.value) outcomes.set(id, it);
    }
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
  } finally {
    await Promise.all(
      shards.map(async ({ shard, reserved }) => {
        const accepted = fresh.filter(
          ({ id }) => shardOf(id) === shard && outcomes.get(id) === 'accepted',
        );
        await at.counters.release(at.ledger, shard, reserved.count - accepted.length);
      }),
    );
  }
  return outcomes;
}

/** Ids are spread evenly, so that one shard tells of all. */
function roomOf(shards: readonly { reserved: Reserved; asked: number }[]): Room {
  const told = shards.filter(({ asked }) => asked > 0).map(({ reserved }) => reserved);
  return {
    clock: Math.max(...told.map(({ clock }) => clock)),
    free: SHARDS * Math.min(...told.map(({ free }) => free)),
  };
}

/** Gives each its turn; leaves out what is beyond its submitter's quota. */
async function queue(
  at: Submission,
  entries: readonly PendingTransaction[],
  room: Room,
  outcomes: Outcomes,
): Promise<QueuedTransaction[]> {
  const bySubmitter = new Map<string, PendingTransaction[]>();
  for (const entry of entries) {
    const group = bySubmitter.get(entry.submitter) ?? [];
    bySubmitter.set(entry.submitter, group);
    group.push(entry);
  }
  const queued = await mapParallel([...bySubmitter], TURNS_PARALLEL_MAX, async (one) => {
    const [submitter, group] = one;
    const turns = await at.turns.claim(at.ledger, submitter, group.map(costOf), room);
    for (const { id } of group.slice(turns.length)) outcomes.set(id, 'quota');
    return turns.map((turn, index) => ({ ...(group[index] as PendingTransaction), turn }));
  });
  return queued.flat();
}

/** Parts that fit one transaction by count and by bytes. */
function transactionsOf(entries: readonly QueuedTransaction[]): QueuedTransaction[][] {
  const parts: QueuedTransaction[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const last = parts.at(-1);
    bytes += entry.compact.length;
    if (!last || last.length >= TRANSACTION_ENTRIES_MAX || bytes > TRANSACTION_BYTES_MAX) {
      parts.push([entry]);
      bytes = entry.compact.length;
    } else {
      last.push(entry);
    }
  }
  return parts;
}

/** Puts what is new, all in one transaction; leaves out what turns out to be known. */
async function putPart(at: Submission, part: readonly QueuedTransaction[]): Promise<Outcomes> {
  const outcomes: Outcomes = new Map();
  let left = [...part];
  for (let attempt = 0; left.length > 0; attempt += 1) {
    if (attempt >= ATTEMPTS_MAX) throw new StorageError('unprocessed', 'submissions conflict');
    if (attempt > 0) await backOff(attempt);
    const reasons = await tryPut(at, left);
    if (reasons === null) {
      for (const { id } of left) outcomes.set(id, 'accepted');
      return outcomes;
    }
    // Of each entry the name comes first: it alone has a condition.
    const known = left.filter((_, index) => reasons[2 * index]?.Code === 'ConditionalCheckFailed');
    for (const { id } of known) outcomes.set(id, 'known');
    left = left.filter(({ id }) => !outcomes.has(id));
  }
  return outcomes;
}

/** Null when all were put, else why none was. */
async function tryPut(
  { table, ledger }: Submission,
  entries: readonly QueuedTransaction[],
): Promise<readonly CancellationReason[] | null> {
  const puts = entries.flatMap((entry) => [
    { Item: nameOf(ledger, entry), ConditionExpression: IS_NEW },
    { Item: itemOf(ledger, entry) },
  ]);
  try {
    await table.client.send(
      new TransactWriteItemsCommand({
        TransactItems: puts.map((put) => ({ Put: { TableName: table.name, ...put } })),
      }),
    );
    return null;
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error;
    return error.CancellationReasons ?? [];
  }
}

/** Which of these are in the pool. */
async function waiting(
  table: DynamoTable,
  ledger: string,
  entries: readonly QueuedTransaction[],
): Promise<QueuedTransaction[]> {
  if (entries.length === 0) return [];
  const items = await batchGet(
    table,
    entries.map((entry) => entryKey(ledger, entry)),
    [],
  );
  return entries.filter((_, index) => items[index] !== undefined);
}

/** Entries of a shard from the lowest turn on, at least as many as the bounds let in. */
async function frontOfShard(
  table: DynamoTable,
  ledger: string,
  shard: number,
  bounds: { count: number; bytes: number },
): Promise<QueuedTransaction[]> {
  const entries: QueuedTransaction[] = [];
  let bytes = 0;
  let start: Item | undefined;
  do {
    const page = await table.client.send(
      new QueryCommand({
        TableName: table.name,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': text(shardKey(ledger, shard)) },
        ConsistentRead: true,
        Limit: bounds.count - entries.length,
        ...(start && { ExclusiveStartKey: start }),
      }),
    );
    for (const item of page.Items ?? []) {
      const entry = entryOf(item);
      entries.push(entry);
      bytes += entry.compact.length;
    }
    start = page.LastEvaluatedKey;
  } while (start !== undefined && entries.length < bounds.count && bytes < bounds.bytes);
  return entries;
}

function withinBounds(
  sorted: readonly QueuedTransaction[],
  bounds: { count: number; bytes: number },
): QueuedTransaction[] {
  let bytes = 0;
  const end = sorted.findIndex((entry, index) => {
    bytes += entry.compact.length;
    return index >= bounds.count || bytes > bounds.bytes;
  });
  return end < 0 ? [...sorted] : sorted.slice(0, end);
}

function nameOf(ledger: string, { id, expiresAt }: QueuedTransaction): Item {
  const ttl = number(Math.floor(expiresAt / 1000) + KEPT_SECONDS);
  return { ...keyItem(nameKey(ledger, id)), ttl };
}

function itemOf(ledger: string, entry: QueuedTransaction): Item {
  return {
    ...keyItem(entryKey(ledger, entry)),
    compact: text(entry.compact),
    submitter: text(entry.submitter),
    expiresAt: number(entry.expiresAt),
    ...(entry.correlationId && { correlationId: text(entry.correlationId) }),
  };
}

function entryOf(item: Item): QueuedTransaction {
  const [turn, arrivedAt, id] = textOf(item, 'sk').split('#');
  return {
    id: id ?? '',
    turn: Number(turn),
    arrivedAt: Number(arrivedAt),
    compact: textOf(item, 'compact'),
    submitter: textOf(item, 'submitter'),
    expiresAt: numberOf(item, 'expiresAt'),
    ...(item['correlationId'] && { correlationId: textOf(item, 'correlationId') }),
  };
}
