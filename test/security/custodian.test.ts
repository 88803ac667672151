/** What a lying validator, and what a page of metadata, may not do to the custodian. */
import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { validatorClient } from '../../functions/records/validator-client.ts';
import { certify, makeCustodian, makeRecord, sealedText, upload } from '../records/fixture.ts';

describe('record.stored, with one validator that lies', () => {
  const lies: [string, (right: string) => unknown][] = [
    [
      'a receipt that is none',
      () => ({ status: 'COMMITTED', receipt: toBase64url(randomBytes(9)) }),
    ],
    ['a receipt that is no text', () => ({ status: 'COMMITTED', receipt: '*' })],
    ['an answer without end', () => ({ status: 'COMMITTED', receipt: '', more: 'x'.repeat(9e6) })],
  ];
  it.each(lies)('is certified in spite of %s', async (_name, lie) => {
    const custodian = await makeCustodian();
    const { net, clock } = custodian;
    let sent = '';
    custodian.context.validators = validatorClient({
      fetchUrl: async (url, init) => {
        if (init.method === 'POST') {
          sent = (JSON.parse(init.body as string) as { transaction: string }).transaction;
          return Response.json({ status: 'PENDING' }, { status: 202 });
        }
        const { id } = parseTransaction(sent);
        const result = { id, status: 'COMMITTED', code: '', value: {} } as const;
        const receipt = toBase64url(await certify(net, result, clock.now));
        const isLiar = new URL(url).hostname === 'hospital-a.test';
        return Response.json(isLiar ? lie(receipt) : { status: 'COMMITTED', receipt });
      },
    });
    const answer = await upload(custodian, await makeRecord(randomBytes(100)));
    expect(answer.body).toMatchObject({ objectDigest: expect.any(String) as string });
  });

  it('is certified in spite of the true receipt of another transaction', async () => {
    const custodian = await makeCustodian();
    const { net, clock } = custodian;
    let sent = '';
    custodian.context.validators = validatorClient({
      fetchUrl: async (url, init) => {
        if (init.method === 'POST') {
          sent = (JSON.parse(init.body as string) as { transaction: string }).transaction;
          return Response.json({ status: 'PENDING' }, { status: 202 });
        }
        const isLiar = new URL(url).hostname === 'hospital-a.test';
        const id = isLiar ? 'a'.repeat(64) : parseTransaction(sent).id;
        const result = { id, status: 'COMMITTED', code: '', value: {} } as const;
        const receipt = toBase64url(await certify(net, result, clock.now));
        return Response.json({ status: 'COMMITTED', receipt });
      },
    });
    const answer = await upload(custodian, await makeRecord(randomBytes(100)));
    expect(answer.body).toMatchObject({ objectDigest: expect.any(String) as string });
  });
});

describe('POST /v1/metadata', () => {
  it('names no record outside the granted categories, not even where a page ends', async () => {
    const custodian = await makeCustodian();
    const { store, clock } = custodian;
    const reader = await generateSigningKey();
    const pseudonym = toBase64url(randomBytes(32));
    const [granted, hidden] = ['A'.repeat(43), 'B'.repeat(43)] as const;
    const last = 'C'.repeat(43);
    const put = async (categoryTag: string, recordId: string) => {
      const entry = { recordId, categoryTag, dataMonth: '2026-10' };
      await store.stage([
        { key: wrapKeys.listed(pseudonym, categoryTag, recordId), value: entry },
        { key: wrapKeys.wrap(recordId), value: sealedText() },
        { key: wrapKeys.metadata(recordId), value: sealedText(64_000) },
      ]);
    };
    for (let i = 0; i < 55; i += 1) await put(granted, `granted-${String(i).padStart(2, '0')}`);
    await put(hidden, 'secret-record');
    for (let i = 0; i < 3; i += 1) await put(last, `last-${String(i).padStart(2, '0')}`);
    const value = {
      fn: 'access.list',
      decision: 'permit',
      pseudonym,
      all: false,
      readerKid: thumbprint(reader.publicKey),
      usableUntil: clock.now + 300_000,
    };
    const ids: string[] = [];
    for (let count = 47; count <= 53; count += 1) {
      const scopes = [granted, last].map((tag) => ({ tag, dataFrom: null, dataUntil: null }));
      const receipt = await custodian.receiptOf({ ...value, scopes });
      let after: string | undefined = `${granted}#granted-${String(54 - count).padStart(2, '0')}`;
      while (after !== undefined) {
        const body: object = { after };
        const options = { key: reader, receipt };
        const answer = await custodian.call('POST', '/v1/metadata', body, options);
        after = answer.body['next'] as string | undefined;
        expect(after ?? '').not.toContain('secret-record');
        const found = answer.body['records'] as { recordId: string }[];
        ids.push(...found.map((one) => one.recordId));
      }
    }
    expect(ids).not.toContain('secret-record');
    expect(ids).toContain('last-02');
  });

  it('still lists what is there when something of one record is gone', async () => {
    const custodian = await makeCustodian();
    const { store, clock } = custodian;
    const reader = await generateSigningKey();
    const pseudonym = toBase64url(randomBytes(32));
    const tag = 'A'.repeat(43);
    for (const recordId of ['first', 'gone', 'last']) {
      const value = { recordId, categoryTag: tag, dataMonth: '2026-10' };
      await store.stage([
        { key: wrapKeys.listed(pseudonym, tag, recordId), value },
        { key: wrapKeys.wrap(recordId), value: sealedText() },
        { key: wrapKeys.metadata(recordId), value: sealedText() },
      ]);
    }
    await store.remove([wrapKeys.wrap('gone'), wrapKeys.metadata('gone')]);
    const receipt = await custodian.receiptOf({
      fn: 'access.list',
      decision: 'permit',
      pseudonym,
      all: true,
      scopes: [],
      readerKid: thumbprint(reader.publicKey),
      usableUntil: clock.now + 300_000,
    });
    const answer = await custodian.call('POST', '/v1/metadata', {}, { key: reader, receipt });
    const found = (answer.body['records'] ?? []) as { recordId: string }[];
    expect(found.map((one) => one.recordId)).toEqual(['first', 'last']);
  });
});
