/** What every implementation of the stores must do; run against memory and against DynamoDB. */
import { expect, it } from 'vitest';
import { taggedHash } from '../../../lib/crypto/hash.ts';
import { utf8 } from '../../../lib/crypto/bytes.ts';
import type { StoredLink } from '../../../lib/ledger/stored-link.ts';
import type {
  BlockStore,
  CommittedHead,
  HeadReader,
  Mempool,
  PageStore,
  PendingTransaction,
  ReplicaStore,
  TurnSource,
} from '../../../lib/ports.ts';
import type { BlockHeader } from '../../../lib/wire/header.ts';
import type { Certificate } from '../../../lib/wire/vote.ts';
import type {
  EventStore,
  FetchedStore,
  GenesisStore,
  KeyringStore,
  WrappedKey,
} from '../../../functions/validator/ports.ts';

/** Fresh stores of one kind. */
export interface Stores {
  replicas: ReplicaStore & HeadReader;
  blocks: BlockStore & EventStore;
  pages: PageStore;
  fetched: FetchedStore;
  genesis: GenesisStore;
  keyring: KeyringStore;
  mempool: (options: { transactionsMax?: number }) => Mempool;
}

const hashOf = (label: string): Uint8Array => taggedHash('test', utf8(label));

export function headerOf(height: number): BlockHeader {
  return {
    protocolVersion: 1,
    ledger: 'main',
    height,
    view: 0,
    proposer: 'north',
    previousHash: hashOf(`previous ${height}`),
    transactionsRoot: hashOf('transactions'),
    resultsRoot: hashOf('results'),
    stateRoot: hashOf('state'),
    time: 1_700_000_000_000,
    validatorsHash: hashOf('set'),
    nextValidatorsHash: hashOf('set'),
    paramsHash: hashOf('parameters'),
    historyRoot: hashOf('history'),
    pin: null,
  };
}

function certificateOf(height: number): Certificate {
  const votes = [{ validator: 'north', signature: new Uint8Array(64).fill(1) }];
  return { phase: 'commit', height, view: 0, hash: hashOf(`header ${height}`), votes };
}

function headOf(height: number): CommittedHead {
  return {
    height,
    headerHash: hashOf(`header ${height}`),
    header: headerOf(height),
    certificate: height === 0 ? null : certificateOf(height),
    votedHeight: height,
  };
}

/** Distinct pending transactions in order of arrival; ids are spread over all shards. */
export function pending(
  count: number,
  options: { from?: number; bytes?: number; submitter?: string } = {},
) {
  const { from = 0, bytes = 100 } = options;
  return Array.from({ length: count }, (_, index): PendingTransaction => {
    const id = Buffer.from(hashOf(`transaction ${from + index}`)).toString('hex');
    return {
      id,
      compact: `${id}${'x'.repeat(Math.max(0, bytes - id.length))}`,
      submitter: options.submitter ?? `key ${from + index}`,
      expiresAt: 1_700_000_900_000,
      arrivedAt: 1_700_000_000_000 + from + index,
    };
  });
}

const ids = (entries: readonly { id: string }[]): string[] => entries.map(({ id }) => id);

