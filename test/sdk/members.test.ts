/** Hospitals join, leave and move by governance: clients find them by what the ledger proves. */
import { beforeEach, describe, expect, it } from 'vitest';
import { toBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { sessionSigningBytes } from '../../lib/wire/session.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import { addressesOf, genesisMembers } from '../../sdk/addresses.ts';
import type { Clock } from '../../sdk/clock.ts';
import { approveProposal, type Change, propose } from '../../sdk/governance.ts';
import { formatMemory, type NetworkMemory, parseMemory } from '../../sdk/memory.ts';
import { NetworkClient } from '../../sdk/network-client.ts';
import { type Network, networkOf } from '../../sdk/network-file.ts';
import { keySigner } from '../../sdk/signing.ts';
import { makeNetwork, type TestNetwork, type TestValidator } from '../support/network.ts';
import { type FakeHandler, type FakeRequest, fakeFetch, problem } from './fake-fetch.ts';
import { FakeLedger, validatorHandler } from './fake-ledger.ts';

let net: TestNetwork;
let network: Network;
let ledger: FakeLedger;
let handlers: Record<string, FakeHandler>;
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
  net = await makeNetwork(4, {}, Date.now() - 60_000);
  network = await networkOf({ genesis: net.signed });
  ledger = await FakeLedger.start(net, () => clock.now());
  handlers = {};
  for (const { id } of net.validators) serve(id);
});

function serve(id: string, url = `http://${id}.test`): void {
  handlers[url] = validatorHandler(ledger, id);
}

const head = { fn: 'network.head', args: {} };
const signer = (index = 0) => keySigner(net.validators[index]!.operator);
const originOf = (call: FakeRequest): string => call.url.origin;
const urlsOf = (made: NetworkClient): string[] => made.validators.map(({ url }) => url);
const urlsFor = (letters: string): string[] =>
  [...letters].map((letter) => `http://hospital-${letter}.test`);

function client(memory: NetworkMemory | null = null, preferred = 'hospital-a') {
  const transport = fakeFetch(handlers);
  return { made: new NetworkClient(network, { transport, clock, memory, preferred }), transport };
}

/** Keys of a hospital that joins, and what operators are shown of them. */
async function newcomer(id: string, incarnation = 0, apiUrl = `http://${id}.test`) {
  const make = generateSigningKey;
  const [operator, kms, vote, read] = await Promise.all([make(), make(), make(), make()]);
  const keys: TestValidator = { id, operator, kms, vote, read };
  const certify = async (purpose: 'vote' | 'read'): Promise<{ certificate: string }> => {
    const body = {
      ...{ network: 'local-test', validator: id, incarnation, purpose },
      ...{ key: keys[purpose].publicKey, fromHeight: 0, untilHeight: 2 ** 40 },
    };
    const signature = await kms.sign(sessionSigningBytes(body));
    return { certificate: toBase64url(encodeCbor({ body, signature })) };
  };
  const shown = {
    ...{ validator: id, name: id, apiUrl, kmsKey: toBase64url(kms.publicKey) },
    operatorKey: toBase64url(operator.publicKey),
    ...{ session: await certify('vote'), read: await certify('read') },
    shareKey: toBase64url(new Uint8Array(1_216)),
  };
  return { keys, shown };
}

/** Proposed and approved by as many of the first hospitals as it takes, and in force. */
async function decide(change: Change): Promise<void> {
  const by = [0, 1, 2, 3].map((index) => {
    const options = { transport: fakeFetch({ ...handlers }), clock };
    const session = { client: new NetworkClient(network, options) };
    return { session, signer: signer(index) };
  });
  const { proposalId, quorum } = await propose(by[0]!, change);
  for (const one of by.slice(1, quorum)) await approveProposal(one, proposalId);
  await grow(2);
}

async function grow(blocks: number): Promise<void> {
  const made = new NetworkClient(network, { transport: fakeFetch(handlers), clock });
  for (let block = 0; block < blocks; block += 1) {
    await made.submit({ fn: 'governance.probe', args: { label: 'grow' } }, signer());
  }
}

