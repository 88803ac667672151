import { GetItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dynamoBlockStore, dynamoFetchedStore } from '../../../functions/aws/dynamo-block-store.ts';
import { dynamoGenesisStore } from '../../../functions/aws/dynamo-genesis-store.ts';
import { dynamoKeyringStore } from '../../../functions/aws/dynamo-keyring-store.ts';
import { dynamoMempool } from '../../../functions/aws/dynamo-mempool.ts';
import { dynamoPageStore } from '../../../functions/aws/dynamo-page-store.ts';
import { dynamoReplicaStore } from '../../../functions/aws/dynamo-replica-store.ts';
import { limits } from '../../../lib/limits.ts';
import { Emulator, ministack, WITHOUT_EMULATOR } from './emulator.ts';
import {
  blockContract,
  headerOf,
  mempoolContract,
  otherContract,
  pageContract,
  pending,
  replicaContract,
  type Stores,
} from './stores-contract.ts';

let emulator: Emulator;
let now = 1_700_000_000_000;

beforeAll(async () => {
  if (ministack) emulator = await Emulator.start(ministack);
});
afterAll(async () => {
  if (ministack) await emulator.stop();
});

const make = async (): Promise<Stores> => {
  const table = await emulator.table();
  const sessions = await emulator.table();
  return {
    replicas: dynamoReplicaStore(table),
    blocks: dynamoBlockStore(table),
    pages: dynamoPageStore(table),
    fetched: dynamoFetchedStore(table, () => now),
    genesis: dynamoGenesisStore(table),
    keyring: dynamoKeyringStore({ sessions, ledger: table }),
    mempool: (options) => dynamoMempool(table, { now: () => now, ...options }),
  };
};

describe.skipIf(!ministack)(`DynamoDB (${ministack ? 'MiniStack' : WITHOUT_EMULATOR})`, () => {
  describe('replica store', () => replicaContract(make));
  describe('block store', () => blockContract(make));
  describe('page store', () => pageContract(make));
  describe('mempool', () => mempoolContract(make));
  describe('other stores', () => otherContract(make));

  it('refuses a state that one item cannot hold, by name', async () => {
    const { replicas } = await make();
    const head = {
      height: 0,
      headerHash: new Uint8Array(32),
      header: headerOf(0),
      certificate: null,
      votedHeight: 0,
    };
    const state = new Uint8Array(limits.chunkBytesMax + 1);
    await expect(replicas.save('main', null, state, head)).rejects.toMatchObject({
      code: 'state_too_large',
    });
    expect(await replicas.save('main', null, state.subarray(1), head)).toBe(true);
  });

  it('answers null for a body whose chunks are not all there', async () => {
    const table = await emulator.table();
    const blocks = dynamoBlockStore(table);
    const hash = new Uint8Array(32).fill(3);
    const chunk = { count: { N: '2' }, bytes: { B: new Uint8Array(9) } };
    const key = { pk: { S: `body#main#${'03'.repeat(32)}` }, sk: { S: '000000000000000' } };
    const put = new PutItemCommand({ TableName: table.name, Item: { ...key, ...chunk } });
    await table.client.send(put);
    expect(await blocks.body('main', hash)).toBeNull();
  });

  it('sets a drifted counter right once the shard is empty and quiet', async () => {
    const table = await emulator.table();
    const mempool = dynamoMempool(table, { now: () => now, transactionsMax: 4 });
    const [entry] = pending(1);
    if (!entry) throw new Error('unreachable');
    const shard = parseInt(entry.id.slice(0, 2), 16) % 4;
    const key = { pk: { S: `mempool-count#main#${shard}` }, sk: { S: `main#${shard}` } };
    await table.client.send(
      new UpdateItemCommand({
        TableName: table.name,
        Key: key,
        UpdateExpression: 'SET entries = :n, moved = :now',
        ExpressionAttributeValues: { ':n': { N: '1' }, ':now': { N: String(now) } },
      }),
    );
    const entriesOf = async (): Promise<string | undefined> => {
      const read = new GetItemCommand({ TableName: table.name, Key: key });
      return (await table.client.send(read)).Item?.['entries']?.N;
    };
    expect(await mempool.submit('main', [entry])).toEqual(['full']);
    await mempool.next('main', { count: 1, bytes: 1_000 });
    expect(await entriesOf()).toBe('1');
    now += 61_000;
    await mempool.next('main', { count: 1, bytes: 1_000 });
    expect(await entriesOf()).toBe('0');
    expect(await mempool.submit('main', [entry])).toEqual(['accepted']);
    expect(await entriesOf()).toBe('1');
    const [queued] = await mempool.next('main', { count: 1, bytes: 1_000 });
    await mempool.remove('main', queued ? [queued] : [], null);
    expect(await entriesOf()).toBe('0');
  });

  it('tells one ledger table from another', async () => {
    const [sessions, first, second] = await Promise.all([
      emulator.table(),
      emulator.table(),
      emulator.table(),
    ]);
    const a = await dynamoKeyringStore({ sessions, ledger: first }).ledgerIdentity();
    const b = await dynamoKeyringStore({ sessions, ledger: second }).ledgerIdentity();
    expect(a).not.toBe(b);
    expect(a.split('/').every((part) => part.length > 8)).toBe(true);
  });
});
