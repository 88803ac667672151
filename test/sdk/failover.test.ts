/** One validator at a time fails, lies or is slow: the client gets a proven answer all the same. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import type { Clock } from '../../sdk/clock.ts';
import { SdkError } from '../../sdk/errors.ts';
import { formatMemory, type NetworkMemory, parseMemory } from '../../sdk/memory.ts';
import { batchesOf, NetworkClient } from '../../sdk/network-client.ts';
import type { Network } from '../../sdk/network-file.ts';
import { networkOf } from '../../sdk/network-file.ts';
import type { ClientNotice } from '../../sdk/settle.ts';
import { keySigner, signCall } from '../../sdk/signing.ts';
import { makeNetwork, type TestNetwork } from '../support/network.ts';
import { type FakeHandler, fakeFetch, problem } from './fake-fetch.ts';
import { FakeLedger, validatorHandler } from './fake-ledger.ts';

let net: TestNetwork;
let network: Network;
let ledger: FakeLedger;
let handlers: Record<string, FakeHandler>;
let notices: ClientNotice[];
/** Time that sleeps move on; nothing waits. */
let skew: number;

const clock: Clock = {
  now: () => Date.now() + skew,
  sleep: (ms) => {
    skew += ms;
    return Promise.resolve();
  },
};

beforeEach(async () => {
  skew = 0;
  notices = [];
  net = await makeNetwork(4, {}, Date.now() - 60_000);
  network = await networkOf({ genesis: net.signed });
  ledger = await FakeLedger.start(net, () => clock.now());
  handlers = Object.fromEntries(
    net.validators.map(({ id }) => [`http://${id}.test`, validatorHandler(ledger, id)]),
  );
});
afterEach(() => {
  handlers = {};
});

const first = 'http://hospital-a.test';
const probe = { fn: 'governance.probe', args: { label: 'test' } };
const head = { fn: 'network.head', args: {} };
const signer = () => keySigner(net.validators[0]!.operator);

function client(preferred = 'hospital-a') {
  const transport = fakeFetch(handlers);
  const made = new NetworkClient(network, {
    transport,
    clock,
    preferred,
    onNotice: (notice) => notices.push(notice),
  });
  return { made, transport };
}

/** Wraps the first validator's own answers. */
function twist(change: (own: FakeHandler) => FakeHandler): void {
  handlers[first] = change(handlers[first] as FakeHandler);
}

const typesOf = (validator: string): string[] =>
  notices.filter((one) => one.validator === validator).map((one) => one.type);