/** The newest head wins; the fence lets one of two writers through. */
export function replicaContract(make: () => Promise<Stores>): void {
  it('has nothing before genesis', async () => {
    const { replicas } = await make();
    expect(await replicas.load('main')).toBeNull();
    expect(await replicas.version('main')).toBeNull();
    expect(await replicas.head('main')).toBeNull();
    expect(await replicas.wakeSeq('main')).toBe(0);
  });

  it('moves state and head together, fenced by the version', async () => {
    const { replicas } = await make();
    expect(await replicas.save('main', null, utf8('zero'), headOf(0))).toBe(true);
    expect(await replicas.save('main', null, utf8('other'), headOf(0))).toBe(false);
    const version = await replicas.version('main');
    expect(await replicas.load('main')).toEqual({ version, state: utf8('zero') });
    expect(await replicas.head('main')).toEqual(headOf(0));
    expect(await replicas.save('main', version, utf8('one'), headOf(1))).toBe(true);
    expect(await replicas.save('main', version, utf8('late'), headOf(2))).toBe(false);
    expect(await replicas.head('main')).toEqual(headOf(1));
    expect((await replicas.load('main'))?.state).toEqual(utf8('one'));
    expect(await replicas.load('case-1')).toBeNull();
  });

  it('lets one of many concurrent writers through', async () => {
    const { replicas } = await make();
    await replicas.save('main', null, utf8('zero'), headOf(0));
    const version = await replicas.version('main');
    const attempts = Array.from({ length: 8 }, (_, i) =>
      replicas.save('main', version, utf8(`run ${i}`), headOf(1)),
    );
    expect((await Promise.all(attempts)).filter(Boolean)).toHaveLength(1);
  });

  it('raises wakeSeq by one for each call', async () => {
    const { replicas } = await make();
    const raised = await Promise.all(Array.from({ length: 5 }, () => replicas.raiseWake('main')));
    expect(raised.sort()).toEqual([1, 2, 3, 4, 5]);
    expect(await replicas.wakeSeq('main')).toBe(5);
    expect(await replicas.wakeSeq('case-1')).toBe(0);
  });

  it('lists the case ledgers with work, each once, and forgets those at rest', async () => {
    const { replicas } = await make();
    expect(await replicas.listed()).toEqual([]);
    await replicas.list('case-2', false);
    expect(await replicas.listed()).toEqual([]);
    const names = Array.from({ length: 12 }, (_, i) => `case-${String(i).padStart(2, '0')}`);
    await Promise.all([...names, ...names].map((name) => replicas.list(name, true)));
    expect(await replicas.listed()).toEqual(names);
    await Promise.all(names.slice(0, 11).map((name) => replicas.list(name, false)));
    expect(await replicas.listed()).toEqual(['case-11']);
    await replicas.list('case-11', false);
    await replicas.list('case-11', false);
    expect(await replicas.listed()).toEqual([]);
    await replicas.list('case-00', true);
    expect(await replicas.listed()).toEqual(['case-00']);
    // What is listed is no replica.
    expect(await replicas.version('case-00')).toBeNull();
  });
}

export function blockContract(make: () => Promise<Stores>): void {
  it('gives back a body of many chunks, and where its transactions are', async () => {
    const { blocks } = await make();
    const transactions = Array.from({ length: 60 }, (_, i) => String(i).padEnd(16_000, 'x'));
    const results = transactions.map((_, i) => new Uint8Array(500).fill(i));
    const ids = pending(60).map(({ id }) => id);
    const hash = hashOf('header');
    await blocks.stageBody('main', 7, hash, { transactions, results }, ids);
    await blocks.stageBody('main', 7, hash, { transactions, results }, ids);
    expect(await blocks.body('main', hash)).toEqual({ transactions, results });
    expect(await blocks.body('case-1', hash)).toBeNull();
    const last = await blocks.locations('main', ids[59] as string);
    expect(last).toEqual([{ headerHash: hash, height: 7, index: 59 }]);
    expect(await blocks.locations('main', '00'.repeat(32))).toEqual([]);
  });

  it('keeps every place where a transaction was staged', async () => {
    const { blocks } = await make();
    const [id] = pending(1).map((one) => one.id) as [string];
    const body = { transactions: ['a'], results: [new Uint8Array([1])] };
    await blocks.stageBody('main', 1, hashOf('first'), body, [id]);
    await blocks.stageBody('main', 2, hashOf('second'), body, [id]);
    const found = await blocks.locations('main', id);
    expect(found.map(({ height }) => height).sort()).toEqual([1, 2]);
  });

  it('gives back certified headers, events and fetched blocks', async () => {
    const { blocks, fetched } = await make();
    const [header, certificate] = [headerOf(3), certificateOf(3)];
    expect(await blocks.certified('main', 3)).toBeNull();
    await blocks.putCertified('main', header, hashOf('header 3'), certificate);
    expect(await blocks.certified('main', 3)).toEqual({ header, certificate });
    const nodes = [0, 1, 2].map((level) => ({ level, index: 3, hash: hashOf(`node ${level}`) }));
    const wanted = [...nodes, { level: 3, index: 0 }].reverse();
    expect(await blocks.history('main', [])).toEqual([]);
    await blocks.putHistory('main', nodes);
    await blocks.putHistory('main', nodes.slice(1));
    expect(await blocks.history('main', wanted)).toEqual([
      undefined,
      ...nodes.map(({ hash }) => hash).reverse(),
    ]);
    const events = [{ index: 0, topic: 'probe', tag: '00'.repeat(16) }];
    expect(await blocks.events('main', hashOf('header 3'))).toEqual([]);
    await blocks.stageEvents('main', hashOf('header 3'), events);
    expect(await blocks.events('main', hashOf('header 3'))).toEqual(events);
    const block = {
      header,
      certificate,
      transactions: Array.from({ length: 9 }, () => 'x'.repeat(60_000)),
    };
    expect(await fetched.get('main', 3)).toBeNull();
    await fetched.put('main', 3, block);
    expect(await fetched.get('main', 3)).toEqual(block);
  });

  it('keeps how far a worker came, fenced by its version', async () => {
    const { fetched } = await make();
    expect(await fetched.work('main', 'snapshot')).toBeNull();
    expect(await fetched.saveWork('main', 'snapshot', null, utf8('one'))).toBe(true);
    expect(await fetched.saveWork('main', 'snapshot', null, utf8('two'))).toBe(false);
    expect(await fetched.work('main', 'snapshot')).toEqual({ version: 1, bytes: utf8('one') });
    expect(await fetched.saveWork('main', 'snapshot', 1, utf8('two'))).toBe(true);
    expect(await fetched.saveWork('main', 'snapshot', 1, utf8('late'))).toBe(false);
    expect(await fetched.work('main', 'snapshot')).toEqual({ version: 2, bytes: utf8('two') });
    expect(await fetched.work('main', 'other')).toBeNull();
  });

  it('gives back set changes in the order of their heights, each once', async () => {
    const { blocks } = await make();
    expect(await blocks.links('main')).toEqual([]);
    for (const height of [200, 7, 40, 7]) await blocks.putLink('main', linkOf(height));
    expect(await blocks.links('main')).toEqual([linkOf(7), linkOf(40), linkOf(200)]);
    expect(await blocks.links('case-1')).toEqual([]);
  });
}

