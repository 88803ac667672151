/** `ItemStore` in DynamoDB: `pk`, `sk`, `version`, `data` (CBOR) and, where it may go, `ttl`. */

import {
  QueryCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { decodeCbor, encodeCbor } from '../../lib/wire/codec.ts';
import {
  batchDelete,
  batchPut,
  binary,
  binaryOf,
  type DynamoTable,
  getItem,
  type Item,
  keyItem,
  number,
  numberOf,
  putItem,
  text,
  textOf,
} from './dynamo-table.ts';
import type { ItemChange, ItemKey, ItemStore, StoredItem } from './item-store.ts';

/** Just below DynamoDB's bound of an item, bytes. */
const DATA_BYTES_MAX = 390 * 1024;

const ABSENT = 'attribute_not_exists(pk)';
const SAME_VERSION = 'version = :expected';

export function dynamoItemStore(table: DynamoTable): ItemStore {
  return {
    async get(key) {
      const item = await getItem(table, key);
      return item === null ? null : storedItem(item);
    },
    async list(pk, { prefix, after, limit }) {
      const items: StoredItem[] = [];
      let start: Item | undefined = after === undefined ? undefined : keyItem({ pk, sk: after });
      do {
        const page = await table.client.send(
          new QueryCommand({
            TableName: table.name,
            KeyConditionExpression: prefix ? 'pk = :pk AND begins_with(sk, :prefix)' : 'pk = :pk',
            ExpressionAttributeValues: {
              ':pk': text(pk),
              ...(prefix && { ':prefix': text(prefix) }),
            },
            ConsistentRead: true,
            Limit: limit - items.length,
            ...(start && { ExclusiveStartKey: start }),
          }),
        );
        items.push(...(page.Items ?? []).map(storedItem));
        start = page.LastEvaluatedKey;
      } while (start !== undefined && items.length < limit);
      return items;
    },
    insert(key, value, ttlSeconds) {
      const ttl = ttlSeconds === undefined ? {} : { ttl: number(ttlSeconds) };
      return putItem(table, { ...itemOf(key, 1, value), ...ttl }, { expression: ABSENT });
    },
    replace(key, expected, value) {
      return putItem(table, itemOf(key, expected + 1, value), {
        expression: SAME_VERSION,
        values: { ':expected': number(expected) },
      });
    },
    stage: (entries) =>
      batchPut(
        table,
        entries.map(({ key, value, ttlSeconds }) => ({
          ...itemOf(key, 1, value),
          ...(ttlSeconds === undefined ? {} : { ttl: number(ttlSeconds) }),
        })),
      ),
    remove: (keys) => batchDelete(table, keys),
    transact: (changes) => transact(table, changes),
  };
}

async function transact(table: DynamoTable, changes: readonly ItemChange[]): Promise<boolean> {
  const puts = changes.map(({ key, expected, value }) => ({
    Put: {
      TableName: table.name,
      Item: itemOf(key, (expected ?? 0) + 1, value),
      ...(expected === null
        ? { ConditionExpression: ABSENT }
        : {
            ConditionExpression: SAME_VERSION,
            ExpressionAttributeValues: { ':expected': number(expected) },
          }),
    },
  }));
  try {
    await table.client.send(new TransactWriteItemsCommand({ TransactItems: puts }));
    return true;
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error;
    const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code);
    if (codes.includes('ConditionalCheckFailed')) return false;
    throw error;
  }
}

function itemOf(key: ItemKey, version: number, value: unknown): Item {
  return { ...keyItem(key), version: number(version), data: binary(encodeCbor(value)) };
}

function storedItem(item: Item): StoredItem {
  return {
    sk: textOf(item, 'sk'),
    version: numberOf(item, 'version'),
    value: decodeCbor(binaryOf(item, 'data'), DATA_BYTES_MAX),
  };
}