describe('submission', () => {
  it('is certified through the preferred validator, and verified', async () => {
    const { made } = client();
    const done = await made.submit(probe, signer());
    expect(done).toMatchObject({ status: 'COMMITTED', height: 1 });
    expect(made.seenHeight).toBe(1);
    expect(made.preferred).toBe('hospital-a');
  });

  it('goes on elsewhere when a validator is dead, and remembers the one that works', async () => {
    delete handlers[first];
    const { made, transport } = client();
    await made.submit(probe, signer());
    expect(made.preferred).not.toBe('hospital-a');
    const before = transport.calls.length;
    await made.submit(probe, signer());
    const asked = transport.calls.slice(before).map((call) => call.url.origin);
    expect(asked).not.toContain(first);
  });

  it('places the same id elsewhere when a validator takes it and then stays silent', async () => {
    twist(() => () => ({ status: 202, json: {} }));
    const { made, transport } = client();
    const done = await made.submit(probe, signer());
    const bodies = transport.calls
      .filter((call) => call.method === 'POST')
      .map((call) => JSON.stringify(call.body));
    expect(new Set(bodies).size).toBe(1);
    expect(bodies.length).toBeGreaterThan(1);
    expect(done.status).toBe('COMMITTED');
    expect(ledger.height).toBe(1);
  });

  it('asks few times where the network is slow, whatever was found done in bulk since', async () => {
    let takesMs = 8_000;
    let readyAt = 0;
    const slow =
      (own: FakeHandler): FakeHandler =>
      (request) => {
        if (request.method === 'POST') readyAt = clock.now() + takesMs;
        return request.method === 'GET' && clock.now() < readyAt
          ? { status: 202, json: {} }
          : own(request);
      };
    for (const [url, own] of Object.entries(handlers)) handlers[url] = slow(own);
    const { made, transport } = client();
    const polls = async (label: string): Promise<number> => {
      const before = transport.calls.length;
      await made.submit({ fn: 'governance.probe', args: { label } }, signer());
      const calls = transport.calls.slice(before);
      return calls.filter(
        ({ method, url }) => method === 'GET' && url.pathname.startsWith('/v1/transactions/'),
      ).length;
    };
    expect(await polls('first')).toBeGreaterThan(16);
    for (let round = 0; round < 8; round += 1) await polls(`learning-${round}`);
    expect(await polls('learned')).toBeLessThan(12);
    takesMs = 0;
    const calls = Array.from({ length: 20 }, (_, index) => ({
      fn: 'governance.probe',
      args: { label: `bulk-${index}` },
    }));
    await made.submitAll(calls, signer());
    takesMs = 8_000;
    expect(await polls('after-bulk')).toBeLessThan(12);
  });

  it('places it again when a validator forgot it', async () => {
    twist((own) => (request) => {
      return request.method === 'GET' ? problem(404, 'unknown_transaction') : own(request);
    });
    const { made } = client();
    await expect(made.submit(probe, signer())).resolves.toMatchObject({ height: 1 });
    expect(made.preferred).not.toBe('hospital-a');
  });

  it('believes no receipt that was changed', async () => {
    twist((own) => async (request) => {
      const answer = await own(request);
      const json = answer.json as { receipt?: string };
      if (!json.receipt) return answer;
      const bytes = fromBase64url(json.receipt);
      bytes[bytes.length >> 1]! ^= 1;
      return { ...answer, json: { ...json, receipt: toBase64url(bytes) } };
    });
    const { made } = client();
    await expect(made.submit(probe, signer())).resolves.toMatchObject({ status: 'COMMITTED' });
    expect(typesOf('hospital-a')).toContain('lied');
    expect(made.preferred).not.toBe('hospital-a');
  });

  it('believes no receipt of another transaction', async () => {
    const other = (await client('hospital-b').made.submit(probe, signer())).receipt;
    twist((own) => async (request) => {
      const answer = await own(request);
      if (request.method !== 'GET') return answer;
      const id = request.url.pathname.split('/').at(-1);
      return { json: { id, status: 'COMMITTED', receipt: toBase64url(other) } };
    });
    await expect(client().made.submit(probe, signer())).resolves.toMatchObject({ height: 2 });
    expect(typesOf('hospital-a')).toContain('lied');
  });

  it('honours Retry-After, and meanwhile asks the others', async () => {
    twist(() => () => ({ ...problem(429, 'mempool_full'), headers: { 'retry-after': '30' } }));
    const { made, transport } = client();
    await made.submit(probe, signer());
    await made.submit(probe, signer());
    expect(transport.calls.filter((call) => call.url.origin === first)).toHaveLength(1);
  });

  it('waits for as long as all ask for patience', async () => {
    let calls = 0;
    for (const [origin, own] of Object.entries(handlers)) {
      handlers[origin] = (request) => {
        calls += 1;
        if (calls > 4) return own(request);
        return { ...problem(503, 'not_initialised'), headers: { 'retry-after': '2' } };
      };
    }
    const started = clock.now();
    await client().made.submit(probe, signer());
    expect(clock.now() - started).toBeGreaterThanOrEqual(1_900);
  });

  it('does not let one validator refuse for all', async () => {
    twist(() => () => problem(401, 'bad_signature'));
    await expect(client().made.submit(probe, signer())).resolves.toBeDefined();
    expect(typesOf('hospital-a')).toEqual(['refused']);
  });

  it('ends when more than f validators refuse', async () => {
    for (const origin of Object.keys(handlers)) handlers[origin] = () => problem(400, 'malformed');
    await expect(client().made.submit(probe, signer())).rejects.toMatchObject({
      code: 'problem',
      details: { problem: { code: 'malformed' } },
    });
  });

  it('takes validators that lag for lagging, not for refusing', async () => {
    let calls = 0;
    for (const [origin, own] of Object.entries(handlers)) {
      handlers[origin] = (request) => {
        calls += 1;
        return calls <= 8 ? problem(401, 'unknown_signer') : own(request);
      };
    }
    await expect(client().made.submit(probe, signer())).resolves.toBeDefined();
  });

  it('claims nothing about the outcome when nobody answers until it expires', async () => {
    handlers = {};
    const failed = client().made.submit({ ...probe, validityMs: 5_000 }, signer());
    await expect(failed).rejects.toMatchObject({ code: 'expired' });
    const error = (await failed.catch((caught: unknown) => caught)) as SdkError;
    expect(error.nextStep).toMatch(/\w/);
    expect(error.message).not.toMatch(/no effect/);
  });

  it('throws a certified refusal with its receipt', async () => {
    const call = { fn: 'identity.revoke', args: { kid: 'A'.repeat(43), reason: 'other' } };
    const failed = client().made.submit(call, signer());
    const error = (await failed.catch((caught: unknown) => caught)) as SdkError;
    expect(error).toMatchObject({ code: 'refused', details: { reason: 'unknown_identity' } });
    const { id, receipt } = error.details as { id: string; receipt: string };
    await expect(client().made.proofs.receipt(receipt, id)).resolves.toMatchObject({
      status: 'INVALID',
    });
  });

  it('sends many in bulk, each settled on its own', async () => {
    delete handlers[first];
    const calls = Array.from({ length: 12 }, (_, index) => ({
      fn: 'governance.probe',
      args: { label: index === 5 ? 'not a label!' : `n${index}` },
    }));
    const outcomes = await client().made.submitAll(calls, signer());
    expect(outcomes.filter((one) => one instanceof SdkError)).toHaveLength(1);
    expect(outcomes[5]).toMatchObject({ code: 'refused', details: { reason: 'bad_arguments' } });
  });

  it('cuts batches at 500', async () => {
    const options = { network: 'local-test', now: clock.now(), kind: 'transaction' } as const;
    const one = await signCall(probe, { ...options, signer: signer() });
    const batches = batchesOf(Array.from({ length: 1_001 }, () => one));
    expect(batches.map((batch) => batch.length)).toEqual([500, 500, 1]);
  });
});

