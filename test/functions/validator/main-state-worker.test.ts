/** A validator that took a snapshot of the main ledger gets what earlier blocks of a case read of it. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  bringMainState,
  type MainStateDeps,
} from '../../../functions/validator/main-state-worker.ts';
import { MainMissingError, pinnedState } from '../../../functions/validator/replica/main-state.ts';
import { fromBase64url, toBase64url } from '../../../lib/crypto/bytes.ts';
import { PageCache } from '../../../lib/ledger/page-cache.ts';
import { decodeCbor, encodeCbor } from '../../../lib/wire/codec.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { SmallNetwork } from './small-network.ts';

type Peer = (url: string, init: RequestInit) => Promise<Response>;

let network: SmallNetwork;
/** A case ledger with two blocks, which pin different heights of the main one. */
let ledger: string;
/** What peers do in the place of answering, by id. */
let liars: Record<string, Peer>;
/** Ids of pages that were asked for, and why peers were passed over. */
let asked: string[];
let reasons: string[];

const both = () => ({ ledger, fromHeight: 1, toHeight: 2 });

async function load(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    await network.probe('north', `load-${i}`);
    await network.run(1_500);
  }
}

/** West has the main ledger from a snapshot on, and the fetched blocks of the case. */
beforeEach(async () => {
  network = await SmallNetwork.start();
  liars = {};
  asked = [];
  reasons = [];
  ledger = await network.submit('north', { fn: 'governance.open-probe', args: {} });
  await network.run(1_500);
  for (const label of ['one', 'two']) {
    await load(1);
    await network.probe('south', label, ledger);
    await network.run(1_500);
  }
  // Until nothing of the blocks that are pinned is in the state of the head any more.
  await network.run(3_600_000);
  await load(2);
  network.snapshotFrom = 3;
  await network.wipe('west');
  await load(4);
  await network.run(30_000);
  expect(network.logs.some(({ event, at }) => event === 'snapshot' && at === 'west')).toBe(true);
  const [north, west] = [network.node('north').tables, network.node('west').tables];
  for (const height of [1, 2]) {
    const block = await north.blocks.certified(ledger, height);
    const body = block && (await north.blocks.body(ledger, headerHash(block.header)));
    if (!block || !body) throw new Error('no block of the case');
    await west.fetched.put(ledger, height, { ...block, transactions: body.transactions });
  }
});

async function depsOf(): Promise<MainStateDeps> {
  const deps = await network.peerDeps('west');
  if (!deps) throw new Error('no key to ask with');
  return {
    ...deps,
    fetch: async (input, init = {}) => {
      const url = input as string;
      const { ids } = JSON.parse(init.body as string) as { ids: string[] };
      asked.push(...ids);
      const liar = liars[new URL(url).hostname.split('.')[0] ?? ''];
      return liar ? liar(url, init) : network.call(url, init);
    },
    log: ({ peer, reason }) => reasons.push(`${peer}: ${reason}`),
  };
}

/** Reads of the main ledger what executing the blocks of the case reads of it first. */
async function readPinned(): Promise<void> {
  const { tables } = network.node('west');
  const source = { genesis: network.genesis, cache: new PageCache(1024 * 1024), ports: tables };
  for (const height of [1, 2]) {
    const pin = (await tables.fetched.get(ledger, height))?.header.pin;
    expect(pin && (await pinnedState(source, ledger, pin))).toMatchObject({ isOpen: true });
  }
}

/** Of all pages that were asked for, those that are held now: each is the one that others have. */
async function kept(): Promise<number> {
  const [west, north] = await Promise.all(
    ['west', 'north'].map((id) => network.node(id).tables.pages.getPages('main', asked)),
  );
  const here = asked.flatMap((_, i) => (west?.[i] ? [i] : []));
  for (const i of here) expect(west?.[i]).toEqual(north?.[i]);
  return here.length;
}

/** Answers with the pages of an honest one, changed. */
const altered =
  (change: (page: Uint8Array) => Uint8Array | null): Peer =>
  async (url, init) => {
    const { pages } = (await (await network.call(url, init)).json()) as { pages: string };
    const all = decodeCbor(fromBase64url(pages), 8_000_000) as Uint8Array[];
    return Response.json({ pages: toBase64url(encodeCbor(all.map(change))) });
  };