/** A set change whose bytes have the right lengths; nobody checks signatures here. */
function linkOf(height: number): StoredLink {
  const validators = ['north', 'east', 'south', 'west'].map((id) => ({
    id,
    kmsKey: new Uint8Array(65).fill(4),
    incarnation: height,
    suspended: false,
  }));
  const body: StoredLink['sessions'][number]['body'] = {
    network: 'local-test',
    validator: 'north',
    incarnation: height,
    purpose: 'vote',
    key: new Uint8Array(65).fill(5),
    fromHeight: 0,
    untilHeight: 9,
  };
  return {
    fromHeight: height + 1,
    link: { validators, header: headerOf(height), certificate: certificateOf(height) },
    sessions: [{ body, signature: new Uint8Array(64).fill(6) }],
  };
}

export function pageContract(make: () => Promise<Stores>): void {
  it('gives back pages in the order asked, repeated and missing ones too', async () => {
    const { pages } = await make();
    const all = Array.from({ length: 130 }, (_, i) => ({
      id: `page-${i}`,
      bytes: new Uint8Array(2_000).fill(i),
    }));
    await pages.putPages('main', all);
    await pages.putPages('main', []);
    const ids = ['page-129', 'page-0', 'none', 'page-0', ...all.map(({ id }) => id)];
    const found = await pages.getPages('main', ids);
    expect(found[0]).toEqual(all[129]?.bytes);
    expect(found[1]).toEqual(all[0]?.bytes);
    expect(found[2]).toBeUndefined();
    expect(found[3]).toEqual(all[0]?.bytes);
    expect(found).toHaveLength(134);
    expect(await pages.getPages('case-1', ['page-0'])).toEqual([undefined]);
    expect(await pages.getPages('main', [])).toEqual([]);
  });
}

