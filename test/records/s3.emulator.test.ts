/** Real S3 calls: presigned parts, composite digests, and the custodian's whole way of an upload. */
import { CreateBucketCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { equalBytes, toBase64url } from '../../lib/crypto/bytes.ts';
import { fileDigest } from '../../lib/crypto/file-digest.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { generateSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { dynamoItemStore } from '../../functions/aws/dynamo-item-store.ts';
import { s3Client, s3ObjectStore } from '../../functions/records/s3-object-store.ts';
import type { ObjectStore } from '../../functions/records/object-store.ts';
import { Emulator, ministack, WITHOUT_EMULATOR } from '../functions/aws/emulator.ts';
import { complete, makeCustodian, makeRecord, openUpload, type TestCustodian } from './fixture.ts';

const BUCKET = 'records';
const MIB = 1024 * 1024;
let emulator: Emulator;
let objects: ObjectStore;
let client: ReturnType<typeof s3Client>;
const set = (name: string, value: string) => (process.env[name] = value);

beforeAll(async () => {
  if (!ministack) return;
  emulator = await Emulator.start(ministack);
  set('AWS_REGION', 'us-east-1');
  set('AWS_ACCESS_KEY_ID', '111111111111');
  set('AWS_SECRET_ACCESS_KEY', 'test'); // what the emulator checks presigned addresses with
  client = s3Client(emulator.endpoint);
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  objects = s3ObjectStore(client, BUCKET);
});
afterAll(async () => {
  if (ministack) await emulator.stop();
});

/** Custodian whose bytes and items are in the emulator. */
async function custodianOnAws(): Promise<TestCustodian> {
  const custodian = await makeCustodian();
  const { genesis } = custodian.context;
  await genesis.require(); // kept in memory, whatever the store
  custodian.context.objects = objects;
  custodian.context.store = dynamoItemStore(await emulator.table());
  return custodian;
}

async function putPart(
  target: { url: string; headers: Record<string, string> },
  bytes: Uint8Array,
) {
  return fetch(target.url, {
    method: 'PUT',
    headers: target.headers,
    body: bytes as Uint8Array<ArrayBuffer>,
  });
}

describe.skipIf(!ministack)(`S3 (${ministack ? 'MiniStack' : WITHOUT_EMULATOR})`, () => {
  it.each([1, 5_000, 8 * MIB, 20 * MIB])('uploads and reads back %d bytes', async (length) => {
    const custodian = await custodianOnAws();
    const record = await makeRecord(randomBytes(length));
    const opened = await openUpload(custodian, record);
    expect(opened.status).toBe(200);
    const targets = opened.body['parts'] as {
      number: number;
      url: string;
      headers: Record<string, string>;
    }[];
    expect(targets).toHaveLength(Math.ceil(length / (8 * MIB)));
    for (const target of targets) {
      expect(target.url.startsWith(`${emulator.endpoint}/${BUCKET}/`)).toBe(true);
      const answer = await putPart(target, record.parts[target.number - 1] as Uint8Array);
      expect(answer.status).toBe(200);
    }
    const done = await complete(custodian, record);
    expect(done.status).toBe(200);
    expect((await complete(custodian, record)).status).toBe(200);

    const reader = await generateSigningKey();
    const receipt = await custodian.receiptOf({
      fn: 'access.request',
      decision: 'permit',
      recordId: record.value.recordId,
      objectDigest: record.value.digest,
      readerKid: thumbprint(reader.publicKey),
      usableUntil: custodian.clock.now + 300_000,
    });
    const access = await custodian.call('POST', '/v1/access', {}, { key: reader, receipt });
    expect(access.status).toBe(200);
    const response = await fetch(access.body['url'] as string);
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(equalBytes(bytes, record.bytes)).toBe(true);
    const ranged = await fetch(access.body['url'] as string, { headers: { range: 'bytes=0-0' } });
    expect(ranged.status).toBe(206);
  });

  it('resumes after an interruption with the parts that are there', async () => {
    const custodian = await custodianOnAws();
    const record = await makeRecord(randomBytes(9 * MIB));
    const opened = await openUpload(custodian, record);
    const [first] = opened.body['parts'] as { url: string; headers: Record<string, string> }[];
    if (!first) throw new Error('there is a first part');
    await putPart(first, record.parts[0] as Uint8Array);
    const again = await openUpload(custodian, record);
    const [, second] = again.body['parts'] as { url: string; headers: Record<string, string> }[];
    if (!second) throw new Error('there is a second part');
    await putPart(second, record.parts[1] as Uint8Array);
    expect((await complete(custodian, record)).status).toBe(200);
  });

  it('takes no other bytes than were announced, whoever checks', async () => {
    const custodian = await custodianOnAws();
    const record = await makeRecord(randomBytes(5_000));
    const opened = await openUpload(custodian, record);
    const [target] = opened.body['parts'] as { url: string; headers: Record<string, string> }[];
    if (!target) throw new Error('there is a part');
    const refused = await putPart(target, randomBytes(5_000));
    if (refused.status === 200) {
      expect((await complete(custodian, record)).body['code']).toBe('digest_mismatch');
    } else {
      expect(refused.status).toBe(400);
      expect((await complete(custodian, record)).status).toBe(400);
    }
    await putPart({ url: target.url, headers: {} }, randomBytes(5_000));
    const answer = await complete(custodian, record);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    const listed = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    const digests = await Promise.all(
      (listed.Contents ?? []).map(async ({ Key }) => {
        const { digest } = await fileDigest(objects.read(Key ?? ''));
        return toBase64url(digest);
      }),
    );
    expect(digests).not.toContain(record.value.digest);
  });

  it('tells the composite digest, unknown uploads and unknown objects', async () => {
    const bytes = randomBytes(100);
    const id = await objects.begin('one');
    expect(await objects.parts('one', id)).toEqual([]);
    const target = await objects.presignPart('one', { id, number: 1, checksum: sha256(bytes) }, 60);
    const put = await putPart(target, bytes);
    const etag = put.headers.get('etag') ?? '';
    expect(await objects.parts('one', id)).toMatchObject([{ number: 1, length: 100 }]);
    const part = { number: 1, etag, checksum: sha256(bytes) };
    expect(await objects.complete('one', id, [part])).toBe(true);
    // The store may say so again, or not know the upload any more: the object is there.
    await objects.complete('one', id, [part]);
    expect(await objects.complete('two', id, [part])).toBe(false);
    const described = await objects.describe('one');
    expect(described?.length).toBe(100);
    if (described?.compositeDigest) {
      expect(described.compositeDigest).toEqual(sha256(sha256(bytes)));
    }
    await objects.remove('one');
    expect(await objects.describe('one')).toBeNull();
    expect(await objects.parts('one', id)).toBeNull();
    await objects.abort('one', id);
  });
});
