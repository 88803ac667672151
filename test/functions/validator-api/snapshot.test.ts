/** Snapshots: what honest peers give is installed whole, and what liars give is never kept. */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryBlockStore, MemoryFetchedStore } from '../../../functions/memory/block-store.ts';
import { MemoryPageStore } from '../../../functions/memory/page-store.ts';
import { keepHistory } from '../../../functions/validator/replica/history.ts';
import { SetBook } from '../../../functions/validator/set-book.ts';
import { decodeJob, isComplete, SNAPSHOT_WORK } from '../../../functions/validator/snapshot-job.ts';
import { fetchSnapshot, type SnapshotDeps } from '../../../functions/validator/snapshot-worker.ts';
import { cells } from '../../../lib/chaincode/cells.ts';
import { readerOf } from '../../../lib/chaincode/draft.ts';
import { fromBase64url, toBase64url } from '../../../lib/crypto/bytes.ts';
import { walkPart } from '../../../lib/ledger/snapshot.ts';
import { TreeView } from '../../../lib/ledger/state-view.ts';
import { decodeCbor, encodeCbor } from '../../../lib/wire/codec.ts';
import type { BlockHeader } from '../../../lib/wire/header.ts';
import { type Certificate, voteSigningBytes } from '../../../lib/wire/vote.ts';
import { ApiFixture, NETWORK } from './fixture.ts';

type Peer = (path: string, init?: RequestInit) => Promise<Response>;

let api: ApiFixture;
let fetched: MemoryFetchedStore;
let pages: MemoryPageStore;
let blocks: MemoryBlockStore;
let reasons: string[];
let liars: Record<string, Peer>;
let asked: string[];

const honest: Peer = async (path, init) => {
  const headers = init?.headers as Record<string, string>;
  const text = init?.body as string | undefined;
  const method = init?.method ?? 'GET';
  const answer = await api.call({ method, path, headers, text });
  return new Response(JSON.stringify(answer.body), { status: answer.status });
};

/** An honest answer to one path with its one part replaced. */
const altered =
  (path: string, name: string, change: (value: never) => unknown): Peer =>
  async (asked_, init) => {
    if (asked_ !== path) return honest(asked_, init);
    const body = (await (await honest(asked_, init)).json()) as Record<string, string>;
    const value = decodeCbor(fromBase64url(body[name] as string), 8_000_000);
    return new Response(
      JSON.stringify({ [name]: toBase64url(encodeCbor(await change(value as never))) }),
    );
  };
const PAGES = '/v1/snapshot/pages';

async function depsOf(changes: Partial<SnapshotDeps> = {}): Promise<SnapshotDeps> {
  const readKey = await api.parties[3]?.keyring.openRequestKey();
  if (!readKey) throw new Error('no key');
  return {
    genesis: api.genesis,
    network: NETWORK,
    ledger: 'main',
    peers: api.genesis.document.validators.filter(({ id }) => id !== 'west'),
    sets: await SetBook.open({ genesis: api.genesis, links: [] }),
    ...{ readKey, fetched, blocks, pages, ownHeight: 0, behindMin: 2 },
    fetch: (input, init) => {
      const { hostname, pathname, search } = new URL(input as string);
      const id = hostname.split('.')[0] ?? '';
      asked.push(`${id} ${pathname}`);
      return (liars[id] ?? honest)(pathname + search, init);
    },
    clock: () => api.now,
    log: ({ peer, reason }) => reasons.push(`${peer}: ${reason}`),
    ...changes,
  };
}

const jobOf = async () => {
  const stored = await fetched.work('main', SNAPSHOT_WORK);
  if (!stored) throw new Error('no job');
  return decodeJob(stored.bytes);
};

