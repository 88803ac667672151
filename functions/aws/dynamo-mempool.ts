/**
 * Pending transactions in DynamoDB, in four shards by id.
 *
 *   reserve room (counter of the shard) → put each unless known → give back what was not used
 *   remove: delete what is there → give its room back
 *
 * The counter is an item of its own, moved by single updates: inside the transactions of the puts
 * it would make every two submissions of a shard conflict. A crash between two calls leaves it too
 * high; it is set right when the shard is found empty.
 */

import {
  ConditionalCheckFailedException,
  QueryCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type CancellationReason,
} from '@aws-sdk/client-dynamodb';
import { limits } from '../../lib/limits.ts';
import type { Mempool, PendingTransaction, SubmitOutcome } from '../../lib/ports.ts';
import {
  batchDelete,
  batchGet,
  getItem,
  keyItem,
  number,
  numberOf,
  putItem,
  sortable,
  text,
  textOf,
  type DynamoTable,
  type Item,
  type ItemKey,
} from './dynamo-table.ts';
import { backOff } from './parallel.ts';
import { StorageError } from './storage-error.ts';

const SHARDS = 4;
/** Bounds of TransactWriteItems, with room for keys and attributes. */
const TRANSACTION_ITEMS_MAX = 100;
const TRANSACTION_BYTES_MAX = 3 * 1024 * 1024;
const ATTEMPTS_MAX = 8;
/** A counter is only set right once no submission of its shard can be under way. */
const HEAL_AFTER_MS = 60_000;

const IS_NEW = 'attribute_not_exists(sk)';
const HAS_ROOM = 'attribute_not_exists(entries) OR entries <= :most';