export function mempoolContract(make: () => Promise<Stores>): void {
  it('holds each once and answers each, in order', async () => {
    const mempool = (await make()).mempool({});
    const [a, b, c] = pending(3) as [PendingTransaction, PendingTransaction, PendingTransaction];
    expect(await mempool.submit('main', [a, b])).toEqual(['accepted', 'accepted']);
    const later = { ...a, arrivedAt: a.arrivedAt + 9 };
    expect(await mempool.submit('main', [c, later, c])).toEqual(['accepted', 'known', 'known']);
    const found = await mempool.next('main', { count: 10, bytes: 10_000 });
    expect(found).toEqual([a, b, c].map((entry) => ({ ...entry, turn: 1 })));
    expect(await mempool.has('main', a.id)).toBe(true);
    expect(await mempool.has('main', '00'.repeat(32))).toBe(false);
    expect(await mempool.has('case-1', a.id)).toBe(false);
    expect(await mempool.submit('main', [])).toEqual([]);
  });

  it('takes 500 at once, and gives the next within both bounds', async () => {
    const mempool = (await make()).mempool({});
    const entries = pending(500, { bytes: 1_000 });
    const outcomes = await mempool.submit('main', [...entries].reverse());
    expect(outcomes.every((outcome) => outcome === 'accepted')).toBe(true);
    const byCount = await mempool.next('main', { count: 7, bytes: 1_000_000 });
    expect(ids(byCount)).toEqual(ids(entries.slice(0, 7)));
    const byBytes = await mempool.next('main', { count: 500, bytes: 9_500 });
    expect(ids(byBytes)).toEqual(ids(entries.slice(0, 9)));
    const all = await mempool.next('main', { count: 1_000, bytes: 1e9 });
    expect(ids(all)).toEqual(ids(entries));
    await mempool.remove('main', all.slice(0, 499), null);
    await mempool.remove('main', all.slice(0, 499), null);
    expect(await mempool.has('main', entries[0]?.id ?? '')).toBe(false);
    expect(await mempool.next('main', { count: 9, bytes: 1e9 })).toEqual(all.slice(499));
  });

  it('takes large ones: more than one transaction of the store', async () => {
    const mempool = (await make()).mempool({});
    const entries = pending(120, { bytes: 60_000 });
    const outcomes = await mempool.submit('main', entries);
    expect(outcomes.every((outcome) => outcome === 'accepted')).toBe(true);
    const found = await mempool.next('main', { count: 120, bytes: 1e9 });
    expect(ids(found)).toEqual(ids(entries));
  });

  it('is full at its capacity, knows what it holds then, and has room after a removal', async () => {
    const mempool = (await make()).mempool({ transactionsMax: 40 });
    const entries = pending(200);
    const outcomes = await mempool.submit('main', entries);
    const accepted = entries.filter((_, i) => outcomes[i] === 'accepted');
    expect(accepted).toHaveLength(40);
    expect(outcomes.filter((outcome) => outcome === 'full')).toHaveLength(160);
    expect(await mempool.submit('main', accepted.slice(0, 1))).toEqual(['known']);
    await mempool.remove('main', await mempool.next('main', { count: 40, bytes: 1e9 }), null);
    const again = await mempool.submit('main', accepted.slice(0, 4));
    expect(again).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
  });

  it('never holds more than its capacity, however many submit together', async () => {
    const mempool = (await make()).mempool({ transactionsMax: 40 });
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, i) => mempool.submit('main', pending(10, { from: 10 * i }))),
    );
    const accepted = outcomes.flat().filter((outcome) => outcome === 'accepted').length;
    const held = await mempool.next('main', { count: 1_000, bytes: 1e9 });
    expect(held).toHaveLength(accepted);
    expect(accepted).toBeLessThanOrEqual(40);
    expect(accepted).toBeGreaterThan(20);
  });

  it('holds one entry once when many submit it together', async () => {
    const mempool = (await make()).mempool({});
    const entries = pending(6);
    const all = await Promise.all(Array.from({ length: 6 }, () => mempool.submit('main', entries)));
    expect(all.flat().filter((outcome) => outcome === 'accepted')).toHaveLength(6);
    expect(all.flat().filter((outcome) => outcome === 'full')).toHaveLength(0);
    const found = await mempool.next('main', { count: 9, bytes: 1e9 });
    expect(ids(found).sort()).toEqual(ids(entries).sort());
  });

  it('gives one that comes late its turn before the rest of a flood', async () => {
    const mempool = (await make()).mempool({});
    const flood = pending(300, { submitter: 'flooder' });
    await mempool.submit('main', flood);
    const first = await mempool.next('main', { count: 50, bytes: 1e9 });
    expect(ids(first)).toEqual(ids(flood.slice(0, 50)));
    await mempool.remove('main', first, 51);
    const [late] = pending(1, { from: 900, submitter: 'single' });
    expect(await mempool.submit('main', late ? [late] : [])).toEqual(['accepted']);
    const next = await mempool.next('main', { count: 3, bytes: 1e9 });
    expect(ids(next)).toEqual(ids([...flood.slice(50, 52), ...(late ? [late] : [])]));
  });

  it('counts large ones as several turns', async () => {
    const mempool = (await make()).mempool({});
    await mempool.submit('main', pending(2, { bytes: 60_000, submitter: 'large' }));
    await mempool.submit('main', pending(3, { from: 5, submitter: 'small' }));
    const next = await mempool.next('main', { count: 9, bytes: 1e9 });
    expect(next.map(({ submitter, turn }) => [submitter, turn])).toEqual([
      ['small', 1],
      ['small', 2],
      ['small', 3],
      ['large', 8],
      ['large', 16],
    ]);
  });

  it('refuses a submitter beyond its quota, takes others, and it again as the clock moves', async () => {
    const mempool = (await make()).mempool({ transactionsMax: 400 });
    const flood = pending(200, { submitter: 'flooder' });
    const outcomes = await mempool.submit('main', flood);
    const taken = outcomes.filter((outcome) => outcome === 'accepted').length;
    expect(taken).toBeGreaterThan(15);
    expect(taken).toBeLessThanOrEqual(25);
    expect(outcomes.filter((outcome) => outcome === 'quota')).toHaveLength(200 - taken);
    expect(await mempool.submit('main', pending(1, { from: 900 }))).toEqual(['accepted']);
    const held = await mempool.next('main', { count: 400, bytes: 1e9 });
    await mempool.remove('main', held, 2_100);
    expect(await mempool.submit('main', flood.slice(199))).toEqual(['accepted']);
    const [again] = await mempool.next('main', { count: 1, bytes: 1e9 });
    expect(again?.turn).toBe(2_101);
  });

  it('takes turns from elsewhere where it is told to, and its clock never goes back', async () => {
    const mempool = (await make()).mempool({});
    const seen: number[] = [];
    const turns: TurnSource = {
      claim: (_ledger, _submitter, costs, room) => {
        seen.push(room.clock);
        return costs.map(() => room.clock + 7);
      },
    };
    await mempool.remove('main', [], 30);
    await mempool.remove('main', [], 20);
    expect(await mempool.submit('main', pending(1), turns)).toEqual(['accepted']);
    expect(seen).toEqual([30]);
    expect(await mempool.next('main', { count: 1, bytes: 1e9 })).toMatchObject([{ turn: 37 }]);
  });
}