describe('with the headers from before the snapshot', () => {
  beforeEach(() => network.backfill('west'));

  it('brings the pages that the blocks of the case read, and none that is held', async () => {
    await expect(readPinned()).rejects.toMatchObject({ code: 'missing_page' });
    const { pages } = network.node('west').tables;
    const deps = await depsOf();
    const held = async () => (await pages.getPages('main', asked)).filter(Boolean).length;
    const answer = deps.fetch;
    const fetchMissing: typeof fetch = async (input, init) => {
      const response = await answer(input, init);
      expect(await held()).toBe(0);
      return response;
    };
    await bringMainState({ ...deps, fetch: fetchMissing }, both());
    await readPinned();
    expect(new Set(asked).size).toBe(asked.length);
    expect(await kept()).toBe(asked.length);
    expect(reasons).toEqual([]);
    asked = [];
    await bringMainState(await depsOf(), both());
    expect(asked).toEqual([]);
  });

  it('lets the replica execute what it could not', async () => {
    const { tables } = network.node('west');
    await expect(readPinned()).rejects.toMatchObject({ code: 'missing_page' });
    network.post('west', { kind: 'tick', due: null }, 1, ledger);
    await network.run(20_000);
    const [west, north] = [
      await network.state('west', ledger),
      await network.state('north', ledger),
    ];
    expect(north.head.header.height).toBe(2);
    expect(west.head.hash).toEqual(north.head.hash);
    expect(west.halted).toBe('');
    const lacking = network.logs.filter((one) => one.event === 'dropped' && one.at === 'west');
    expect(lacking.filter((one) => 'reason' in one && one.reason === 'main state')).toEqual([]);
    expect(await tables.replicas.head(ledger)).toMatchObject({ height: 2 });
  });

  it.each<[string, Peer, string]>([
    ['other bytes', altered((page) => page.map((byte) => byte ^ 1)), 'LedgerError'],
    ['none of them', altered(() => null), 'LedgerError'],
    ['no answer', () => Promise.reject(new TypeError('refused')), 'TypeError'],
    ['a refusal', async () => new Response('{}', { status: 403 }), 'status 403'],
    ['no pages', async () => Response.json({ pages: toBase64url(encodeCbor([])) }), 'no pages'],
  ])('takes nothing of a peer that gives %s, and goes on with the next', async (_, liar, why) => {
    liars = { north: liar };
    await bringMainState(await depsOf(), both());
    expect(reasons).toEqual([`north: ${why}`]);
    await readPinned();
    await kept();
  });

  it('keeps nothing where every peer lies in the end', async () => {
    /** Honest at first: what it gave then is as good as any, and is not kept either. */
    const turning = (): Peer => {
      let answers = 0;
      return async (url, init) => {
        answers += 1;
        return answers === 1 ? network.call(url, init) : new Response('{}', { status: 500 });
      };
    };
    liars = { north: turning(), east: turning(), south: turning() };
    await bringMainState(await depsOf(), both());
    expect(reasons).toEqual(['north', 'east', 'south'].map((id) => `${id}: status 500`));
    expect(asked.length).toBeGreaterThan(3);
    expect(await kept()).toBe(0);
  });

  it('asks nobody for a case that the main ledger does not know', async () => {
    await bringMainState(await depsOf(), { ...both(), ledger: 'f'.repeat(64) });
    expect([asked, reasons]).toEqual([[], []]);
  });

  it('does nothing for blocks that were not fetched', async () => {
    await bringMainState(await depsOf(), { ledger, fromHeight: 3, toHeight: 4 });
    expect([asked, reasons]).toEqual([[], []]);
  });
});

it('waits for headers that are still lacking: they come with the backfill', async () => {
  const { tables } = network.node('west');
  await expect(readPinned()).rejects.toThrow(MainMissingError);
  await bringMainState(await depsOf(), both());
  expect(reasons).toEqual(['north', 'east', 'south'].map((id) => `${id}: MainMissingError`));
  expect(asked).toEqual([]);
  network.post('west', { kind: 'tick', due: null }, 1, ledger);
  await network.run(5_000);
  expect(await tables.replicas.version(ledger)).toBeNull();
});
