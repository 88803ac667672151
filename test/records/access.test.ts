/** No receipt, no bytes: every refusal of an access, and what a good receipt opens. */
import { beforeAll, describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { ServiceGenesis } from '../../functions/aws/service-genesis.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { createDpop } from '../../lib/records/dpop.ts';
import {
  apiUrl,
  certify,
  makeCustodian,
  makeRecord,
  openUpload,
  type TestCustodian,
  type TestRecord,
  upload,
} from './fixture.ts';

let custodian: TestCustodian;
let record: TestRecord;
let reader: SigningKey;
let permit: Record<string, unknown>;

beforeAll(async () => {
  custodian = await makeCustodian();
  record = await makeRecord(randomBytes(3_000));
  reader = await generateSigningKey();
  expect((await upload(custodian, record)).status).toBe(200);
  permit = {
    fn: 'access.request',
    decision: 'permit',
    recordId: record.value.recordId,
    objectDigest: record.value.digest,
    readerKid: thumbprint(reader.publicKey),
    usableUntil: custodian.clock.now + 300_000,
  };
});

async function access(receipt: Uint8Array, options: object = {}) {
  return custodian.call('POST', '/v1/access', {}, { key: reader, receipt, ...options });
}

describe('POST /v1/access', () => {
  it('opens the record for a minute', async () => {
    const answer = await access(await custodian.receiptOf(permit));
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      wrap: record.wrap,
      sealedMetadata: record.sealedMetadata,
      length: record.bytes.length,
      digest: record.value.digest,
    });
    expect(answer.body['url']).toMatch(/^http:\/\/store\.test\/[\w-]{22}\?expires=60$/);
  });

  it.each<[string, Record<string, unknown>, number, string]>([
    ['another reader', { readerKid: toBase64url(new Uint8Array(32)) }, 401, 'proof_wrong_key'],
    ['a receipt that is over', { usableUntil: 1_700_000_100_000 }, 403, 'receipt_expired'],
    ['a receipt of another function', { fn: 'record.stored' }, 403, 'receipt_wrong_kind'],
    ['a denial', { decision: 'deny', reason: 'no_permission' }, 403, 'receipt_denied'],
    ['an unknown record', { recordId: randomId() }, 404, 'unknown_record'],
    ['other bytes', { objectDigest: toBase64url(new Uint8Array(32)) }, 409, 'digest_mismatch'],
  ])('refuses %s', async (_name, change, status, code) => {
    const answer = await access(await custodian.receiptOf({ ...permit, ...change }));
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
    expect(answer.body['url']).toBeUndefined();
  });

  it('refuses what the chaincode refused', async () => {
    const receipt = await custodian.receiptOf(permit, { status: 'INVALID', code: 'no_permission' });
    expect((await access(receipt)).body['code']).toBe('receipt_not_committed');
  });

  it('refuses a receipt with any byte changed', async () => {
    const receipt = await custodian.receiptOf(permit);
    for (let at = 0; at < receipt.length; at += 37) {
      const changed = new Uint8Array(receipt);
      changed[at] = (changed[at] as number) ^ 1;
      const answer = await access(changed);
      expect(answer.status, `byte ${at}`).toBeGreaterThanOrEqual(400);
      expect(answer.status, `byte ${at}`).toBeLessThan(500);
      expect(answer.body['url']).toBeUndefined();
    }
  });

  it('refuses a receipt of another network', async () => {
    const other = await makeCustodian();
    const answer = await access(await other.receiptOf(permit));
    expect(answer.body['code']).toBe('receipt_wrong_genesis');
  });

  it('refuses what too few have certified', async () => {
    const alone = { ...custodian.net, validators: custodian.net.validators };
    const forger = await generateSigningKey();
    const validators = alone.validators.map((one) => ({ ...one, vote: forger }));
    const result = { id: 'a'.repeat(64), status: 'COMMITTED', code: '', value: permit } as const;
    const receipt = await certify({ ...alone, validators }, result, custodian.clock.now);
    expect((await access(receipt)).body['code']).toBe('receipt_bad_vote');
  });

  it('refuses a missing proof, and one that was used', async () => {
    const receipt = await custodian.receiptOf(permit);
    expect((await access(receipt, { dpop: null })).body['code']).toBe('proof_missing');
    const request = { method: 'POST', url: `${apiUrl}/v1/access`, receipt } as const;
    const dpop = await createDpop(request, reader, custodian.clock.now);
    expect((await access(receipt, { dpop })).status).toBe(200);
    expect((await access(receipt, { dpop })).body['code']).toBe('proof_replayed');
    const racing = await createDpop(request, reader, custodian.clock.now);
    const answers = await Promise.all([1, 2, 3].map(() => access(receipt, { dpop: racing })));
    expect(answers.filter((one) => one.status === 200)).toHaveLength(1);
  });

  it('refuses proofs for another address, method, receipt or time', async () => {
    const receipt = await custodian.receiptOf(permit);
    const good = { method: 'POST' as const, url: `${apiUrl}/v1/access`, receipt };
    const { now } = custodian.clock;
    const code = async (request: Parameters<typeof createDpop>[0], at = now, key = reader) =>
      (await access(receipt, { dpop: await createDpop(request, key, at) })).body['code'];
    expect(await code({ ...good, url: `${apiUrl}/v1/metadata` })).toBe('proof_wrong_request');
    expect(await code({ ...good, url: 'http://evil.test/v1/access' })).toBe('proof_wrong_request');
    expect(await code({ ...good, method: 'GET' })).toBe('proof_wrong_request');
    expect(await code({ ...good, receipt: null })).toBe('proof_wrong_request');
    expect(await code({ ...good, receipt: randomBytes(9) })).toBe('proof_wrong_request');
    expect(await code(good, now - 61_000)).toBe('proof_not_fresh');
    expect(await code(good, now + 11_000)).toBe('proof_not_fresh');
    expect(await code(good, now, await generateSigningKey())).toBe('proof_wrong_key');
    const answer = await access(receipt, { dpop: 'x.y.z' });
    expect(answer.body['code']).toBe('proof_malformed');
    const [header, payload] = (await createDpop(good, reader, now)).split('.') as [string, string];
    const forged = `${header}.${payload}.${toBase64url(randomBytes(64))}`;
    expect((await access(receipt, { dpop: forged })).status).toBe(401);
  });

  it('takes an address with another base: the one of the genesis document', async () => {
    const receipt = await custodian.receiptOf(permit);
    const { apiUrl: named } = custodian.net.genesis.document.custodian;
    expect((await access(receipt, { proofUrl: `${named}/v1/access` })).status).toBe(200);
  });

  it('does not open a record whose bytes are not there', async () => {
    const open = await makeRecord(randomBytes(10));
    await openUpload(custodian, open);
    const { recordId, digest } = open.value;
    const receipt = await custodian.receiptOf({ ...permit, recordId, objectDigest: digest });
    expect((await access(receipt)).body['code']).toBe('unknown_record');
  });

  it('refuses a body that is no receipt', async () => {
    const answer = await custodian.call('POST', '/v1/access', { receipt: '*' }, { key: reader });
    expect(answer.body['code']).toBe('invalid_request');
    const empty = await custodian.call('POST', '/v1/access', {}, { key: reader });
    expect(empty.body['code']).toBe('invalid_request');
  });
});