async function replace(validator: string, id: string): Promise<void> {
  const { keys, shown } = await newcomer(id);
  ledger.join(keys);
  serve(id);
  await decide({ kind: 'replace', validator, newcomer: shown });
}

describe('members by governance', () => {
  it('asks for the members once where the set is another, and never where it is the same', async () => {
    const { made, transport } = client();
    const queries = () => transport.calls.filter((call) => call.url.pathname === '/v1/queries');
    await made.query(head, signer());
    await made.query(head, signer());
    expect(queries()).toHaveLength(2);
    await replace('hospital-d', 'hospital-e');
    await made.query(head, signer());
    expect(queries()).toHaveLength(4);
    await made.query(head, signer());
    expect(queries()).toHaveLength(5);
  });

  it('tries one that joined, and one that left no more', async () => {
    const { keys, shown } = await newcomer('hospital-e');
    ledger.join(keys);
    serve('hospital-e');
    await decide({ kind: 'add', newcomer: shown });
    const { made, transport } = client();
    await made.query(head, signer());
    expect(urlsOf(made)).toEqual(urlsFor('abcde'));
    for (const url of urlsFor('abcd')) delete handlers[url];
    expect(await made.query(head, signer())).toMatchObject({ height: ledger.height });
    expect(made.preferred).toBe('hospital-e');
    for (const { id } of net.validators) serve(id);
    await decide({ kind: 'remove', validator: 'hospital-d' });
    await made.query(head, signer());
    expect(urlsOf(made)).toEqual(urlsFor('abce'));
    const before = transport.calls.length;
    await made.query(head, signer(), { fresh: true });
    expect(transport.calls.slice(before).map(originOf)).not.toContain(urlsFor('d')[0]);
  });

  it('follows one to another address', async () => {
    await decide({ kind: 'add', newcomer: (await joined('hospital-e')).shown });
    await decide({ kind: 'remove', validator: 'hospital-d' });
    const moved = await newcomer('hospital-d', 1, 'http://elsewhere.test/');
    ledger.join(moved.keys);
    await decide({ kind: 'add', newcomer: moved.shown });
    const { made } = client();
    await made.submit({ fn: 'governance.probe', args: { label: 'x' } }, signer());
    expect(urlsOf(made)).toEqual([...urlsFor('abce'), 'http://elsewhere.test']);
  });

  it('reads fresh though fewer than a quorum are where genesis says', async () => {
    await replace('hospital-d', 'hospital-e');
    await replace('hospital-c', 'hospital-f');
    for (const url of urlsFor('cd')) delete handlers[url];
    const { made, transport } = client();
    const { height } = ledger;
    const placed = () => transport.calls.filter((call) => call.url.pathname === '/v1/transactions');
    expect(await made.query(head, signer(), { fresh: true })).toMatchObject({ height: height + 1 });
    expect(placed()).toHaveLength(1);
    expect(new Set(urlsOf(made))).toEqual(new Set(urlsFor('abef')));
    await made.query(head, signer(), { fresh: true });
    expect(placed()).toHaveLength(1);
  });

  it('takes three of four for no quorum where seven decide', async () => {
    for (const letter of 'efg') {
      await decide({ kind: 'add', newcomer: (await joined(`hospital-${letter}`)).shown });
    }
    const { made } = client();
    const { height } = ledger;
    expect(await made.query(head, signer(), { fresh: true })).toMatchObject({ height: height + 1 });
    expect(urlsOf(made)).toEqual(urlsFor('abcdefg'));
    expect(await made.query(head, signer(), { fresh: true })).toMatchObject({ height: height + 1 });
  });

  it('goes on where nobody tells the members now, and asks again after a later block', async () => {
    await replace('hospital-d', 'hospital-e');
    const { made } = client();
    await made.query(head, signer());
    expect(urlsOf(made)).toEqual(urlsFor('abce'));
    const other = client().made;
    let calls = 0;
    const own = { ...handlers };
    for (const [url, handler] of Object.entries(own)) {
      handlers[url] = (request) => {
        if (request.url.pathname !== '/v1/queries') return handler(request);
        calls += 1;
        return calls === 1 ? handler(request) : problem(401, 'bad_signature');
      };
    }
    expect(await other.query(head, signer())).toMatchObject({ height: ledger.height });
    expect(calls).toBeGreaterThan(1);
    expect(urlsOf(other)).toEqual(urlsFor('abcd'));
    Object.assign(handlers, own);
    await grow(1);
    await other.query(head, signer());
    expect(urlsOf(other)).toEqual(urlsFor('abce'));
  });

  it('starts where the network file says, though nobody is left where genesis says', async () => {
    await replace('hospital-d', 'hospital-e');
    for (const url of urlsFor('abcd')) delete handlers[url];
    const urls = { 'hospital-e': 'http://127.0.0.1:4000' };
    serve('hospital-e', urls['hospital-e']);
    const given = await networkOf({ genesis: net.signed, urls });
    const made = new NetworkClient(given, { transport: fakeFetch(handlers), clock });
    expect(await made.query(head, signer())).toMatchObject({ height: ledger.height });
    expect(urlsOf(made)).toEqual([...urlsFor('abc'), urls['hospital-e']]);
  });

  it('remembers them, and starts there the next time', async () => {
    await replace('hospital-d', 'hospital-e');
    const { made } = client();
    await made.query(head, signer());
    const text = formatMemory(network.genesis, made.memory as NetworkMemory);
    const memory = parseMemory(network.genesis, text);
    expect(memory).toEqual(made.memory);
    handlers = Object.fromEntries(
      Object.entries(handlers).filter(([url]) => url === urlsFor('e')[0]),
    );
    const later = client(memory);
    expect(urlsOf(later.made)).toEqual(urlsFor('abce'));
    expect(await later.made.query(head, signer())).toMatchObject({ height: ledger.height });
  });
});

