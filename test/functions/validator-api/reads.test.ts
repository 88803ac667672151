import { beforeEach, describe, expect, it } from 'vitest';
import { query } from '../../../lib/chaincode/execute.ts';
import { fromBase64url } from '../../../lib/crypto/bytes.ts';
import { generateSigningKey, verifyP256 } from '../../../lib/crypto/p256.ts';
import { verifyStateAnswer } from '../../../lib/ledger/verify-state-answer.ts';
import { decodeCbor } from '../../../lib/wire/codec.ts';
import { jwsTypes, parseTransaction } from '../../../lib/wire/transaction.ts';
import { peerAuthorization } from '../../../functions/validator/block-request.ts';
import { encodeRecord } from '../../../functions/validator/replica/record.ts';
import { decodeRecord } from '../../../functions/validator/replica/record.ts';
import { type SessionBody, sessionSigningBytes } from '../../../lib/wire/session.ts';
import { ApiFixture, NETWORK, type Party, type SignChanges } from './fixture.ts';

let api: ApiFixture;

beforeEach(async () => {
  api = await ApiFixture.started();
});

const headQuery = (changes: SignChanges = {}) =>
  api.sign({ typ: jwsTypes.query, fn: 'network.head', args: {}, ...changes });
const ask = async (text: string) => api.post('/v1/queries', { query: text });

async function proven(text: string) {
  const answer = await ask(text);
  expect(answer.status).toBe(200);
  const parsed = parseTransaction(text);
  const { update } = await api.runtime.genesisBlock(api.genesis);
  const view = await verifyStateAnswer(
    fromBase64url(answer.body['answer'] as string),
    api.genesis,
    { nonce: fromBase64url(parsed.nonce), genesisStateRoot: update.root },
  );
  const { height, time } = view.header;
  const place = { network: NETWORK, ledger: 'main', height, time };
  const context = { ...place, genesisHash: api.genesis.hash, verify: verifyP256, main: null };
  return { view, value: await query(view, parsed, context) };
}

describe('POST /v1/queries', () => {
  it('answers at genesis, proven', async () => {
    const { view, value } = await proven(await headQuery());
    expect(value).toMatchObject({ network: NETWORK, height: 0 });
    expect(view.freshness).toMatchObject({ validator: 'north', height: 0, votedHeight: 0 });
  });

  it('answers at the committed head, with a statement for the nonce by the read key', async () => {
    await api.commit([await api.sign()]);
    const { view } = await proven(await headQuery());
    expect(view.header.height).toBe(1);
    expect(view.freshness).toMatchObject({ validator: 'north', height: 1, votedHeight: 1 });
  });

  it.each([
    ['a transaction', { typ: jwsTypes.transaction }, 400, 'not_a_query'],
    ['an unknown function', { fn: 'no.such' }, 400, 'unknown_function'],
    ['wrong arguments', { args: { odd: 1 } }, 400, 'bad_arguments'],
    ['another network', { network: 'local-other' }, 409, 'wrong_network'],
    ['a role that may not', { fn: 'patient.permissions' }, 403, 'role_denied'],
  ] as const)('refuses %s', async (_, changes, status, code) => {
    const answer = await ask(await headQuery(changes));
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
  });

  it('refuses strangers', async () => {
    const answer = await ask(await headQuery({ signer: await generateSigningKey() }));
    expect([answer.status, answer.body['code']]).toEqual([401, 'unknown_signer']);
  });

  it('is silent as a learner', async () => {
    const stored = await api.replicas.load('main');
    if (!stored) throw new Error('not started');
    const record = decodeRecord(stored.state);
    const state = encodeRecord({ ...record, state: { ...record.state, learner: true } });
    await api.replicas.save('main', stored.version, state, await api.head());
    const answer = await ask(await headQuery());
    expect([answer.status, answer.body['code']]).toEqual([503, 'learner']);
  });

  it('is silent where the ledger table is not the one of its keys', async () => {
    api.own.store.identity = 'restored';
    const answer = await ask(await headQuery());
    expect([answer.status, answer.body['code']]).toEqual([503, 'learner']);
  });
});