it('opens nothing from when a patient’s erasure began, though this record is not reached yet', async () => {
  const key = wrapKeys.erasedPatient(record.value.pseudonym);
  await custodian.store.insert(key, {});
  try {
    const answer = await access(await custodian.receiptOf(permit));
    expect([answer.body['code'], answer.body['url']]).toEqual(['patient_erased', undefined]);
  } finally {
    await custodian.store.remove([key]);
  }
});

describe('POST /v1/metadata', () => {
  const list = (change: object = {}) => ({
    fn: 'access.list',
    decision: 'permit',
    pseudonym: record.value.pseudonym,
    all: false,
    tags: [record.value['categoryTag']],
    scopes: [{ tag: record.value['categoryTag'], dataFrom: null, dataUntil: null }],
    readerKid: thumbprint(reader.publicKey),
    usableUntil: custodian.clock.now + 300_000,
    ...change,
  });
  const fetched = async (value: unknown, key = reader) => {
    const receipt = await custodian.receiptOf(value);
    return custodian.call('POST', '/v1/metadata', {}, { key, receipt });
  };

  it('gives the covered records, and only those', async () => {
    const { recordId, categoryTag } = record.value;
    const sealed = { recordId, wrap: record.wrap, sealedMetadata: record.sealedMetadata };
    expect((await fetched(list())).body).toEqual({ records: [sealed] });
    expect((await fetched(list({ all: true, scopes: [] }))).body).toEqual({ records: [sealed] });
    for (const scope of [
      { tag: toBase64url(randomBytes(16)), dataFrom: null, dataUntil: null },
      { tag: categoryTag, dataFrom: '2026-11', dataUntil: null },
      { tag: categoryTag, dataFrom: null, dataUntil: '2026-09' },
    ]) {
      expect((await fetched(list({ scopes: [scope] }))).body).toEqual({ records: [] });
    }
    const covering = { tag: categoryTag, dataFrom: '2026-10', dataUntil: '2026-10' };
    expect((await fetched(list({ scopes: [covering] }))).body).toEqual({ records: [sealed] });
  });

  it('refuses another reader, a receipt that is over, and another kind', async () => {
    const stranger = await generateSigningKey();
    expect((await fetched(list(), stranger)).body['code']).toBe('proof_wrong_key');
    expect((await fetched(list({ usableUntil: 5 }))).body['code']).toBe('receipt_expired');
    expect((await fetched(permit)).body['code']).toBe('receipt_wrong_kind');
    expect((await fetched(list({ decision: 'deny' }))).body['code']).toBe('receipt_denied');
  });

  it('pages what is too much for one answer', async () => {
    const many = await makeCustodian();
    const pseudonym = toBase64url(randomBytes(32));
    for (let index = 0; index < 60; index += 1) {
      const one = await makeRecord(randomBytes(8), { pseudonym });
      const big = toBase64url(randomBytes(64 * 1024));
      await upload(many, { ...one, sealedMetadata: { ...one.sealedMetadata, ciphertext: big } });
    }
    const value = list({ pseudonym, all: true, usableUntil: many.clock.now + 1_000 });
    const seen = new Set<string>();
    let after: string | undefined;
    let pages = 0;
    do {
      const receipt = await many.receiptOf(value);
      const body = after === undefined ? {} : { after };
      const page = await many.call('POST', '/v1/metadata', body, { key: reader, receipt });
      for (const { recordId } of page.body['records'] as { recordId: string }[]) seen.add(recordId);
      after = page.body['next'] as string | undefined;
      pages += 1;
    } while (after !== undefined);
    expect(seen.size).toBe(60);
    expect(pages).toBeGreaterThan(1);
  });
});

describe('the custodian', () => {
  it('says 503 until genesis is installed', async () => {
    const fresh = await makeCustodian();
    await fresh.store.remove([{ pk: 'service', sk: 'genesis' }]);
    const operatorKeys = {};
    const empty = new ServiceGenesis({
      store: fresh.store,
      network: 'local-test',
      operatorKeys,
      checkOwnKeys: async () => undefined,
    });
    fresh.context.genesis = empty;
    const receipt = await fresh.receiptOf(permit);
    const answer = await fresh.call('POST', '/v1/access', {}, { key: reader, receipt });
    expect([answer.status, answer.body['code']]).toEqual([503, 'not_initialised']);
    const bootstrap = await fresh.call('GET', '/v1/bootstrap', undefined, {});
    expect(fromBase64url(bootstrap.body['key'] as string)).toEqual(fresh.net.custodian.publicKey);
  });
});