type EntryKey = Pick<PendingTransaction, 'id' | 'issuedAt'>;
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
  return {
    async submit(ledger, entries) {
      const outcomes: Outcomes = new Map();
      await Promise.all(
        byShard(entries).map(({ shard, group }) =>
          submitToShard({ table, counters, ledger, shard }, group, outcomes),
        ),
      );
      const told = new Set<string>();
      return entries.map(({ id }) => {
        const outcome = outcomes.get(id) ?? 'known';
        const isRepeated = outcome === 'accepted' && told.has(id);
        told.add(id);
        return isRepeated ? 'known' : outcome;
      });
    },
    async oldest(ledger, bounds) {
      const shards = await Promise.all(
        SHARD_NUMBERS.map((shard) => oldestOfShard(table, ledger, shard, bounds)),
      );
      await Promise.all(
        SHARD_NUMBERS.filter((shard) => shards[shard]?.length === 0).map((shard) =>
          counters.heal(ledger, shard),
        ),
      );
      return withinBounds(shards.flat().sort(compareEntries), bounds);
    },
    async has(ledger, entry) {
      return (await getItem(table, entryKey(ledger, entry), ['sk'])) !== null;
    },
    async remove(ledger, entries) {
      await Promise.all(
        byShard(entries).map(async ({ shard, group }) => {
          const found = await existing(table, ledger, group);
          if (found.length === 0) return;
          await batchDelete(
            table,
            found.map((entry) => entryKey(ledger, entry)),
          );
          await counters.release(ledger, shard, found.length);
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

function entryKey(ledger: string, { id, issuedAt }: EntryKey): ItemKey {
  return { pk: shardKey(ledger, shardOf(id)), sk: `${sortable(issuedAt)}#${id}` };
}

/** Distinct entries by shard. */
function byShard<T extends EntryKey>(entries: readonly T[]): { shard: number; group: T[] }[] {
  const groups = new Map<number, Map<string, T>>();
  for (const entry of entries) {
    const shard = shardOf(entry.id);
    const group = groups.get(shard) ?? new Map<string, T>();
    if (!group.has(entry.id)) group.set(entry.id, entry);
    groups.set(shard, group);
  }
  return [...groups].map(([shard, group]) => ({ shard, group: [...group.values()] }));
}

interface Shard {
  readonly table: DynamoTable;
  readonly counters: ShardCounters;
  readonly ledger: string;
  readonly shard: number;
}

async function submitToShard(
  at: Shard,
  group: readonly PendingTransaction[],
  outcomes: Outcomes,
): Promise<void> {
  const room = await at.counters.reserve(at.ledger, at.shard, group.length);
  const taken = group.slice(0, room);
  const left = group.slice(room);
  let accepted = 0;
  try {
    const puts = transactionsOf(taken).map((part) => putPart(at, part));
    for (const results of await Promise.all(puts)) {
      for (const [id, outcome] of results) {
        outcomes.set(id, outcome);
        if (outcome === 'accepted') accepted += 1;
      }
    }
  } finally {
    if (accepted < room) await at.counters.release(at.ledger, at.shard, room - accepted);
  }
  // What is in a full pool already is known, not refused.
  const known = new Set((await existing(at.table, at.ledger, left)).map(({ id }) => id));
  for (const { id } of left) outcomes.set(id, known.has(id) ? 'known' : 'full');
}

/** Parts that fit one transaction by count and by bytes. */
function transactionsOf(entries: readonly PendingTransaction[]): PendingTransaction[][] {
  const parts: PendingTransaction[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const last = parts.at(-1);
    bytes += entry.compact.length;
    if (!last || last.length >= TRANSACTION_ITEMS_MAX || bytes > TRANSACTION_BYTES_MAX) {
      parts.push([entry]);
      bytes = entry.compact.length;
    } else {
      last.push(entry);
    }
  }
  return parts;
}

/** Puts what is new, all in one transaction; leaves out what turns out to be known. */
async function putPart(
  { table, ledger }: Shard,
  part: readonly PendingTransaction[],
): Promise<Outcomes> {
  const outcomes: Outcomes = new Map();
  let left = [...part];
  for (let attempt = 0; left.length > 0; attempt += 1) {
    if (attempt >= ATTEMPTS_MAX) throw new StorageError('unprocessed', 'submissions conflict');
    if (attempt > 0) await backOff(attempt);
    const reasons = await tryPut(table, ledger, left);
    if (reasons === null) {
      for (const { id } of left) outcomes.set(id, 'accepted');
      return outcomes;
    }
    const known = left.filter((_, index) => reasons[index]?.Code === 'ConditionalCheckFailed');
    for (const { id } of known) outcomes.set(id, 'known');
    left = left.filter(({ id }) => !outcomes.has(id));
  }
  return outcomes;
}

/** Null when all were put, else why none was. */
async function tryPut(
  table: DynamoTable,
  ledger: string,
  entries: readonly PendingTransaction[],
): Promise<readonly CancellationReason[] | null> {
  const items = entries.map((entry) => itemOf(ledger, entry));
  const [only] = items;
  if (only && items.length === 1) {
    const isPut = await putItem(table, only, { expression: IS_NEW });
    return isPut ? null : [{ Code: 'ConditionalCheckFailed' }];
  }
  try {
    await table.client.send(
      new TransactWriteItemsCommand({
        TransactItems: items.map((Item) => ({
          Put: { TableName: table.name, Item, ConditionExpression: IS_NEW },
        })),
      }),
    );
    return null;
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error;
    return error.CancellationReasons ?? [];
  }
}

/** Which of these are in the pool. */
async function existing<T extends EntryKey>(
  table: DynamoTable,
  ledger: string,
  entries: readonly T[],
): Promise<T[]> {
  if (entries.length === 0) return [];
  const items = await batchGet(
    table,
    entries.map((entry) => entryKey(ledger, entry)),
    [],
  );
  return entries.filter((_, index) => items[index] !== undefined);
}

/** Entries of a shard from the oldest on, at least as many as the bounds let in. */
async function oldestOfShard(
  table: DynamoTable,
  ledger: string,
  shard: number,
  bounds: { count: number; bytes: number },
): Promise<PendingTransaction[]> {
  const entries: PendingTransaction[] = [];
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
  sorted: readonly PendingTransaction[],
  bounds: { count: number; bytes: number },
): PendingTransaction[] {
  let bytes = 0;
  const end = sorted.findIndex((entry, index) => {
    bytes += entry.compact.length;
    return index >= bounds.count || bytes > bounds.bytes;
  });
  return end < 0 ? [...sorted] : sorted.slice(0, end);
}

function compareEntries(a: EntryKey, b: EntryKey): number {
  if (a.issuedAt !== b.issuedAt) return a.issuedAt - b.issuedAt;
  return a.id < b.id ? -1 : 1;
}

function itemOf(ledger: string, entry: PendingTransaction): Item {
  return {
    ...keyItem(entryKey(ledger, entry)),
    compact: text(entry.compact),
    expiresAt: number(entry.expiresAt),
    arrivedAt: number(entry.arrivedAt),
  };
}

function entryOf(item: Item): PendingTransaction {
  const [issuedAt, id] = textOf(item, 'sk').split('#');
  return {
    id: id ?? '',
    issuedAt: Number(issuedAt),
    compact: textOf(item, 'compact'),
    expiresAt: numberOf(item, 'expiresAt'),
    arrivedAt: numberOf(item, 'arrivedAt'),
  };
}

interface ShardCounters {
  /** Reserves room for as many of `wanted` as there is; answers for how many. */
  reserve(ledger: string, shard: number, wanted: number): Promise<number>;
  release(ledger: string, shard: number, count: number): Promise<void>;
  /** The shard was found empty: a counter that says otherwise has drifted. */
  heal(ledger: string, shard: number): Promise<void>;
}

function shardCounters(table: DynamoTable, shardMax: number, now: () => number): ShardCounters {
  const healedAt = new Map<string, number>();
  const update = (
    key: ItemKey,
    expression: string,
    values: Item,
    condition?: string,
  ): UpdateItemCommand =>
    new UpdateItemCommand({
      TableName: table.name,
      Key: keyItem(key),
      UpdateExpression: expression,
      ExpressionAttributeValues: values,
      ...(condition === undefined ? {} : { ConditionExpression: condition }),
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });

  async function reserve(ledger: string, shard: number, asked: number): Promise<number> {
    const wanted = Math.min(asked, shardMax);
    if (wanted <= 0) return 0;
    const values = {
      ':count': number(wanted),
      ':most': number(shardMax - wanted),
      ':now': number(now()),
    };
    try {
      await table.client.send(
        update(counterKey(ledger, shard), 'ADD entries :count SET moved = :now', values, HAS_ROOM),
      );
      return wanted;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      const held = error.Item ? numberOf(error.Item, 'entries') : shardMax;
      return reserve(ledger, shard, Math.min(wanted - 1, shardMax - held));
    }
  }

  return {
    reserve,
    async release(ledger, shard, count) {
      const values = { ':count': number(-count) };
      await table.client.send(update(counterKey(ledger, shard), 'ADD entries :count', values));
    },
    async heal(ledger, shard) {
      const key = counterKey(ledger, shard);
      if ((healedAt.get(key.sk) ?? -Infinity) > now() - HEAL_AFTER_MS) return;
      healedAt.set(key.sk, now());
      const values = {
        ':zero': number(0),
        ':before': number(now() - HEAL_AFTER_MS),
      };
      try {
        await table.client.send(
          update(key, 'SET entries = :zero', values, 'entries <> :zero AND moved < :before'),
        );
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },
  };
}

const counterKey = (ledger: string, shard: number): ItemKey => ({
  pk: `mempool-count#${ledger}#${shard}`,
  sk: `${ledger}#${shard}`,
});