describe('GET /v1/blocks/{height}', () => {
  const authorised = async (key = api.own.operator, height = 1) => ({
    authorization: await peerAuthorization(
      { network: NETWORK, ledger: 'main', fn: 'ledger.block', height, now: api.now },
      key,
    ),
  });

  it('shows header and certificate to anyone, and no way to find receipts', async () => {
    const compact = await api.sign();
    await api.commit([compact]);
    const answer = await api.get('/v1/blocks/1');
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ height: 1 });
    expect(answer.body).not.toHaveProperty('body');
    expect(JSON.stringify(answer.body)).not.toContain(parseTransaction(compact).id);
    const header = decodeCbor(fromBase64url(answer.body['header'] as string), 10_000);
    expect(header).toMatchObject({ height: 1, ledger: 'main' });
  });

  it('shows genesis without a certificate', async () => {
    const answer = await api.get('/v1/blocks/0');
    expect(answer.body).toMatchObject({ height: 0, certificate: null });
  });

  it('shows ids and body to an operator and to a peer', async () => {
    const compact = await api.sign();
    await api.commit([compact]);
    const readKey = await api.parties[1]?.keyring.openReadKey();
    if (!readKey) throw new Error('no read key');
    for (const key of [api.own.operator, readKey]) {
      const answer = await api.get('/v1/blocks/1', await authorised(key));
      expect(answer.status).toBe(200);
      expect(answer.body['transactionIds']).toEqual([parseTransaction(compact).id]);
      expect(decodeCbor(fromBase64url(answer.body['body'] as string), 100_000)).toEqual([compact]);
    }
  });

  it('shows the body to a validator whose tables are gone, as its KMS key vouches for it', async () => {
    await api.commit([await api.sign()]);
    const east = api.parties[1] as Party;
    const key = await generateSigningKey();
    const body: SessionBody = {
      network: NETWORK,
      validator: 'east',
      incarnation: 7,
      purpose: 'read',
      key: key.publicKey,
      fromHeight: 0,
      untilHeight: 9,
    };
    const certified = async (changes: Partial<SessionBody>, by = east.kms) => {
      const changed = { ...body, ...changes };
      const signature = await by.sign(sessionSigningBytes(changed));
      const certificate = { body: changed, signature };
      return { ...key, sign: (bytes: Uint8Array) => key.sign(bytes), certificate };
    };
    const codeOf = async (one: Awaited<ReturnType<typeof certified>>) => {
      const answer = await api.get('/v1/blocks/1', await authorised(one));
      return answer.body['code'] ?? answer.status;
    };
    expect(await codeOf(await certified({}))).toBe(200);
    expect(await codeOf(await certified({ purpose: 'vote' }))).toBe('not_authorised');
    expect(await codeOf(await certified({ network: 'local-other' }))).toBe('not_authorised');
    expect(await codeOf(await certified({ validator: 'else' }))).toBe('not_authorised');
    expect(await codeOf(await certified({}, api.own.kms))).toBe('not_authorised');
    const other = await generateSigningKey();
    const sign = (bytes: Uint8Array): Promise<Uint8Array> => other.sign(bytes);
    const borrowed = { ...(await certified({})), sign };
    expect(await codeOf(borrowed)).toBe('bad_signature');
  });

  it('refuses the body to strangers, for another block, and with an old request', async () => {
    await api.commit([await api.sign()]);
    const stranger = await authorised(await generateSigningKey());
    expect((await api.get('/v1/blocks/1', stranger)).body['code']).toBe('unknown_signer');
    const other = await authorised(api.own.operator, 2);
    expect((await api.get('/v1/blocks/1', other)).body['code']).toBe('not_authorised');
    const old = await authorised();
    api.now += 120_000;
    expect((await api.get('/v1/blocks/1', old)).body['code']).toBe('expired');
    const odd = { authorization: 'Bearer x' };
    expect((await api.get('/v1/blocks/1', odd)).body['code']).toBe('invalid_request');
  });

  it('knows no block above the head, even when its certificate is stored', async () => {
    const head = await api.head();
    const header = { ...head.header, height: 1 };
    await api.blocks.putCertified('main', header, head.headerHash, await api.certify(header));
    const answer = await api.get('/v1/blocks/1');
    expect([answer.status, answer.body['code']]).toEqual([404, 'unknown_block']);
    expect((await api.get('/v1/blocks/-1')).body['code']).toBe('invalid_request');
    expect((await api.get('/v1/blocks/01')).body['code']).toBe('invalid_request');
  });
});

describe('GET /v1/network, /v1/health, /v1/events', () => {
  it('network shows the signed genesis document', async () => {
    const { body } = await api.get('/v1/network');
    expect(body['genesis']).toEqual(api.signed);
    expect(body['validators']).toMatchObject([{ id: 'north' }, {}, {}, {}]);
    expect(body['parameters']).toEqual(api.genesis.document.parameters);
  });

  it('health shows height and view', async () => {
    const { body } = await api.get('/v1/health');
    expect(body).toMatchObject({ status: 'ok', validator: 'north', view: 0, learner: false });
  });

  it('events shows what happened above a height', async () => {
    for (let i = 0; i < 3; i += 1) await api.commit([await api.sign()]);
    const all = await api.get('/v1/events');
    expect(all.body['height']).toBe(3);
    expect(all.body['events']).toHaveLength(3);
    const some = await api.get('/v1/events?after=1&limit=1');
    expect(some.body).toMatchObject({ height: 2, events: [{ height: 2, topic: 'probe' }] });
    const none = await api.get('/v1/events?after=9');
    expect(none.body).toEqual({ height: 9, events: [] });
    expect((await api.get('/v1/events?limit=0')).body['code']).toBe('invalid_request');
  });
});
