/** What the real chaincode decides, certified in blocks, is what the custodian acts on. */
import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import type { SigningKey } from '../../lib/crypto/p256.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { categoryKeysRoot } from '../../lib/records/category-keys.ts';
import { fromSealedText, sealedDigest } from '../../lib/records/sealed.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  grantArgs,
  OTHER_TAG,
  type PatientKeys,
  type Person,
  recordArgs,
  registerArgs,
  TAG,
  World,
} from '../chaincode/world.ts';
import { FakeLedger } from '../sdk/fake-ledger.ts';
import {
  complete,
  makeCustodian,
  makeRecord,
  sealedText,
  sendParts,
  type TestCustodian,
  type TestRecord,
} from './fixture.ts';

/** The one of the custodian's clock. */
const MONTH = '2023-11';
const RECEIPT_MS = 300_000;

let custodian: TestCustodian;
let ledger: FakeLedger;
let world: World;
let patient: PatientKeys;
let writer: Person;
let reader: Person;
let record: TestRecord;
let permissionId: string;

const categoryKeys = [
  { categoryTag: TAG, month: MONTH, revision: 0, publicKey: randomBytes(1_216) },
];
const share = sealedText(300);

type Signing = { key: SigningKey } | PatientKeys;

/** Signs, has it executed in a block of its own, and gives the receipt. */
async function commit(who: Signing, fn: string, args: SignedRequest['args']): Promise<Uint8Array> {
  world.time = custodian.clock.now;
  const { compact } = await world.signed(who, fn, args);
  return receiptOf(compact);
}

async function receiptOf(compact: string): Promise<Uint8Array> {
  const receipt = ledger.receipt(await ledger.submit(compact));
  if (!receipt) throw new Error('every executed transaction has a receipt');
  return receipt;
}

/** A clinician on the ledger. */
async function register(role: 'doctor' | 'nurse'): Promise<Person> {
  const person = await world.clinician(role);
  const { operator } = custodian.net.validators[0]!;
  const { certificate } = person;
  await mustCommit({ key: operator }, 'identity.register-clinician', { certificate });
  return person;
}

async function mustCommit(who: Signing, fn: string, args: SignedRequest['args']) {
  const receipt = await commit(who, fn, args);
  const { result } = await verifyReceipt(receipt, custodian.net.genesis);
  if (result.status !== 'COMMITTED') throw new Error(`${fn}: ${result.code}`);
  return receipt;
}

const post = (path: string, key: SigningKey, receipt: Uint8Array, body: object = {}) =>
  custodian.call('POST', path, body, { key, receipt });

const ask = (who: Person) =>
  commit(who, 'access.request', { recordId: record.value.recordId, purpose: 'TREAT' });

beforeAll(async () => {
  custodian = await makeCustodian();
  ledger = await FakeLedger.start(custodian.net, () => custodian.clock.now);
  custodian.context.validators = { settle: ({ compact }) => receiptOf(compact) };
  world = new World(custodian.net);
  world.time = custodian.clock.now;
  patient = await world.patientKeys('Anna');
  [writer, reader] = [await register('nurse'), await register('doctor')];
});

