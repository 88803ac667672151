/** Replica state and readers' head in one DynamoDB item, fenced by a version. */

import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { limits } from '../../lib/limits.ts';
import type { CommittedHead, HeadReader, ReplicaStore, StoredReplica } from '../../lib/ports.ts';
import { decodeWith, encodeCbor } from '../../lib/wire/codec.ts';
import { headerSchema } from '../../lib/wire/header.ts';
import { certificateSchema } from '../../lib/wire/vote.ts';
import {
  binary,
  binaryOf,
  getItem,
  keyItem,
  number,
  numberOf,
  putItem,
  type DynamoTable,
  type Item,
} from './dynamo-table.ts';
import { StorageError } from './storage-error.ts';

const HEAD_BYTES_MAX = 16 * 1024;
const HEAD_ATTRIBUTES = ['height', 'headerHash', 'header', 'certificate', 'votedHeight'];

/** No record yet, or the record that the writer has read. */
const IS_NEW = 'attribute_not_exists(pk)';
const IS_EXPECTED = 'version = :expected';

/** The store of every ledger of a table. `save` throws `state_too_large` above 350 KB. */
export function dynamoReplicaStore(table: DynamoTable): ReplicaStore & HeadReader {
  return {
    async load(ledger): Promise<StoredReplica | null> {
      const item = await getItem(table, headKey(ledger), ['version', 'state']);
      return item && { version: numberOf(item, 'version'), state: binaryOf(item, 'state') };
    },
    async version(ledger) {
      const item = await getItem(table, headKey(ledger), ['version']);
      return item && numberOf(item, 'version');
    },
    async save(ledger, expected, state, head) {
      if (state.length > limits.chunkBytesMax) {
        throw new StorageError('state_too_large', `replica state has ${state.length} bytes`);
      }
      const item = { ...keyItem(headKey(ledger)), ...itemOf(head), state: binary(state) };
      const condition =
        expected === null
          ? { expression: IS_NEW }
          : { expression: IS_EXPECTED, values: { ':expected': number(expected) } };
      return putItem(table, { ...item, version: number((expected ?? 0) + 1) }, condition);
    },
    async list(ledger, isActive) {
      await table.client.send(
        new UpdateItemCommand({
          TableName: table.name,
          Key: keyItem(LISTED_KEY),
          UpdateExpression: `${isActive ? 'ADD' : 'DELETE'} ledgers :one`,
          ExpressionAttributeValues: { ':one': { SS: [ledger] } },
        }),
      );
    },
    async listed() {
      const item = await getItem(table, LISTED_KEY, ['ledgers']);
      return [...(item?.['ledgers']?.SS ?? [])].sort();
    },
    async raiseWake(ledger) {
      const { Attributes } = await table.client.send(
        new UpdateItemCommand({
          TableName: table.name,
          Key: keyItem(wakeKey(ledger)),
          UpdateExpression: 'ADD seq :one',
          ExpressionAttributeValues: { ':one': number(1) },
          ReturnValues: 'UPDATED_NEW',
        }),
      );
      return numberOf(Attributes ?? {}, 'seq');
    },
    async head(ledger) {
      const item = await getItem(table, headKey(ledger), HEAD_ATTRIBUTES);
      return item && headOf(item);
    },
    async wakeSeq(ledger) {
      const item = await getItem(table, wakeKey(ledger), ['seq']);
      return item ? numberOf(item, 'seq') : 0;
    },
  };
}

/** One small item for all case ledgers: at rest it is empty, however many there are. */
const LISTED_KEY = { pk: 'replicas', sk: 'listed' };
const headKey = (ledger: string) => ({ pk: `replica#${ledger}`, sk: 'head' });
/** Apart from the head: `api` reads it with every submission while the replica writes the head. */
const wakeKey = (ledger: string) => ({ pk: `replica#${ledger}`, sk: 'wake' });

function itemOf(head: CommittedHead): Item {
  return {
    height: number(head.height),
    headerHash: binary(head.headerHash),
    header: binary(encodeCbor(head.header)),
    certificate: head.certificate ? binary(encodeCbor(head.certificate)) : { NULL: true },
    votedHeight: number(head.votedHeight),
  };
}

function headOf(item: Item): CommittedHead {
  const certificate = item['certificate']?.B;
  return {
    height: numberOf(item, 'height'),
    headerHash: new Uint8Array(binaryOf(item, 'headerHash')),
    header: decodeWith(headerSchema, binaryOf(item, 'header'), HEAD_BYTES_MAX),
    certificate: certificate ? decodeWith(certificateSchema, certificate, HEAD_BYTES_MAX) : null,
    votedHeight: numberOf(item, 'votedHeight'),
  };
}
