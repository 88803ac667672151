/** A validator's tables restored, cloned or emptied, on DynamoDB and KMS calls: it is a learner then. */
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { CreateKeyCommand } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dynamoGenesisStore } from '../../../functions/aws/dynamo-genesis-store.ts';
import { dynamoKeyringStore } from '../../../functions/aws/dynamo-keyring-store.ts';
import {
  batchDelete,
  batchPut,
  type DynamoTable,
  type Item,
  textOf,
} from '../../../functions/aws/dynamo-table.ts';
import { kmsEnvelope } from '../../../functions/aws/kms-envelope.ts';
import { kmsSigningKey } from '../../../functions/aws/kms-signing-key.ts';
import { bootstrapKeyring, Keyring, renewKeyring } from '../../../functions/validator/keyring.ts';
import type { SigningKey } from '../../../lib/crypto/p256.ts';
import { Emulator, ministack, WITHOUT_EMULATOR } from './emulator.ts';

const VALIDATOR = 'north';
let emulator: Emulator;
let kmsKey: SigningKey;
let wrap: ReturnType<typeof kmsEnvelope>;
let ledger: DynamoTable;
let sessions: DynamoTable;

beforeAll(async () => {
  if (!ministack) return;
  emulator = await Emulator.start(ministack);
  const kms = emulator.kms();
  const sign = await kms.send(
    new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
  );
  kmsKey = await kmsSigningKey(kms, sign.KeyMetadata?.KeyId ?? '');
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
  wrap = kmsEnvelope(kms, KeyMetadata?.KeyId ?? '', VALIDATOR);
});
afterAll(async () => {
  if (ministack) await emulator.stop();
});

const depsOf = (tables: { sessions: DynamoTable; ledger: DynamoTable }) => ({
  network: 'local-test',
  validator: VALIDATOR,
  wrap,
  store: dynamoKeyringStore(tables),
});
/** As a process does that starts on these tables. */
const opened = (tables: { sessions: DynamoTable; ledger: DynamoTable }) => {
  const keyring = new Keyring(depsOf(tables));
  return Promise.all([keyring.openSessionKey(), keyring.openReadKey(), keyring.openRequestKey()]);
};

async function contentOf(table: DynamoTable): Promise<Item[]> {
  const { Items = [] } = await table.client.send(
    new ScanCommand({ TableName: table.name, ConsistentRead: true }),
  );
  return Items;
}

/** What point-in-time recovery makes: the items of before, in a table of another name. */
async function restored(table: DynamoTable): Promise<DynamoTable> {
  const copy = await emulator.table();
  await batchPut(copy, await contentOf(table));
  return copy;
}

const title = `a validator (${ministack ? 'MiniStack' : WITHOUT_EMULATOR})`;
describe.skipIf(!ministack)(title, { timeout: 60_000 }, () => {
  beforeEach(async () => {
    [ledger, sessions] = [await emulator.table(), await emulator.table()];
    const genesis = dynamoGenesisStore(ledger);
    await bootstrapKeyring({ ...depsOf({ sessions, ledger }), kmsKey, genesis });
    const [session, read] = await opened({ sessions, ledger });
    expect([session, read]).not.toContain(null);
  });

  it.each([
    ['its ledger table was', async () => ({ sessions, ledger: await restored(ledger) })],
    [
      'both tables were',
      async () => ({ sessions: await restored(sessions), ledger: await restored(ledger) }),
    ],
  ])('votes with no key of before where %s restored or cloned', async (_what, restore) => {
    const tables = await restore();
    expect(await contentOf(tables.ledger)).toEqual(await contentOf(ledger));
    const [session, read, request] = await opened(tables);
    expect([session, read]).toEqual([null, null]);
    // It still asks its peers for what it lacks, as its KMS key vouches for it.
    expect(request).not.toBeNull();
    // New keys are of its next incarnation, and made for this very table.
    await renewKeyring({ ...depsOf(tables), kmsKey }, 1, null);
    const [renewed] = await opened(tables);
    expect(renewed?.certificate.body.incarnation).toBe(1);
    expect((await opened({ ...tables, ledger }))[0]).toBeNull();
  });

  it('votes with no key of before where its ledger table was emptied', async () => {
    const keys = (await contentOf(ledger)).map((one) => ({
      pk: textOf(one, 'pk'),
      sk: textOf(one, 'sk'),
    }));
    await batchDelete(ledger, keys);
    const [session, read] = await opened({ sessions, ledger });
    expect([session, read]).toEqual([null, null]);
  });

  it('has no key where its session table was emptied, and makes none by itself', async () => {
    const empty = await emulator.table();
    expect(await opened({ sessions: empty, ledger })).toEqual([null, null, null]);
    const genesis = { ...dynamoGenesisStore(ledger), load: async () => ({}) as never };
    const deps = { ...depsOf({ sessions: empty, ledger }), kmsKey, genesis };
    expect(await bootstrapKeyring(deps)).toBe(false);
  });
});
