/** Wrapped keys in the session table, bound to the ledger table for which they were made. */

import {
  DescribeTableCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { randomId } from '../../lib/crypto/random.ts';
import type { KeyringStore, WrappedKey, WrapPurpose } from '../validator/ports.ts';
import {
  binary,
  binaryOf,
  getItem,
  keyItem,
  putItem,
  text,
  textOf,
  type DynamoTable,
  type Item,
  type ItemKey,
} from './dynamo-table.ts';

const IS_NEW = 'attribute_not_exists(pk)';
/** In the partition of the read key: roles that answer read nothing else of this table. */
const BUNDLE: ItemKey = { pk: 'read', sk: 'bundle' };
const IDENTITY: ItemKey = { pk: 'identity', sk: 'table' };
const keyOf = (purpose: WrapPurpose): ItemKey => ({ pk: purpose, sk: 'key' });

export interface DynamoKeyringTables {
  readonly sessions: DynamoTable;
  readonly ledger: DynamoTable;
}

export function dynamoKeyringStore({ sessions, ledger }: DynamoKeyringTables): KeyringStore {
  return {
    async load(purpose) {
      const item = await getItem(sessions, keyOf(purpose));
      if (item === null) return null;
      return {
        wrapped: binaryOf(item, 'wrapped'),
        publicKey: new Uint8Array(binaryOf(item, 'publicKey')),
        certificate: new Uint8Array(binaryOf(item, 'certificate')),
        ledgerIdentity: textOf(item, 'ledgerIdentity'),
      };
    },
    async bundle() {
      const item = await getItem(sessions, BUNDLE);
      return item && textOf(item, 'json');
    },
    create: (keys, bundle) => putAll(sessions, keys, bundle, null),
    async keep(purpose, key) {
      await putItem(sessions, itemOf(purpose, key));
    },
    replace: (keys, bundle, before) => putAll(sessions, keys, bundle, before),
    async ledgerIdentity() {
      return (await Promise.all([identityOf(ledger), tableIdOf(ledger)])).join('/');
    },
  };
}

/** All keys with the bundle, or nothing where the bundle is another than `before`. */
async function putAll(
  sessions: DynamoTable,
  keys: Readonly<Record<WrapPurpose, WrappedKey>>,
  bundle: string,
  before: string | null,
): Promise<boolean> {
  const puts = Object.entries(keys).map(([purpose, key]) => ({
    TableName: sessions.name,
    Item: itemOf(purpose as WrapPurpose, key),
  }));
  const isBefore =
    before === null
      ? { ConditionExpression: IS_NEW }
      : {
          ConditionExpression: '#json = :before',
          ExpressionAttributeNames: { '#json': 'json' },
          ExpressionAttributeValues: { ':before': text(before) },
        };
  const first = { TableName: sessions.name, Item: { ...keyItem(BUNDLE), json: text(bundle) } };
  const items = [{ ...first, ...isBefore }, ...puts].map((Put) => ({ Put }));
  try {
    await sessions.client.send(new TransactWriteItemsCommand({ TransactItems: items }));
    return true;
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error;
    const failed = error.CancellationReasons?.some((one) => one.Code !== 'None');
    const present = await getItem(sessions, BUNDLE);
    if (failed && (present && textOf(present, 'json')) !== before) return false;
    throw error;
  }
}

/** A random id that is written into the table once. */
async function identityOf(ledger: DynamoTable): Promise<string> {
  const known = await getItem(ledger, IDENTITY);
  if (known !== null) return textOf(known, 'id');
  const id = randomId();
  const isPut = await putItem(
    ledger,
    { ...keyItem(IDENTITY), id: text(id) },
    { expression: IS_NEW },
  );
  if (isPut) return id;
  return textOf((await getItem(ledger, IDENTITY)) ?? {}, 'id');
}

/** What DynamoDB calls this very table; a restore makes another. */
async function tableIdOf(ledger: DynamoTable): Promise<string> {
  const { Table } = await ledger.client.send(new DescribeTableCommand({ TableName: ledger.name }));
  return Table?.TableId ?? Table?.CreationDateTime?.toISOString() ?? '';
}

function itemOf(purpose: WrapPurpose, key: WrappedKey): Item {
  return {
    ...keyItem(keyOf(purpose)),
    wrapped: binary(key.wrapped),
    publicKey: binary(key.publicKey),
    certificate: binary(key.certificate),
    ledgerIdentity: text(key.ledgerIdentity),
  };
}
