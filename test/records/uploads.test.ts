/** Uploads: exactly the registered bytes, by their uploader, acknowledged when the ledger has it. */
import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import {
  complete,
  makeCustodian,
  makeRecord,
  openUpload,
  sealedText,
  sendParts,
  upload,
} from './fixture.ts';

const small = () => randomBytes(1_000);
const two = () => new Uint8Array(8_388_608 + 5).fill(7);

describe('uploads', () => {
  it.each([small, two])('stores the registered bytes (%#)', async (bytes) => {
    const custodian = await makeCustodian();
    const record = await makeRecord(bytes());
    const answer = await upload(custodian, record);
    expect(answer.status).toBe(200);
    const [compact] = custodian.ledger.sent as [string];
    const transaction = parseTransaction(compact);
    expect(answer.body).toEqual({
      recordId: record.value.recordId,
      transactionId: transaction.id,
      objectDigest: record.value.digest,
    });
    expect(transaction).toMatchObject({
      fn: 'record.stored',
      ledger: 'main',
      args: { recordId: record.value.recordId, objectDigest: record.value.digest },
    });
    const [key] = [...custodian.objects.objects.keys()] as [string];
    expect(key).not.toContain(record.value.recordId);
  });

  it('reads the object itself where the store has no checksums', async () => {
    const custodian = await makeCustodian();
    custodian.objects.hasChecksums = false;
    expect((await upload(custodian, await makeRecord(two()))).status).toBe(200);
  });

  it('resumes: same upload, parts that are there stay', async () => {
    const custodian = await makeCustodian();
    const record = await makeRecord(two());
    const opened = await openUpload(custodian, record);
    sendParts(custodian, opened, record.parts.slice(0, 1));
    expect((await complete(custodian, record)).body['code']).toBe('parts_mismatch');
    const path = `/v1/uploads/${record.value.recordId}`;
    const status = await custodian.call('GET', path, undefined, { key: record.uploader });
    expect(status.body['parts']).toHaveLength(1);
    const again = await openUpload(custodian, record);
    expect(again.body['status']).toBe('open');
    expect(custodian.objects.uploads.size).toBe(1);
    sendParts(custodian, again, record.parts);
    expect((await complete(custodian, record)).status).toBe(200);
  });

  it('acknowledges nothing before the ledger has it, and sends the same transaction', async () => {
    const custodian = await makeCustodian();
    custodian.ledger.outcome = 'silent';
    const record = await makeRecord(small());
    const waiting = await upload(custodian, record);
    expect(waiting.status).toBe(503);
    expect(waiting.body['code']).toBe('not_certified_yet');
    expect((await complete(custodian, record)).status).toBe(503);
    custodian.ledger.outcome = 'COMMITTED';
    expect((await complete(custodian, record)).status).toBe(200);
    expect(new Set(custodian.ledger.sent).size).toBe(1);
    expect((await complete(custodian, record)).status).toBe(200);
    expect(custodian.ledger.sent).toHaveLength(3);
  });

  it('signs a new transaction once the old one is nearly over', async () => {
    const custodian = await makeCustodian();
    custodian.ledger.outcome = 'silent';
    const record = await makeRecord(small());
    await upload(custodian, record);
    custodian.clock.now += 9 * 60_000 + 1;
    custodian.ledger.outcome = 'INVALID';
    custodian.ledger.code = 'already_stored';
    expect((await complete(custodian, record)).status).toBe(200);
    expect(new Set(custodian.ledger.sent).size).toBe(2);
  });

  it('says so when the ledger refuses', async () => {
    const custodian = await makeCustodian();
    custodian.ledger.outcome = 'INVALID';
    custodian.ledger.code = 'digest_mismatch';
    const answer = await upload(custodian, await makeRecord(small()));
    expect([answer.status, answer.body['code']]).toEqual([409, 'digest_mismatch']);
  });

  it.each([true, false])('deletes other bytes than were registered (%s)', async (hasChecksums) => {
    const custodian = await makeCustodian();
    custodian.objects.hasChecksums = hasChecksums;
    const record = await makeRecord(small());
    const opened = await openUpload(custodian, record);
    sendParts(custodian, opened, [randomBytes(1_000)]);
    const answer = await complete(custodian, record);
    expect([answer.status, answer.body['code']]).toEqual([409, 'digest_mismatch']);
    expect(custodian.objects.objects.size).toBe(0);
    expect(custodian.ledger.sent).toEqual([]);
    expect((await upload(custodian, record)).status).toBe(200);
  });

  it('deletes bytes of another length', async () => {
    const custodian = await makeCustodian();
    const record = await makeRecord(small());
    sendParts(custodian, await openUpload(custodian, record), [randomBytes(999)]);
    expect((await complete(custodian, record)).body['code']).toBe('length_mismatch');
    expect(custodian.objects.objects.size).toBe(0);
  });

  it('refuses a wrap, parts or a length that were not registered', async () => {
    const custodian = await makeCustodian();
    const record = await makeRecord(small());
    const code = async (change: object) =>
      (await openUpload(custodian, { ...record, ...change })).body['code'];
    expect(await code({ wrap: sealedText() })).toBe('wrap_mismatch');
    expect(await code({ checksums: [toBase64url(sha256(new Uint8Array(1)))] })).toBe(
      'digest_mismatch',
    );
    const [checksum] = record.checksums;
    expect(await code({ checksums: [checksum, checksum] })).toBe('length_mismatch');
    expect(custodian.objects.uploads.size).toBe(0);
  });

  it('refuses sizes over the bounds', async () => {
    const custodian = await makeCustodian();
    const record = await makeRecord(small());
    const code = async (change: object) =>
      (await openUpload(custodian, { ...record, ...change })).body['code'];
    expect(await code({ sealedMetadata: sealedText(65 * 1024) })).toBe('invalid_request');
    expect(await code({ wrap: sealedText(2_000) })).toBe('invalid_request');
    expect(await code({ value: { ...record.value, ciphertextLength: 2 ** 33 } })).toBe(
      'receipt_wrong_kind',
    );
    expect(await code({ checksums: Array(513).fill(record.checksums[0]) })).toBe('invalid_request');
  });

  it('is for the uploader alone', async () => {
    const custodian = await makeCustodian();
    const record = await makeRecord(small());
    await openUpload(custodian, record);
    const stranger = await generateSigningKey();
    const path = `/v1/uploads/${record.value.recordId}`;
    const parts = [{ number: 1, etag: 'x', checksum: record.checksums[0] }];
    for (const [method, at, body] of [
      ['GET', path, undefined],
      ['DELETE', path, undefined],
      ['POST', `${path}/complete`, { parts }],
    ] as const) {
      const answer = await custodian.call(method, at, body, { key: stranger });
      expect([answer.status, answer.body['code']]).toEqual([404, 'unknown_record']);
    }
    const receipt = await custodian.receiptOf(record.value);
    const { wrap, sealedMetadata, checksums } = record;
    const body = { wrap, sealedMetadata, checksums };
    const answer = await custodian.call('POST', '/v1/uploads', body, { key: stranger, receipt });
    expect(answer.body['code']).toBe('proof_wrong_key');
  });

  it('gives up an open upload with its parts, and never a complete one', async () => {
    const custodian = await makeCustodian();
    const record = await makeRecord(small());
    sendParts(custodian, await openUpload(custodian, record), record.parts);
    const path = `/v1/uploads/${record.value.recordId}`;
    const aborted = await custodian.call('DELETE', path, undefined, { key: record.uploader });
    expect(aborted.body['status']).toBe('aborted');
    expect(custodian.objects.uploads.size).toBe(0);
    expect(custodian.store.keys().filter((key) => key.startsWith('record#'))).toEqual([]);
    await upload(custodian, record);
    const late = await custodian.call('DELETE', path, undefined, { key: record.uploader });
    expect(late.body['code']).toBe('already_complete');
  });

  it('starts anew where the store has given an upload up', async () => {
    const custodian = await makeCustodian();
    const record = await makeRecord(small());
    await openUpload(custodian, record);
    custodian.objects.uploads.clear();
    expect((await upload(custodian, record)).status).toBe(200);
  });

  it('lets two opens race: one upload remains', async () => {
    const custodian = await makeCustodian();
    const record = await makeRecord(small());
    const opened = await Promise.all([1, 2, 3].map(() => openUpload(custodian, record)));
    expect(opened.map((one) => one.status)).toEqual([200, 200, 200]);
    expect(custodian.objects.uploads.size).toBe(1);
  });
});
