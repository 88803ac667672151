import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  concatBytes,
  fromBase64url,
  fromHex,
  toBase64url,
  toHex,
} from '../../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../../lib/crypto/p256.ts';
import { randomId } from '../../../lib/crypto/random.ts';
import { verifyReceipt } from '../../../lib/ledger/verify-receipt.ts';
import { limits } from '../../../lib/limits.ts';
import { jwsTypes, parseTransaction } from '../../../lib/wire/transaction.ts';
import { ApiFixture } from './fixture.ts';

const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');

/** The same signature with n − s: valid ECDSA, but not the one form that is taken. */
function malleated(compact: string): string {
  const [header, payload, signature] = compact.split('.') as [string, string, string];
  const raw = fromBase64url(signature);
  const s = ORDER - BigInt(`0x${toHex(raw.subarray(32))}`);
  const high = fromHex(s.toString(16).padStart(64, '0'));
  return [header, payload, toBase64url(concatBytes(raw.subarray(0, 32), high))].join('.');
}

function tampered(compact: string): string {
  const [header, payload, signature] = compact.split('.') as [string, string, string];
  const raw = fromBase64url(signature);
  raw[40] = (raw[40] as number) ^ 1;
  return [header, payload, toBase64url(raw)].join('.');
}

let api: ApiFixture;

beforeEach(async () => {
  api = await ApiFixture.started();
});

const idOf = (compact: string): string => parseTransaction(compact).id;
const submit = (transaction: unknown) => api.post('/v1/transactions', { transaction });
const held = () => api.mempool.next('main', { count: 1000, bytes: 10_000_000 });