describe('reading', () => {
  const heightOf = (value: unknown): number => (value as { height: number }).height;

  it('computes the value from proofs, at height 0 too', async () => {
    expect(heightOf(await client().made.query(head, signer()))).toBe(0);
  });

  it('never goes backwards, whatever a validator that lags says', async () => {
    const { made } = client();
    await made.submit(probe, signer());
    await made.submit(probe, signer());
    twist((own) => async (request) => {
      if (request.url.pathname !== '/v1/queries') return own(request);
      const { query } = request.body as { query: string };
      return { json: { answer: toBase64url(await ledger.answer(query, 'hospital-a', 1)) } };
    });
    expect(heightOf(await made.query(head, signer()))).toBe(2);
  });

  it('is fresh though the validators asked first lag', async () => {
    await client('hospital-d').made.submit(probe, signer());
    twist((own) => async (request) => {
      if (request.url.pathname !== '/v1/queries') return own(request);
      const { query } = request.body as { query: string };
      return { json: { answer: toBase64url(await ledger.answer(query, 'hospital-a', 0)) } };
    });
    // This client has seen nothing yet, so that only the word of a quorum keeps it from height 0.
    expect(heightOf(await client().made.query(head, signer(), { fresh: true }))).toBe(1);
  });

  it('is fresh though f of the validators answer with an old head, whichever they are', async () => {
    await client().made.submit(probe, signer());
    await client().made.submit(probe, signer());
    for (const { id } of net.validators) {
      const origin = `http://${id}.test`;
      const own = handlers[origin] as FakeHandler;
      handlers[origin] = async (request) => {
        if (request.url.pathname !== '/v1/queries') return own(request);
        const { query } = request.body as { query: string };
        return { json: { answer: toBase64url(await ledger.answer(query, id, 1, 1)) } };
      };
      expect(heightOf(await client().made.query(head, signer(), { fresh: true })), id).toBe(2);
      handlers[origin] = own;
    }
  });

  it('orders a transaction where a validator claims a height that never comes', async () => {
    const claim = async (id: string) => {
      const origin = `http://${id}.test`;
      const own = handlers[origin] as FakeHandler;
      handlers[origin] = async (request) => {
        if (request.url.pathname !== '/v1/queries') return own(request);
        const { query } = request.body as { query: string };
        const { height } = ledger;
        return {
          json: { answer: toBase64url(await ledger.answer(query, id, height, height + 1)) },
        };
      };
    };
    await client().made.submit(probe, signer());
    // The liar is of every quorum: another one is down.
    await claim('hospital-a');
    delete handlers['http://hospital-d.test'];
    const { made, transport } = client();
    expect(heightOf(await made.query(head, signer(), { fresh: true }))).toBe(2);
    const placed = transport.calls.filter((call) => call.url.pathname === '/v1/transactions');
    expect(placed).toHaveLength(1);
    expect(ledger.height).toBe(2);
  });

  it('asks for no transaction where the claimed height comes', async () => {
    await client().made.submit(probe, signer());
    twist((own) => async (request) => {
      if (request.url.pathname !== '/v1/queries') return own(request);
      const { query } = request.body as { query: string };
      const { height } = ledger;
      // It has voted for a block that is certified a moment later.
      const answer = await ledger.answer(query, 'hospital-a', height, Math.min(height + 1, 2));
      if (height === 1) await ledger.submit((await signed()).compact);
      return { json: { answer: toBase64url(answer) } };
    });
    delete handlers['http://hospital-d.test'];
    const { made, transport } = client();
    expect(heightOf(await made.query(head, signer(), { fresh: true }))).toBe(2);
    const placed = transport.calls.filter((call) => call.url.pathname === '/v1/transactions');
    expect(placed).toHaveLength(0);
  });

  const signed = () => {
    const options = { network: 'local-test', now: clock.now(), kind: 'transaction' } as const;
    return signCall(probe, { ...options, signer: signer() });
  };

  it('believes no changed answer, none of another validator and none to another question', async () => {
    const { made } = client();
    await made.submit(probe, signer());
    const options = { network: 'local-test', now: clock.now(), kind: 'query' } as const;
    const foreign = await signCall(head, { ...options, signer: signer() });
    const lies: ((query: string) => Promise<Uint8Array>)[] = [
      async (query) => {
        const bytes = await ledger.answer(query, 'hospital-a');
        bytes[bytes.length - 40]! ^= 1;
        return bytes;
      },
      (query) => ledger.answer(query, 'hospital-b'),
      () => ledger.answer(foreign.compact, 'hospital-a'),
    ];
    for (const lie of lies) {
      notices = [];
      handlers[first] = async ({ body }) => {
        const { query } = body as { query: string };
        return { json: { answer: toBase64url(await lie(query)) } };
      };
      // A lie that comes after a quorum of answers is not looked at: it is asked until one is.
      for (let attempt = 0; attempt < 25 && !typesOf('hospital-a').includes('lied'); attempt += 1) {
        const { made: other } = client();
        expect(heightOf(await other.query(head, signer(), { fresh: true }))).toBe(1);
      }
      expect(typesOf('hospital-a')).toContain('lied');
    }
  });

  it('says so when no quorum can tell what is newest', async () => {
    delete handlers[first];
    delete handlers['http://hospital-b.test'];
    await expect(client().made.query(head, signer(), { fresh: true })).rejects.toMatchObject({
      code: 'unreachable',
    });
  });
});