export function otherContract(make: () => Promise<Stores>): void {
  it('accepts one genesis document', async () => {
    const { genesis } = await make();
    expect(await genesis.load()).toBeNull();
    const signed = { document: 'd'.repeat(400_000), signatures: ['a', 'b'] };
    expect(await genesis.save(signed)).toBe(true);
    expect(await genesis.save({ ...signed, document: 'other' })).toBe(false);
    expect(await genesis.load()).toEqual(signed);
  });

  it('creates one keyring', async () => {
    const { keyring } = await make();
    expect(await keyring.bundle()).toBeNull();
    expect(await keyring.load('session')).toBeNull();
    const ledgerIdentity = await keyring.ledgerIdentity();
    expect(await keyring.ledgerIdentity()).toBe(ledgerIdentity);
    const key = (label: string): WrappedKey => ({
      wrapped: utf8(`${label} wrapped`),
      publicKey: utf8(`${label} public`),
      certificate: label === 'share' ? new Uint8Array() : utf8(`${label} certificate`),
      ledgerIdentity,
    });
    const keys = { session: key('session'), read: key('read'), share: key('share') };
    expect(await keyring.create(keys, '{"first":true}')).toBe(true);
    const others = { session: key('x'), read: key('y'), share: key('share') };
    expect(await keyring.create(others, '{}')).toBe(false);
    expect(await keyring.bundle()).toBe('{"first":true}');
    expect(await keyring.load('session')).toEqual(keys.session);
    expect(await keyring.load('share')).toEqual(keys.share);
  });

  it('replaces a keyring as a whole, for the first who saw the one before', async () => {
    const { keyring } = await make();
    const ledgerIdentity = await keyring.ledgerIdentity();
    const key = (label: string): WrappedKey => ({
      wrapped: utf8(`${label} wrapped`),
      publicKey: utf8(`${label} public`),
      certificate: utf8(`${label} certificate`),
      ledgerIdentity,
    });
    const keysOf = (label: string) => ({
      session: key(`${label} session`),
      read: key(`${label} read`),
      share: key(`${label} share`),
    });
    await keyring.keep('read', key('early'));
    expect(await keyring.load('read')).toEqual(key('early'));
    expect(await keyring.bundle()).toBeNull();
    expect(await keyring.replace(keysOf('first'), '{"n":1}', null)).toBe(true);
    expect(await keyring.replace(keysOf('late'), '{"n":2}', null)).toBe(false);
    expect(await keyring.replace(keysOf('second'), '{"n":2}', '{"n":1}')).toBe(true);
    expect(await keyring.replace(keysOf('late'), '{"n":3}', '{"n":1}')).toBe(false);
    expect(await keyring.bundle()).toBe('{"n":2}');
    expect(await keyring.load('session')).toEqual(keysOf('second').session);
    expect(await keyring.load('read')).toEqual(keysOf('second').read);
  });
}