describe('POST /v1/transactions', () => {
  it('holds it, then wakes the replica', async () => {
    const compact = await api.sign();
    const answer = await submit(compact);
    const id = idOf(compact);
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ id, status: 'PENDING', location: `/v1/transactions/${id}` });
    expect(await held()).toMatchObject([{ id, compact, arrivedAt: api.now }]);
    expect(api.inbox.sent).toEqual([{ kind: 'wake', ledger: 'main' }]);
  });

  it('reads the head once, however many are sent together', async () => {
    const transactions = [await api.sign(), await api.sign()];
    const head = vi.spyOn(api.replicas, 'head');
    await api.post('/v1/transactions/batch', { transactions });
    expect(head).toHaveBeenCalledTimes(1);
  });

  it('answers the same for the same id, and holds it once', async () => {
    const compact = await api.sign();
    const first = await submit(compact);
    api.now += 1_000;
    const second = await submit(compact);
    expect(second.body).toEqual(first.body);
    expect(await held()).toMatchObject([{ arrivedAt: api.now - 1_000 }]);
  });

  it('costs one wake until the replica raises wakeSeq', async () => {
    for (let i = 0; i < 5; i += 1) await submit(await api.sign());
    expect(api.inbox.sent).toHaveLength(1);
    await api.replicas.raiseWake('main');
    await submit(await api.sign());
    expect(api.inbox.sent).toHaveLength(2);
  });

  it('answers 202 with the location for what is committed', async () => {
    const compact = await api.sign();
    await api.commit([compact]);
    const answer = await submit(compact);
    expect([answer.status, answer.body['location']]).toEqual([
      202,
      `/v1/transactions/${idOf(compact)}`,
    ]);
    api.now += 3_600_000;
    expect((await submit(compact)).status).toBe(202);
    expect(await held()).toEqual([]);
  });

  it('refuses another transaction with a used nonce', async () => {
    const nonce = randomId();
    await api.commit([await api.sign({ nonce })]);
    const answer = await submit(await api.sign({ nonce, args: { label: 'again' } }));
    expect([answer.status, answer.body['code']]).toEqual([409, 'replayed']);
  });

  const refusals: [string, () => Promise<unknown>, number, string][] = [
    ['no string', async () => 7, 400, 'invalid_request'],
    ['no JWS', async () => 'abc', 400, 'invalid_jws'],
    ['unsigned', async () => (await api.sign()).replace(/[^.]+$/, ''), 400, 'invalid_jws'],
    ['not base64url', async () => `${await api.sign()}=`, 400, 'invalid_encoding'],
    ['a query', () => api.sign({ typ: jwsTypes.query }), 400, 'not_a_transaction'],
    ['another type', () => api.sign({ typ: 'jwt' }), 400, 'malformed'],
    ['a wrong signature', async () => tampered(await api.sign()), 401, 'bad_signature'],
    ['high S', async () => malleated(await api.sign()), 401, 'bad_signature'],
    [
      'an unknown signer',
      async () => api.sign({ signer: await generateSigningKey() }),
      401,
      'unknown_signer',
    ],
    [
      'the name of another signer',
      async () => {
        const kid = (await api.sign()).split('.')[0] as string;
        const header = JSON.parse(atob(kid)) as { kid: string };
        return api.sign({ signer: await generateSigningKey(), kid: header.kid });
      },
      401,
      'bad_signature',
    ],
    [
      'one that has expired',
      () => api.sign({ issuedAt: api.now - 10_000, expiresAt: api.now }),
      409,
      'expired',
    ],
    ['one of the future', () => api.sign({ issuedAt: api.now + 60_000 }), 409, 'not_yet_valid'],
    [
      'one that is valid for too long',
      () => api.sign({ expiresAt: api.now + limits.validityMsMax + 1 }),
      400,
      'validity_too_long',
    ],
    ['another network', () => api.sign({ network: 'local-other' }), 409, 'wrong_network'],
    ['another ledger', () => api.sign({ ledger: 'case-1' }), 404, 'unknown_case'],
    ['a long one', async () => 'a'.repeat(limits.transactionBytesMax + 1), 413, 'too_large'],
  ];

  it.each(refusals)('refuses %s', async (_, make, status, code) => {
    const answer = await submit(await make());
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(await held()).toEqual([]);
    expect(api.inbox.sent).toEqual([]);
  });

  it('refuses a body that is too large, and one that is not JSON', async () => {
    const path = '/v1/transactions';
    const long = await api.call({ method: 'POST', path, text: ' '.repeat(200_000) });
    expect([long.status, long.body['code']]).toEqual([413, 'too_large']);
    const text = await api.call({ method: 'POST', path, text: '{' });
    expect([text.status, text.body['code']]).toEqual([400, 'invalid_request']);
    const empty = await api.call({ method: 'POST', path });
    expect([empty.status, empty.body['code']]).toEqual([400, 'invalid_request']);
  });

  it('says when to come back while the mempool is full', async () => {
    api = await ApiFixture.started({ mempoolMax: 1 });
    const first = await api.sign();
    expect((await submit(first)).status).toBe(202);
    const answer = await submit(await api.sign());
    expect([answer.status, answer.body['code']]).toEqual([429, 'mempool_full']);
    const retryAfterMs = Number(answer.body['retryAfterMs']);
    expect(retryAfterMs).toBeGreaterThanOrEqual(1_000);
    expect(answer.headers['retry-after']).toBe(String(Math.ceil(retryAfterMs / 1000)));
    expect((await submit(first)).status).toBe(202);
  });
});

describe('a transaction that is known', () => {
  it('gets the same answer while it waits, once committed, and until it has expired and after', async () => {
    const compact = await api.sign({ expiresAt: api.now + limits.validityMsMax });
    const { expiresAt } = parseTransaction(compact);
    const first = await submit(compact);
    expect((await submit(compact)).body).toEqual(first.body);
    await api.commit([compact]);
    await api.mempool.remove('main', await held(), null);
    for (const now of [expiresAt - 60_000, expiresAt - 1, expiresAt, expiresAt + 60_000]) {
      api.now = now;
      const again = await submit(compact);
      expect([again.status, again.body]).toEqual([202, first.body]);
      expect(await held()).toEqual([]);
      expect((await api.get(`/v1/transactions/${idOf(compact)}`)).status).toBe(200);
    }
  });

  it('by its nonce is refused as replayed to the last millisecond, then as expired', async () => {
    const [nonce, expiresAt] = [randomId(), api.now + limits.validityMsMax];
    await api.commit([await api.sign({ nonce, expiresAt })]);
    const other = await api.sign({ nonce, expiresAt, args: { label: 'other' } });
    api.now = expiresAt - 1;
    expect((await submit(other)).body['code']).toBe('replayed');
    api.now = expiresAt;
    expect((await submit(other)).body['code']).toBe('expired');
  });

  it('is judged by the time of the ledger where the clock here is behind', async () => {
    const late = await api.sign({ expiresAt: api.now + 5_000 });
    const committed = await api.sign({ expiresAt: api.now + 5_000 });
    await api.commit([committed]);
    api.now += 10_000;
    await api.commit([await api.sign()]);
    api.now -= 10_000;
    expect((await submit(late)).body['code']).toBe('expired');
    expect((await submit(committed)).status).toBe(202);
    expect(await held()).toEqual([]);
  });
});