/** A newcomer that serves and votes once it is let in. */
async function joined(id: string) {
  const made = await newcomer(id);
  ledger.join(made.keys);
  serve(id);
  return made;
}

describe('addresses', () => {
  const withUrl = (id: string, apiUrl: string) => ({
    setHash: '0'.repeat(64),
    validators: [{ id, apiUrl }],
  });
  const named = (name: string): Network => {
    const { genesis } = network;
    return {
      ...network,
      genesis: { ...genesis, document: { ...genesis.document, network: name } },
    };
  };

  it('are HTTPS, but in a local network', () => {
    const [plain, safe] = ['http', 'https'].map((scheme) => withUrl('x', `${scheme}://x.test/`));
    expect(addressesOf(plain!, named('care'))).toEqual([]);
    expect(addressesOf(safe!, named('care'))).toEqual([{ id: 'x', url: 'https://x.test' }]);
    expect(addressesOf(plain!, named('local-x'))).toEqual([{ id: 'x', url: 'http://x.test' }]);
    for (const url of ['', 'nonsense', 'file:///etc/passwd', 'https:']) {
      expect(addressesOf(withUrl('x', url), named('local-x')), url).toEqual([]);
    }
  });

  it('are those of the network file as long as the ledger has those of genesis', async () => {
    const urls = { 'hospital-a': 'http://127.0.0.1:4000' };
    const elsewhere = await networkOf({ genesis: net.signed, urls });
    const members = genesisMembers(net.genesis);
    expect(members.setHash).toBe(toHex(validatorsHash(net.genesis.validators)));
    expect(addressesOf(members, elsewhere)).toEqual(elsewhere.validators);
    expect(addressesOf(withUrl('hospital-a', 'http://new.test'), elsewhere)).toEqual([
      { id: 'hospital-a', url: 'http://new.test' },
    ]);
  });
});