/** Every node of the state is held here, and the state can be read. */
async function expectWhole() {
  const { header } = (await jobOf()).manifest;
  const base = { height: header.height, root: header.stateRoot };
  const reader = { pages: (ids: readonly string[]) => pages.getPages('main', ids) };
  const onChecked = () => Promise.resolve();
  for (let part = 0; part < 256; part += 1) {
    expect(await walkPart(base, part, { reader, onChecked, isOver: () => false })).toBe(true);
  }
  const probe = await readerOf(new TreeView(base, reader)).get(cells.probe('north'));
  expect(probe).toMatchObject({ count: 3 });
}

beforeEach(async () => {
  api = await ApiFixture.started();
  fetched = new MemoryFetchedStore();
  pages = new MemoryPageStore();
  blocks = new MemoryBlockStore();
  reasons = [];
  liars = {};
  asked = [];
  for (let i = 0; i < 3; i += 1) {
    const { header, headerHash } = await api.commit([await api.sign()]);
    await keepHistory(api.blocks, header, headerHash);
  }
});

describe('fetching a snapshot', () => {
  it('brings the certified head and every page of its state', async () => {
    expect(await fetchSnapshot(await depsOf(), api.now + 5_000)).toBe('complete');
    const job = await jobOf();
    expect(isComplete(job)).toBe(true);
    expect(job.manifest.header).toEqual((await api.head()).header);
    await expectWhole();
    expect(await fetchSnapshot(await depsOf(), api.now + 5_000)).toBe('complete');
  });

  it('goes on where it was, and asks for no page twice', async () => {
    let parts = 0;
    const clock = (): number => {
      parts += 1;
      return api.now + (parts > 40 ? 10_000 : 0);
    };
    expect(await fetchSnapshot(await depsOf({ clock }), api.now + 5_000)).toBe('again');
    const { parts: done } = await jobOf();
    expect(done).toBeLessThan(256);
    const before = asked.filter((one) => one.includes(PAGES)).length;
    expect(before).toBeGreaterThan(0);
    expect(await fetchSnapshot(await depsOf(), api.now + 15_000)).toBe('complete');
    await expectWhole();
  });

  it('lets one run at a time work on it, and outlives one that died', async () => {
    await fetchSnapshot(await depsOf({ clock: () => api.now }), api.now);
    const stored = await fetched.work('main', SNAPSHOT_WORK);
    if (!stored) throw new Error('no job');
    const leased = { ...decodeJob(stored.bytes), leaseUntil: api.now + 9_000 };
    await fetched.saveWork('main', SNAPSHOT_WORK, stored.version, encodeCbor(leased));
    expect(await fetchSnapshot(await depsOf(), api.now + 5_000)).toBe('busy');
    api.now += 9_000;
    expect(await fetchSnapshot(await depsOf(), api.now + 5_000)).toBe('complete');
  });

  it('is not wanted where nobody is far enough ahead', async () => {
    expect(await fetchSnapshot(await depsOf({ ownHeight: 2 }), api.now + 5_000)).toBe('none');
    expect(await fetchSnapshot(await depsOf({ behindMin: 4 }), api.now + 5_000)).toBe('none');
    expect(await fetched.work('main', SNAPSHOT_WORK)).toBeNull();
  });
});

