import { describe, expect, it } from 'vitest';
import { ApiFixture, makeDocument, makeParty, signDocument } from './fixture.ts';

const bodies: Record<string, [string, string, unknown]> = {
  submit: ['POST', '/v1/transactions', { transaction: 'a.b.c' }],
  batch: ['POST', '/v1/transactions/batch', { transactions: ['a.b.c'] }],
  outcome: ['GET', `/v1/transactions/${'0'.repeat(64)}`, undefined],
  query: ['POST', '/v1/queries', { query: 'a.b.c' }],
  block: ['GET', '/v1/blocks/0', undefined],
  network: ['GET', '/v1/network', undefined],
  health: ['GET', '/v1/health', undefined],
  events: ['GET', '/v1/events', undefined],
};

describe('before genesis', () => {
  it.each(Object.entries(bodies))('%s answers not_initialised', async (_, [method, path, body]) => {
    const api = await ApiFixture.create();
    const text = body === undefined ? {} : { text: JSON.stringify(body) };
    const answer = await api.call({ method, path, ...text });
    expect(answer.status).toBe(503);
    expect(answer.body['code']).toBe('not_initialised');
    expect(answer.headers['retry-after']).toBe('2');
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  it('bootstrap shows the public keys and the URL', async () => {
    const api = await ApiFixture.create();
    const answer = await api.get('/v1/bootstrap');
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      ...(await api.own.keyring.bundle()),
      apiUrl: 'http://north.test',
    });
  });

  it('bootstrap asks the inbox to make keys, once in five seconds', async () => {
    const empty = await ApiFixture.create();
    empty.runtime.deps.keyring.bundle = () => Promise.resolve(null);
    for (let i = 0; i < 3; i += 1) {
      const answer = await empty.get('/v1/bootstrap');
      expect(answer.body['code']).toBe('preparing');
      expect(answer.headers['retry-after']).toBe('1');
    }
    expect(empty.inbox.sent).toEqual([{ kind: 'bootstrap', ledger: 'main' }]);
    empty.now += 5_000;
    await empty.get('/v1/bootstrap');
    expect(empty.inbox.sent).toHaveLength(2);
  });
});

describe('POST /v1/genesis', () => {
  it('starts the replica at height 0, and does so once', async () => {
    const api = await ApiFixture.create();
    const first = await api.post('/v1/genesis', api.signed);
    expect(first.status).toBe(200);
    expect(first.body['network']).toBe('local-test');
    const head = await api.head();
    expect(head).toMatchObject({ height: 0, certificate: null, votedHeight: 0 });
    const version = await api.replicas.version('main');
    expect(await api.post('/v1/genesis', api.signed)).toMatchObject({ status: 200 });
    expect(await api.replicas.version('main')).toBe(version);
    expect((await api.get('/v1/health')).body).toMatchObject({ status: 'ok', height: 0, view: 0 });
  });

  it('ends what a crash left half done', async () => {
    const api = await ApiFixture.create();
    await api.genesisStore.save(api.signed);
    expect((await api.get('/v1/health')).body['code']).toBe('not_initialised');
    expect((await api.post('/v1/genesis', api.signed)).status).toBe(200);
    expect((await api.get('/v1/health')).status).toBe(200);
  });

  it('refuses another document', async () => {
    const api = await ApiFixture.started();
    const other = await signDocument(api.parties, await makeDocument(api.parties));
    const answer = await api.post('/v1/genesis', other);
    expect([answer.status, answer.body['code']]).toEqual([409, 'already_initialised']);
  });

  it('refuses a document that one operator has not signed', async () => {
    const api = await ApiFixture.create();
    const signatures = api.signed.signatures.slice(1);
    const answer = await api.post('/v1/genesis', { ...api.signed, signatures });
    expect([answer.status, answer.body['code']]).toEqual([401, 'bad_signature']);
    expect(await api.genesisStore.load()).toBeNull();
  });

  it('refuses a document with other keys of this validator', async () => {
    const api = await ApiFixture.create();
    const strangers = await Promise.all(['north', 'east', 'south', 'west'].map(makeParty));
    const [north, ...others] = strangers;
    if (!north) throw new Error('unreachable');
    const sameOperator = { ...north, operator: api.own.operator };
    const parties = [sameOperator, ...others];
    const signed = await signDocument(parties, await makeDocument(parties));
    const answer = await api.post('/v1/genesis', signed);
    expect([answer.status, answer.body['code']]).toEqual([409, 'genesis_mismatch']);
  });

  it('refuses a document that names another operator for it', async () => {
    const api = await ApiFixture.create();
    const [, ...others] = api.parties;
    const parties = [{ ...api.own, operator: (await makeParty('north')).operator }, ...others];
    const signed = await signDocument(parties, await makeDocument(parties));
    const answer = await api.post('/v1/genesis', signed);
    expect([answer.status, answer.body['code']]).toEqual([403, 'wrong_operator']);
  });

  it('refuses a document of which it is no part', async () => {
    const api = await ApiFixture.create();
    const parties = await Promise.all(['mid', 'upper', 'lower', 'west'].map(makeParty));
    const signed = await signDocument(parties, await makeDocument(parties));
    const answer = await api.post('/v1/genesis', signed);
    expect([answer.status, answer.body['code']]).toEqual([409, 'genesis_mismatch']);
  });

  it('refuses a document of which no state follows, and remembers nothing of it', async () => {
    const api = await ApiFixture.create();
    const document = await makeDocument(api.parties);
    const membership = { caCertificate: 'AAAA', apiUrl: 'http://membership.test' };
    const signed = await signDocument(api.parties, { ...document, membership });
    const answer = await api.post('/v1/genesis', signed);
    expect([answer.status, answer.body['code']]).toEqual([400, 'malformed']);
    expect((await api.post('/v1/genesis', api.signed)).status).toBe(200);
    expect((await api.get('/v1/blocks/0')).status).toBe(200);
  });

  it('refuses what is no document', async () => {
    const api = await ApiFixture.create();
    expect((await api.post('/v1/genesis', {})).body['code']).toBe('invalid_request');
    const answer = await api.post('/v1/genesis', { document: '{}', signatures: [] });
    expect([answer.status, answer.body['code']]).toEqual([400, 'malformed']);
  });
});