describe('memory of the network', () => {
  const heightOf = (value: unknown): number => (value as { height: number }).height;

  function remembering(memory: NetworkMemory | null): NetworkClient {
    const transport = fakeFetch(handlers);
    return new NetworkClient(network, { transport, clock, memory, preferred: 'hospital-a' });
  }

  async function grown(blocks: number): Promise<NetworkClient> {
    const made = remembering(null);
    for (let block = 0; block < blocks; block += 1) await made.submit(probe, signer());
    return made;
  }

  it('survives in a file, for its network alone', async () => {
    const { memory } = (await grown(2)).proofs;
    expect(memory?.seenHeight).toBe(2);
    const text = formatMemory(network.genesis, memory as NetworkMemory);
    expect(parseMemory(network.genesis, text)).toEqual(memory);
    const other = await networkOf({ genesis: (await makeNetwork(4)).signed });
    expect(parseMemory(other.genesis, text)).toBeNull();
    expect(parseMemory(network.genesis, '{}')).toBeNull();
  });

  it('never goes backwards, in a later run either', async () => {
    const { memory } = (await grown(3)).proofs;
    twist((own) => async (request) => {
      if (request.url.pathname !== '/v1/queries') return own(request);
      const { query } = request.body as { query: string };
      return { json: { answer: toBase64url(await ledger.answer(query, 'hospital-a', 1)) } };
    });
    expect(heightOf(await remembering(null).query(head, signer()))).toBe(1);
    expect(heightOf(await remembering(memory).query(head, signer()))).toBe(3);
  });

  it('ties what is new to what was seen, by any validator that can prove it', async () => {
    const { memory } = (await grown(2)).proofs;
    await grown(4);
    twist(
      (own) => (request) =>
        request.url.pathname === '/v1/consistency' ? { json: { proof: 'AAAA' } } : own(request),
    );
    const later = remembering(memory);
    expect(heightOf(await later.query(head, signer()))).toBe(6);
    expect(later.proofs.memory?.header.height).toBe(6);
    expect(later.proofs.untied).toBeNull();
    const { from, validators } = await remembering(memory).histories();
    expect(from).toBe(2);
    expect(validators.map(({ id, state, to }) => [id, state, to])).toEqual([
      ['hospital-a', 'not proven', 2],
      ['hospital-b', 'extends', 6],
      ['hospital-c', 'extends', 6],
      ['hospital-d', 'extends', 6],
    ]);
  });

  it('takes a proof of what it asked for, also where it saw newer blocks meanwhile', async () => {
    const { memory } = (await grown(2)).proofs;
    await grown(4);
    const later = remembering(memory);
    let isFirst = true;
    twist((own) => async (request) => {
      if (request.url.pathname !== '/v1/consistency' || !isFirst) return own(request);
      isFirst = false;
      const answer = await own(request);
      await grown(2);
      expect(heightOf(await later.query(head, signer()))).toBe(8);
      return answer;
    });
    expect(heightOf(await later.query(head, signer()))).toBe(6);
    expect(later.proofs.memory?.header.height).toBe(6);
    expect(await later.checkHistory()).toBe(true);
    expect(later.proofs.memory?.header.height).toBe(8);
  });

  it('tells a fork: a certified history without the block that was seen', async () => {
    const seen = (await grown(2)).proofs.memory as NetworkMemory;
    await grown(3);
    const forked = { ...seen, header: { ...seen.header, time: seen.header.time + 1 } };
    await expect(remembering(forked).query(head, signer())).rejects.toMatchObject({
      code: 'not_proven',
      details: { step: 'history_forked' },
    });
    const { validators } = await remembering(forked).histories();
    expect(validators.every(({ state }) => state === 'not proven')).toBe(true);
  });

  it('goes on where nobody can prove it now, and asks again later', async () => {
    const { memory } = (await grown(2)).proofs;
    await grown(2);
    const own = { ...handlers };
    for (const [origin, handler] of Object.entries(own)) {
      handlers[origin] = (request) =>
        request.url.pathname === '/v1/consistency'
          ? problem(404, 'unknown_block')
          : handler(request);
    }
    const later = remembering(memory);
    expect(heightOf(await later.query(head, signer()))).toBe(4);
    expect(later.proofs.memory?.header.height).toBe(2);
    Object.assign(handlers, own);
    expect(await later.checkHistory()).toBe(true);
    expect(later.proofs.memory?.header.height).toBe(4);
  });

  it('starts at genesis where nothing was seen', async () => {
    await grown(2);
    const { from, validators } = await remembering(null).histories();
    expect([from, ...validators.map(({ to }) => to)]).toEqual([0, 2, 2, 2, 2]);
    const { memory } = (await grown(0)).proofs;
    expect(memory).toBeNull();
    const same = remembering((await grown(1)).proofs.memory);
    expect((await same.histories()).validators.map(({ state }) => state)).toEqual(
      Array.from({ length: 4 }, () => 'nothing newer'),
    );
  });
});
