/** The few DynamoDB calls that the stores are made of, with their limits and retries. */

import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type AttributeValue,
  type DynamoDBClient,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { concatBytes } from '../../lib/crypto/bytes.ts';
import { limits } from '../../lib/limits.ts';
import { backOff, mapParallel, partsOf } from './parallel.ts';
import { StorageError } from './storage-error.ts';

export type Item = Record<string, AttributeValue>;

/** Partition and sort key. */
export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/** A table and the client that reaches it. */
export interface DynamoTable {
  readonly client: DynamoDBClient;
  readonly name: string;
}

/** Bounds of DynamoDB: items of one call. */
const WRITE_ITEMS_MAX = 25;
const GET_ITEMS_MAX = 100;
const PARALLEL_MAX = 8;
const ATTEMPTS_MAX = 8;

export const text = (value: string): AttributeValue => ({ S: value });
export const number = (value: number): AttributeValue => ({ N: String(value) });
export const binary = (value: Uint8Array): AttributeValue => ({ B: value });

export function keyItem({ pk, sk }: ItemKey): Item {
  return { pk: text(pk), sk: text(sk) };
}

/** Numbers in sort keys: 15 digits sort as numbers do. */
export function sortable(value: number): string {
  return String(value).padStart(15, '0');
}

/** Attributes that every writer writes. Throw `corrupt_item` where they are missing. */
export function textOf(item: Item, name: string): string {
  return item[name]?.S ?? missing(name);
}
export function numberOf(item: Item, name: string): number {
  return Number(item[name]?.N ?? missing(name));
}
export function binaryOf(item: Item, name: string): Uint8Array {
  return item[name]?.B ?? missing(name);
}

/** A consistent read of some attributes, or of all. */
export async function getItem(
  table: DynamoTable,
  key: ItemKey,
  attributes?: readonly string[],
): Promise<Item | null> {
  const names = attributes?.map((name, index) => [`#${index}`, name] as const);
  const { Item: item } = await table.client.send(
    new GetItemCommand({
      TableName: table.name,
      Key: keyItem(key),
      ConsistentRead: true,
      ...(names && {
        ProjectionExpression: names.map(([alias]) => alias).join(', '),
        ExpressionAttributeNames: Object.fromEntries(names),
      }),
    }),
  );
  return item ?? null;
}

/** Puts an item; with a condition, answers false where it does not hold. */
export async function putItem(
  table: DynamoTable,
  item: Item,
  condition?: { expression: string; values?: Item },
): Promise<boolean> {
  try {
    await table.client.send(
      new PutItemCommand({
        TableName: table.name,
        Item: item,
        ...(condition && { ConditionExpression: condition.expression }),
        ...(condition?.values && { ExpressionAttributeValues: condition.values }),
      }),
    );
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}

/** All items of a partition in the order of their sort keys, consistent. */
export async function queryAll(table: DynamoTable, pk: string): Promise<Item[]> {
  const items: Item[] = [];
  let start: Item | undefined;
  do {
    const page = await table.client.send(
      new QueryCommand({
        TableName: table.name,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': text(pk) },
        ConsistentRead: true,
        ...(start && { ExclusiveStartKey: start }),
      }),
    );
    items.push(...(page.Items ?? []));
    start = page.LastEvaluatedKey;
  } while (start !== undefined);
  return items;
}

/** Writes items in batches until all are written. Keys must differ. Throws `unprocessed`. */
export async function batchPut(table: DynamoTable, items: readonly Item[]): Promise<void> {
  await batchWrite(
    table,
    items.map((item) => ({ PutRequest: { Item: item } })),
  );
}

/** Deletes items in batches until all are gone. Keys must differ. Throws `unprocessed`. */
export async function batchDelete(table: DynamoTable, keys: readonly ItemKey[]): Promise<void> {
  await batchWrite(
    table,
    keys.map((key) => ({ DeleteRequest: { Key: keyItem(key) } })),
  );
}

async function batchWrite(table: DynamoTable, requests: readonly WriteRequest[]): Promise<void> {
  await mapParallel(partsOf(requests, WRITE_ITEMS_MAX), PARALLEL_MAX, async (part) => {
    let left: WriteRequest[] = part;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (attempt > 0) await backOff(attempt);
      const answer = await table.client.send(
        new BatchWriteItemCommand({ RequestItems: { [table.name]: left } }),
      );
      left = answer.UnprocessedItems?.[table.name] ?? [];
      if (left.length === 0) return;
    }
    throw new StorageError('unprocessed', `${left.length} writes were not taken`);
  });
}

/** Consistent reads of items, in the order of `keys`; what is not there is undefined. */
export async function batchGet(
  table: DynamoTable,
  keys: readonly ItemKey[],
  attributes?: readonly string[],
): Promise<(Item | undefined)[]> {
  const distinct = new Map(keys.map((key) => [nameOf(key), key]));
  const found = new Map<string, Item>();
  const names = [...new Set(['pk', 'sk', ...(attributes ?? [])])];
  const projection = attributes && {
    ProjectionExpression: names.map((_, index) => `#${index}`).join(', '),
    ExpressionAttributeNames: Object.fromEntries(names.map((name, index) => [`#${index}`, name])),
  };
  await mapParallel(partsOf([...distinct.values()], GET_ITEMS_MAX), PARALLEL_MAX, async (part) => {
    let left: Item[] = part.map(keyItem);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (attempt > 0) await backOff(attempt);
      const answer = await table.client.send(
        new BatchGetItemCommand({
          RequestItems: { [table.name]: { Keys: left, ConsistentRead: true, ...projection } },
        }),
      );
      for (const item of answer.Responses?.[table.name] ?? []) {
        found.set(nameOf({ pk: textOf(item, 'pk'), sk: textOf(item, 'sk') }), item);
      }
      left = answer.UnprocessedKeys?.[table.name]?.Keys ?? [];
      if (left.length === 0) return;
    }
    throw new StorageError('unprocessed', `${left.length} reads were not answered`);
  });
  return keys.map((key) => found.get(nameOf(key)));
}

/** Items of a partition that together hold `bytes`, none above `limits.chunkBytesMax`. */
export function chunkItems(pk: string, bytes: Uint8Array, extra: Item = {}): Item[] {
  const count = Math.max(1, Math.ceil(bytes.length / limits.chunkBytesMax));
  return Array.from({ length: count }, (_, index) => ({
    ...keyItem({ pk, sk: sortable(index) }),
    count: number(count),
    bytes: binary(bytes.subarray(index * limits.chunkBytesMax, (index + 1) * limits.chunkBytesMax)),
    ...extra,
  }));
}

/** The bytes that `chunkItems` split, or null unless every chunk is there. */
export async function readChunks(table: DynamoTable, pk: string): Promise<Uint8Array | null> {
  const items = await queryAll(table, pk);
  const first = items[0];
  if (!first || items.length < numberOf(first, 'count')) return null;
  return concatBytes(...items.map((item) => binaryOf(item, 'bytes')));
}

function nameOf({ pk, sk }: ItemKey): string {
  return `${pk}\u0000${sk}`;
}

function missing(name: string): never {
  throw new StorageError('corrupt_item', `attribute ${name} is missing`);
}