describe('a submitter with too much waiting here', () => {
  it('is refused for each transaction beyond its quota, and others are served', async () => {
    api = await ApiFixture.started({ mempoolMax: 300 });
    const transactions = await Promise.all(Array.from({ length: 40 }, () => api.sign()));
    const answer = await api.post('/v1/transactions/batch', { transactions });
    const results = answer.body['results'] as {
      status?: string;
      problem?: Record<string, unknown>;
    }[];
    const refused = results.flatMap(({ problem }) => (problem ? [problem] : []));
    expect(answer.status).toBe(200);
    expect(results.filter(({ status }) => status === 'PENDING').length).toBeLessThanOrEqual(18);
    expect(refused.length).toBeGreaterThan(20);
    for (const problem of refused) {
      expect(problem).toMatchObject({ status: 429, code: 'submitter_quota' });
      expect(problem['retryAfterMs']).toBeGreaterThanOrEqual(1_000);
      expect(problem['retryAfterMs']).toBeLessThan(3_000);
    }
    const other = api.parties[1]?.operator;
    expect((await submit(await api.sign(other ? { signer: other } : {}))).status).toBe(202);
  });
});

describe('POST /v1/transactions/batch', () => {
  it('gives each a result of its own, in order', async () => {
    const good = await api.sign();
    const bad = tampered(await api.sign());
    const other = await api.sign();
    const answer = await api.post('/v1/transactions/batch', {
      transactions: [good, bad, other, good],
    });
    expect(answer.status).toBe(200);
    expect(answer.body['results']).toMatchObject([
      { id: idOf(good), status: 'PENDING' },
      { problem: { status: 401, code: 'bad_signature' } },
      { id: idOf(other), status: 'PENDING' },
      { id: idOf(good), status: 'PENDING' },
    ]);
    expect((await held()).map(({ id }) => id).sort()).toEqual([idOf(good), idOf(other)].sort());
    expect(api.inbox.sent).toHaveLength(1);
  });

  it('refuses more than 500', async () => {
    const transactions = Array.from({ length: 501 }, () => 'a.b.c');
    const answer = await api.post('/v1/transactions/batch', { transactions });
    expect([answer.status, answer.body['code']]).toEqual([413, 'too_large']);
  });

  it('takes 500 at once', async () => {
    const transactions = await Promise.all(Array.from({ length: 500 }, () => api.sign()));
    const answer = await api.post('/v1/transactions/batch', { transactions });
    const results = answer.body['results'] as { status: string }[];
    expect(results.every(({ status }) => status === 'PENDING')).toBe(true);
    expect(await held()).toHaveLength(500);
  });
});