describe('lying peers', () => {
  const page = (change: (bytes: Uint8Array) => Uint8Array) =>
    altered(PAGES, 'pages', (all: Uint8Array[]) => all.map(change));

  it.each([
    ['another page', page((bytes) => bytes.map((byte, i) => (i === 99 ? byte ^ 1 : byte)))],
    ['no page', altered(PAGES, 'pages', (all: Uint8Array[]) => all.map(() => null))],
    ['nothing', altered(PAGES, 'pages', () => [])],
    [
      'an endless answer',
      async (path: string, init?: RequestInit) =>
        path === PAGES ? new Response('x'.repeat(7_000_000)) : honest(path, init),
    ],
    [
      'an error',
      async (path: string, init?: RequestInit) =>
        path === PAGES ? new Response('', { status: 500 }) : honest(path, init),
    ],
  ] as const)('that give %s are passed over', async (_, liar) => {
    liars = { north: liar, east: liar };
    const deps = await depsOf();
    expect(await fetchSnapshot(deps, api.now + 5_000)).toBe('complete');
    expect(reasons.some((one) => one.startsWith('north'))).toBe(true);
    await expectWhole();
  });

  it.each([
    ['another frontier', (all: { frontier: Uint8Array[] }) => ({ ...all, frontier: [] })],
    [
      'another parent',
      (all: { parent: object }) => ({ ...all, parent: { ...all.parent, time: 1 } }),
    ],
    [
      'another header',
      (all: { header: object }) => ({ ...all, header: { ...all.header, height: 900 } }),
    ],
    [
      'other parameters',
      (all: { governed: object[] }) => ({
        ...all,
        governed: all.governed.map((one) => ({ ...one, value: encodeCbor(1) })),
      }),
    ],
    [
      'a vote more than replicas take',
      async (all: { header: BlockHeader; certificate: Certificate }) => {
        const { phase, height, view, hash, votes } = all.certificate;
        const { validatorsHash } = all.header;
        const context = { genesisHash: api.genesis.hash, ledger: 'main', validatorsHash };
        const key = await api.parties[3]?.keyring.openSessionKey();
        const bytes = voteSigningBytes(context, { phase, height, view, hash });
        const signature = (await key?.sign(bytes)) as Uint8Array;
        const more = [...votes, { validator: 'west', signature }];
        return { ...all, certificate: { ...all.certificate, votes: more } };
      },
    ],
    ['less', (all: { governed: object[] }) => ({ ...all, governed: all.governed.slice(1) })],
  ] as const)('whose manifest has %s are not believed', async (_, change) => {
    const liar = altered('/v1/snapshot', 'manifest', change);
    liars = { north: liar, east: liar };
    expect(await fetchSnapshot(await depsOf(), api.now + 5_000)).toBe('complete');
    expect(reasons.filter((one) => /ReceiptError|another set/.test(one))).toHaveLength(2);
    liars = { ...liars, south: liar };
    fetched = new MemoryFetchedStore();
    expect(await fetchSnapshot(await depsOf(), api.now + 5_000)).toBe('none');
  });

  it('change no page that is of this replica by now', async () => {
    expect(await fetchSnapshot(await depsOf(), api.now + 5_000)).toBe('complete');
    const stored = await fetched.work('main', SNAPSHOT_WORK);
    if (!stored) throw new Error('no job');
    // All is to come from one peer again, but two blocks were executed here meanwhile.
    const again = encodeCbor({ ...decodeJob(stored.bytes), parts: 0, strict: true });
    await fetched.saveWork('main', SNAPSHOT_WORK, stored.version, again);
    const ids: string[] = [];
    const asking: Peer = async (path, init) => {
      if (path === PAGES) ids.push(...(JSON.parse(init?.body as string) as { ids: string[] }).ids);
      return honest(path, init);
    };
    liars = { north: asking, east: asking, south: asking };
    expect(await fetchSnapshot(await depsOf({ ownHeight: 2 }), api.now + 5_000)).toBe('complete');
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.filter((id) => Number(id.slice(0, 15)) <= 2)).toEqual([]);
    await expectWhole();
  });

  it('cannot hold it back with an old head', async () => {
    liars = {
      north: async (path, init) =>
        path === '/v1/snapshot' ? new Response('', { status: 404 }) : honest(path, init),
    };
    expect(await fetchSnapshot(await depsOf(), api.now + 5_000)).toBe('complete');
    expect((await jobOf()).manifest.header.height).toBe(3);
  });
});

describe('the snapshot API', () => {
  it('is for validators alone', async () => {
    expect((await api.get('/v1/snapshot')).status).toBe(400);
    const ids = [`${'0'.repeat(15)}-${'0'.repeat(32)}-0`];
    expect((await api.post(PAGES, { ids })).status).toBe(400);
  });
});
