/** Blocks before a snapshot: proven one by one, whatever liars give. */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryBlockStore, MemoryFetchedStore } from '../../../functions/memory/block-store.ts';
import { backfill, type BackfillDeps } from '../../../functions/validator/backfill.ts';
import {
  BACKFILL_WORK,
  decodeBackfill,
  isBackfilling,
  planBackfill,
} from '../../../functions/validator/backfill-job.ts';
import { SetBook } from '../../../functions/validator/set-book.ts';
import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { encodeCbor } from '../../../lib/wire/codec.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { ApiFixture, NETWORK } from './fixture.ts';

type Change = (body: Record<string, unknown>) => Record<string, unknown>;

let api: ApiFixture;
let fetched: MemoryFetchedStore;
let blocks: MemoryBlockStore;
let reasons: string[];
/** What a peer makes of an honest answer. */
let liars: Record<string, Change>;

async function depsOf(): Promise<BackfillDeps> {
  const readKey = await api.parties[3]?.keyring.openRequestKey();
  if (!readKey) throw new Error('no key');
  return {
    ...{ genesis: api.genesis, network: NETWORK, ledger: 'main', readKey, fetched, blocks },
    peers: api.genesis.document.validators.filter(({ id }) => id !== 'west'),
    sets: await SetBook.open({ genesis: api.genesis, links: [] }),
    fetch: async (input, init) => {
      const { hostname, pathname, search } = new URL(input as string);
      const answer = await api.get(pathname + search, init?.headers as Record<string, string>);
      const change = liars[hostname.split('.')[0] ?? ''] ?? ((body) => body);
      return new Response(JSON.stringify(change(answer.body)), { status: answer.status });
    },
    clock: () => api.now,
    log: ({ peer, reason }) => reasons.push(`${peer}: ${reason}`),
  };
}

const jobOf = async () => {
  const stored = await fetched.work('main', BACKFILL_WORK);
  if (!stored) throw new Error('no job');
  return decodeBackfill(stored.bytes);
};
/** A body as bytes, whatever kind of array holds its results. */
const bytesOf = async (store: MemoryBlockStore, hash: Uint8Array) =>
  toBase64url(encodeCbor(await store.body('main', hash)));
const run = async () => backfill(await depsOf(), api.now + 5_000);

beforeEach(async () => {
  api = await ApiFixture.started();
  fetched = new MemoryFetchedStore();
  blocks = new MemoryBlockStore();
  reasons = [];
  liars = {};
  const genesis = await api.head();
  for (let i = 0; i < 3; i += 1) await api.commit([await api.sign()]);
  await planBackfill(fetched, 'main', { header: genesis.header, hash: genesis.headerHash }, 3);
});

describe('fetching the blocks before a snapshot', () => {
  it('brings blocks, results, places and events, and rests', async () => {
    expect(await isBackfilling(fetched, 'main')).toBe(true);
    expect(await run()).toBe('none');
    expect(await isBackfilling(fetched, 'main')).toBe(false);
    for (let height = 1; height <= 3; height += 1) {
      const there = await api.blocks.certified('main', height);
      expect(await blocks.certified('main', height)).toEqual(there);
      const hash = headerHash((there as NonNullable<typeof there>).header);
      expect(await bytesOf(blocks, hash)).toEqual(await bytesOf(api.blocks, hash));
      expect(await blocks.events('main', hash)).toEqual(await api.blocks.events('main', hash));
    }
    expect(await run()).toBe('none');
  });

  it('goes on over several runs, one at a time', async () => {
    const deps = await depsOf();
    const times = [0, 0, 0, 9_000];
    const clock = (): number => api.now + (times.shift() ?? 9_000);
    expect(await backfill({ ...deps, clock }, api.now + 5_000)).toBe('again');
    const { next } = await jobOf();
    expect(next).toBe(2);
    const stored = await fetched.work('main', BACKFILL_WORK);
    const leased = encodeCbor({ ...(await jobOf()), leaseUntil: api.now + 9_000 });
    await fetched.saveWork('main', BACKFILL_WORK, stored?.version ?? null, leased);
    expect(await run()).toBe('none');
    expect((await jobOf()).next).toBe(next);
    api.now += 9_000;
    await run();
    expect((await jobOf()).next).toBe(4);
  });

  it('goes further up after another snapshot', async () => {
    const head = await api.head();
    const plan = { header: head.header, hash: head.headerHash };
    await planBackfill(fetched, 'main', plan, 9);
    expect(await jobOf()).toMatchObject({ next: 1, until: 9 });
  });

  it.each([
    ['other results', () => ({ results: toBase64url(encodeCbor([new Uint8Array(3)])) })],
    ['another body', () => ({ body: toBase64url(encodeCbor(['a.b.c'])) })],
    ['no results', () => ({ results: undefined })],
    ['other events', () => ({ events: [{ index: 0, topic: 'made-up', tag: '11'.repeat(16) }] })],
  ] as const)('takes nothing of a peer that gives %s', async (_, change) => {
    liars = { north: (body) => ({ ...body, ...change() }) };
    await run();
    const { header } = (await api.blocks.certified('main', 1)) ?? {};
    if (!header) throw new Error('no block');
    const hash = headerHash(header);
    expect(await bytesOf(blocks, hash)).toEqual(await bytesOf(api.blocks, hash));
    expect(await blocks.events('main', hash)).toEqual(await api.blocks.events('main', hash));
  });

  it('waits where too few agree on the events', async () => {
    const invent =
      (topic: string): Change =>
      (body) => ({
        ...body,
        events: [{ index: 0, topic, tag: '11'.repeat(16) }],
      });
    liars = { north: invent('one'), east: invent('two') };
    expect(await run()).toBe('none');
    expect((await jobOf()).next).toBe(1);
    liars = { north: invent('one') };
    await run();
    expect((await jobOf()).next).toBe(4);
  });
});