describe('receipts of the chaincode at the custodian', () => {
  it('patient.register publishes category keys', async () => {
    const root = toBase64url(categoryKeysRoot(categoryKeys));
    const receipt = await mustCommit(patient, 'patient.register', {
      ...registerArgs(patient),
      categoryKeysRoot: root,
      categoryKeysFrom: MONTH,
    });
    const keys = categoryKeys.map((key) => ({ ...key, publicKey: toBase64url(key.publicKey) }));
    const answer = await post('/v1/category-keys', patient.owner, receipt, { keys });
    expect(answer.body).toEqual({ pseudonym: patient.pseudonym, version: 1, keys: 1 });
    const stranger = await post('/v1/category-keys', writer.key, receipt, { keys });
    expect(stranger.body['code']).toBe('proof_wrong_key');
  });

  it('record.register opens an upload, which ends in a certified record.stored', async () => {
    await mustCommit(
      patient,
      'permission.grant',
      grantArgs(world, writer, { rights: ['write'], categories: [TAG, OTHER_TAG] }),
    );
    const made = await makeRecord(randomBytes(3_000), {
      pseudonym: patient.pseudonym,
      categoryTag: TAG,
      epoch: { month: MONTH, revision: 0 },
      dataMonth: MONTH,
    });
    record = { ...made, uploader: writer.key };
    const { fn, uploaderKid, ...args } = record.value;
    expect([fn, typeof uploaderKid]).toEqual(['record.register', 'string']);
    const registered = recordArgs(patient, args as SignedRequest['args']);
    const receipt = await mustCommit(writer, 'record.register', registered);
    const { wrap, sealedMetadata, checksums } = record;
    const body = { wrap, sealedMetadata, checksums };
    const stranger = await post('/v1/uploads', reader.key, receipt, body);
    expect(stranger.body['code']).toBe('proof_wrong_key');
    const opened = await post('/v1/uploads', writer.key, receipt, body);
    expect([opened.status, opened.body['status']]).toEqual([200, 'open']);
    sendParts(custodian, opened, record.parts);
    const done = await complete(custodian, record);
    expect(done.status).toBe(200);
    const stored = ledger.receipt(done.body['transactionId'] as string);
    const { result } = await verifyReceipt(stored ?? new Uint8Array(), custodian.net.genesis);
    expect(result).toMatchObject({ status: 'COMMITTED', value: { fn: 'record.stored' } });

    const again = await commit(writer, 'record.register', registered);
    const refused = await post('/v1/uploads', writer.key, again, body);
    expect(refused.body['code']).toBe('receipt_not_committed');
  });

  it('access.request opens the record when it permits, and nothing when it denies', async () => {
    const denied = await ask(reader);
    expect((await verifyReceipt(denied, custodian.net.genesis)).result.status).toBe('COMMITTED');
    const refused = await post('/v1/access', reader.key, denied);
    expect([refused.status, refused.body['code']]).toEqual([403, 'receipt_denied']);

    const shareDigest = toBase64url(sealedDigest(fromSealedText(share)));
    const args = grantArgs(world, reader, { rights: ['read'], shareDigest });
    permissionId = args['permissionId'] as string;
    const granted = await mustCommit(patient, 'permission.grant', args);
    const permitted = await ask(reader);
    const answer = await post('/v1/access', reader.key, permitted);
    expect(answer.status).toBe(200);
    const { wrap, sealedMetadata, bytes } = record;
    const { digest } = record.value;
    expect(answer.body).toMatchObject({ wrap, sealedMetadata, digest, length: bytes.length });
    const other = await post('/v1/access', writer.key, permitted);
    expect(other.body['code']).toBe('proof_wrong_key');
    const kind = await post('/v1/access', reader.key, granted);
    expect(kind.body['code']).toBe('receipt_wrong_kind');

    const deposited = await post('/v1/shares', patient.owner, granted, { share });
    expect(deposited.body).toEqual({ permissionId });
    const fetched = await custodian.call('POST', '/v1/shares/fetch', {}, { key: reader.key });
    expect(fetched.body).toEqual({ shares: [{ permissionId, ...share }] });
  });

  it('access.list shows what it covers', async () => {
    const { pseudonym, recordId } = { ...patient, ...record.value };
    const receipt = await mustCommit(reader, 'access.list', { pseudonym, purpose: 'TREAT' });
    const { body } = await post('/v1/metadata', reader.key, receipt);
    const { wrap, sealedMetadata } = record;
    expect(body).toEqual({ records: [{ recordId, wrap, sealedMetadata }] });
  });

  it('a permit is over after five minutes, and a revocation denies at once', async () => {
    const permitted = await ask(reader);
    const { result } = await verifyReceipt(permitted, custodian.net.genesis);
    const { decidedAt, usableUntil } = result.value as Record<string, number>;
    expect(usableUntil).toBe((decidedAt ?? 0) + RECEIPT_MS);
    custodian.clock.now = (usableUntil ?? 0) - 1;
    expect((await post('/v1/access', reader.key, permitted)).status).toBe(200);
    custodian.clock.now += 1;
    const over = await post('/v1/access', reader.key, permitted);
    expect(over.body['code']).toBe('receipt_expired');

    await mustCommit(patient, 'permission.revoke', { permissionId });
    const denied = await post('/v1/access', reader.key, await ask(reader));
    expect(denied.body['code']).toBe('receipt_denied');
  });
});