describe('GET /v1/transactions/{id}', () => {
  it('gives the receipt of a committed one, which verifies offline', async () => {
    const [a, b] = [await api.sign(), await api.sign()];
    await api.commit([a, b]);
    const answer = await api.get(`/v1/transactions/${idOf(b)}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ id: idOf(b), status: 'COMMITTED', code: '' });
    const receipt = fromBase64url(answer.body['receipt'] as string);
    const verified = await verifyReceipt(receipt, api.genesis);
    expect(verified).toMatchObject({ height: 1, result: { id: idOf(b), status: 'COMMITTED' } });
  });

  it('gives the receipt of one that the chaincode refused', async () => {
    const compact = await api.sign({ fn: 'no.such' });
    await api.commit([compact]);
    const answer = await api.get(`/v1/transactions/${idOf(compact)}`);
    expect(answer.body).toMatchObject({ status: 'INVALID', code: 'unknown_function' });
  });

  it('is 202 while it waits, 404 when nobody sent it', async () => {
    const compact = await api.sign();
    await submit(compact);
    const waits = await api.get(`/v1/transactions/${idOf(compact)}`);
    expect([waits.status, waits.body['status'], waits.headers['retry-after']]).toEqual([
      202,
      'PENDING',
      '1',
    ]);
    const unknown = await api.get(`/v1/transactions/${'0'.repeat(64)}`);
    expect([unknown.status, unknown.body['code']]).toEqual([404, 'unknown_transaction']);
  });

  it('waits for the block up to waitMs, and no longer', async () => {
    const compact = await api.sign();
    await submit(compact);
    const path = `/v1/transactions/${idOf(compact)}?waitMs=2000`;
    const before = api.now;
    expect((await api.get(path)).status).toBe(202);
    expect(api.now - before).toBeLessThanOrEqual(2_000);
    let sleeps = 0;
    api.onSleep = async () => {
      sleeps += 1;
      if (sleeps === 3) await api.commit([compact]);
    };
    expect((await api.get(path)).status).toBe(200);
    expect(sleeps).toBe(3);
  });

  it('never tells of a block above the head, nor of one that lost', async () => {
    const compact = await api.sign();
    const head = await api.head();
    const hash = new Uint8Array(32).fill(7);
    const body = { transactions: [compact], results: [new Uint8Array([1])] };
    await api.blocks.stageBody('main', head.height + 1, hash, body, [idOf(compact)]);
    expect((await api.get(`/v1/transactions/${idOf(compact)}`)).status).toBe(202);
    await api.commit([await api.sign()]);
    const lost = await api.get(`/v1/transactions/${idOf(compact)}`);
    expect([lost.status, lost.body['code']]).toEqual([404, 'unknown_transaction']);
  });

  it.each([
    ['/v1/transactions/abc', 'id'],
    [`/v1/transactions/${'0'.repeat(64)}?waitMs=20001`, 'waitMs'],
    [`/v1/transactions/${'0'.repeat(64)}?waitMs=soon`, 'waitMs'],
  ])('refuses %s', async (path, name) => {
    const answer = await api.get(path);
    expect([answer.status, answer.body['code']]).toEqual([400, 'invalid_request']);
    expect(answer.body['detail']).toContain(name);
  });
});

describe('every answer', () => {
  beforeAll(async () => {
    api = await ApiFixture.started();
  });

  it('carries the correlation id of the request, or a fresh one', async () => {
    const given = await api.get('/v1/health', {
      'X-Correlation-Id': '0b7d9c52-6d0e-4c1f-9c6a-2f4f5f0a1b2c',
    });
    expect(given.headers['x-correlation-id']).toBe('0b7d9c52-6d0e-4c1f-9c6a-2f4f5f0a1b2c');
    const odd = await api.get('/v1/health', { 'x-correlation-id': 'ada-okonjo-1961-04-23' });
    expect(odd.headers['x-correlation-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(odd.headers['x-correlation-id']).not.toContain('ada');
  });

  it('is logged without bodies, parameters or query strings', async () => {
    const compact = await api.sign();
    await submit(compact);
    await api.get(`/v1/transactions/${idOf(compact)}?waitMs=0`);
    const log = JSON.stringify(api.lines);
    expect(log).toContain('GET /v1/transactions/{id}');
    expect(log).not.toContain(idOf(compact));
    expect(log).not.toContain(compact.split('.')[1]);
    expect(log).not.toContain('waitMs');
  });

  it('is 404 where there is no route', async () => {
    for (const [method, path] of [
      ['GET', '/v1/nothing'],
      ['DELETE', '/v1/transactions'],
    ] as const) {
      const answer = await api.call({ method, path });
      expect([answer.status, answer.body['code']]).toEqual([404, 'not_found']);
    }
  });

  it('says nothing of a fault of ours', async () => {
    api.replicas.head = () => Promise.reject(new Error('secret cause'));
    const answer = await api.get('/v1/network');
    expect([answer.status, answer.body['code']]).toEqual([500, 'internal']);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
    const throttled = Object.assign(new Error('slow down'), { name: 'ThrottlingException' });
    api.replicas.head = () => Promise.reject(throttled);
    expect((await api.get('/v1/network')).body['code']).toBe('unavailable');
  });
});
