/** A validator that lost its tables comes back by itself (design §4, "Amnesia and catching up"). */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryKeyringStore } from '../../../functions/memory/keyring-store.ts';
import { Keyring, renewKeyring } from '../../../functions/validator/keyring.ts';
import type { KeyringStore } from '../../../functions/validator/ports.ts';
import { Rejoin } from '../../../functions/validator/rejoin.ts';
import { fromBase64url, toBase64url } from '../../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../../lib/crypto/p256.ts';
import { decodeWith, encodeCbor } from '../../../lib/wire/codec.ts';
import { sessionCertificateSchema } from '../../../lib/wire/session.ts';
import { frontierNodes } from '../../../lib/ledger/history-tree.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { parseTransaction } from '../../../lib/wire/transaction.ts';
import { NETWORK, type Party } from '../validator-api/fixture.ts';
import { SmallNetwork, Tables } from './small-network.ts';

let network: SmallNetwork;
let labels = 0;

/** Load: a probe at one validator after the other. */
async function load(count: number, at: readonly string[] = ['north', 'east', 'south']) {
  for (let i = 0; i < count; i += 1) {
    labels += 1;
    await network.probe(at[i % at.length] ?? 'north', `load-${labels}`);
    await network.run(1_500);
  }
}

const seatOf = async (id: string, of: string) =>
  (await network.state(of)).validators.find((one) => one.id === id);
const bundleOf = async (id: string) => {
  const { store, wrap } = network.node(id).party;
  return new Keyring({ network: NETWORK, validator: id, store, wrap }).bundle();
};

/** The session table of a party, whichever is in its place. */
function storeOf(party: () => Party): KeyringStore {
  return {
    load: (purpose) => party().store.load(purpose),
    bundle: () => party().store.bundle(),
    create: (...given) => party().store.create(...given),
    replace: (...given) => party().store.replace(...given),
    keep: (...given) => party().store.keep(...given),
    ledgerIdentity: () => party().store.ledgerIdentity(),
  };
}

beforeEach(async () => {
  network = await SmallNetwork.start();
  await load(3);
  expect((await network.state('west')).head.header.height).toBe(3);
});

describe('a validator whose tables are emptied', () => {
  it('gets genesis, follows as a learner, rejoins and votes again', async () => {
    await network.wipe('west');
    await load(4);
    const there = await network.state('west');
    expect(there.head.header.height).toBeGreaterThan(5);
    await load(3);
    await network.run(30_000);
    const [west, north] = [await network.state('west'), await network.state('north')];
    expect(west.head.hash).toEqual(north.head.hash);
    expect(west).toMatchObject({ learner: false, forgot: 0, session: 1 });
    expect(await seatOf('west', 'north')).toMatchObject({ incarnation: 1, suspended: false });
    // With another one silent, nothing commits without its vote.
    const before = north.head.header.height;
    const { runtime, ...silent } = network.node('south');
    network.nodes.set('south', { ...silent, runtime: null });
    expect(runtime).not.toBeNull();
    await network.probe('north', 'with-west');
    await network.run(60_000);
    expect((await network.state('north')).head.header.height).toBe(before + 1);
    expect((await network.state('north')).halted).toBe('');
  });

  it('votes again where another process of it holds the keys from before', async () => {
    const { signer: before } = network.node('west').runtime ?? {};
    if (!before) throw new Error('unreachable');
    await network.wipe('west');
    await load(8);
    await network.run(30_000);
    const { runtime } = network.node('west');
    if (!runtime) throw new Error('unreachable');
    expect(runtime.signer?.incarnation).toBe(1);
    runtime.signer = before;
    await load(2);
    expect(runtime.signer.incarnation).toBe(1);
    expect(await network.state('west')).toMatchObject({ learner: false, session: 1 });
  });

  it('keeps the keys that one process made where another still holds those from before', async () => {
    // Opened before the first loss, and not looked at anew for as long as this test lasts.
    const west = (): Party => network.node('west').party;
    const deps = { network: NETWORK, validator: 'west', wrap: west().wrap, store: storeOf(west) };
    const open = new Keyring({ ...deps, clock: () => 0 });
    await open.openSessionKey();
    await network.wipe('west');
    await load(8);
    await network.run(30_000);
    // A young head: it takes itself to have caught up.
    await load(1);
    const { runtime, party } = network.node('west');
    if (!runtime) throw new Error('unreachable');
    const made = await bundleOf('west');
    let tries = 0;
    const other = new Rejoin({
      renew: (incarnation, kmsKey, seen) => {
        tries += 1;
        return renewKeyring({ ...deps, kmsKey }, incarnation, seen);
      },
      open,
      log: () => undefined,
    });
    expect(
      await other.next({ ...runtime, identity: () => Promise.resolve(party.kms) }, 'main'),
    ).toBeNull();
    expect(tries).toBe(1);
    expect(await bundleOf('west')).toEqual(made);
    expect((await open.openSessionKey())?.certificate.body.incarnation).toBe(1);
  });

  it('comes back a second time, from what the ledger says of it', async () => {
    for (const incarnation of [1, 2]) {
      await network.wipe('west');
      await load(8);
      await network.run(30_000);
      expect(await network.state('west')).toMatchObject({ learner: false, session: incarnation });
    }
    expect(await seatOf('west', 'north')).toMatchObject({ incarnation: 2 });
  });

  it('comes back at rest too, when the schedule runs', async () => {
    await network.wipe('west');
    network.post('west', { kind: 'tick', due: null });
    await network.run(60_000);
    const west = await network.state('west');
    expect(west.head.hash).toEqual((await network.state('north')).head.hash);
    expect(west.session).toBe(1);
    await load(3);
    await network.run(30_000);
    expect(await network.state('west')).toMatchObject({ learner: false });
  });
});

describe('a validator that lacks many blocks', () => {
  it('takes a snapshot through a set change, and votes on what follows', async () => {
    await network.wipe('west');
    await load(8);
    await network.run(30_000);
    expect(await seatOf('west', 'north')).toMatchObject({ incarnation: 1 });
    network.snapshotFrom = 6;
    await network.wipe('west');
    await load(3);
    const { blocks } = network.node('west').tables;
    const kept = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((height) => blocks.certified('main', height)),
    );
    expect(kept).toEqual([null, null, null, null, null, null]);
    expect(network.logs.some(({ event }) => event === 'snapshot')).toBe(true);
    await load(5);
    await network.run(30_000);
    const [west, north] = [await network.state('west'), await network.state('north')];
    expect(west.head.hash).toEqual(north.head.hash);
    expect(west.frontier).toEqual(north.frontier);
    expect(west.validators).toEqual(north.validators);
    expect(west.sessions).toEqual(north.sessions);
    expect(west.parameters).toEqual(north.parameters);
    expect(west).toMatchObject({ learner: false, session: 2, halted: '' });
    // It proves to others what it took over: the next one in need can come to it.
    const links = await network.node('west').tables.blocks.links('main');
    expect(links).toEqual(await network.node('north').tables.blocks.links('main'));
  });

  it('serves what was before the snapshot again, when it has fetched that', async () => {
    network.snapshotFrom = 2;
    await network.wipe('west');
    await load(4);
    await network.run(30_000);
    const [west, north] = [network.node('west').tables, network.node('north').tables];
    const first = await north.blocks.certified('main', 2);
    if (!first) throw new Error('no block');
    const body = await north.blocks.body('main', headerHash(first.header));
    const { id } = parseTransaction(body?.transactions[0] ?? '');
    const ask = async (path: string) => {
      const answer = await network.call(`http://west.test${path}`);
      const said = (await answer.json()) as Record<string, unknown>;
      return answer.status === 200 ? 200 : said['code'];
    };
    const paths = [`/v1/transactions/${id}`, '/v1/blocks/2', '/v1/events?after=1&limit=1'];
    for (const path of paths) expect(await ask(path)).toBe('history_missing');
    await network.backfill('west');
    for (const path of paths) expect(await ask(path)).toBe(200);
    expect((await west.blocks.certified('main', 2))?.header).toEqual(first.header);
    const { height } = (await network.state('west')).head.header;
    for (let at = 1; at <= height; at += 1) {
      const block = await west.blocks.certified('main', at);
      const hash = headerHash((block as NonNullable<typeof block>).header);
      const [here, there] = await Promise.all(
        [west, north].map(({ blocks }) => blocks.body('main', hash)),
      );
      expect(toBase64url(encodeCbor(here))).toBe(toBase64url(encodeCbor(there)));
      const nodes = frontierNodes(at);
      expect(await west.blocks.history('main', nodes)).toEqual(
        await north.blocks.history('main', nodes),
      );
    }
    expect(await ask('/v1/transactions/'.concat('0'.repeat(64)))).toBe('unknown_transaction');
  });

  it('is not set back by a snapshot that comes late', async () => {
    network.snapshotFrom = 2;
    await network.wipe('west');
    await load(4);
    await network.run(30_000);
    const before = await network.state('west');
    network.post('west', { kind: 'snapshot' });
    await network.run(1_000);
    expect((await network.state('west')).head).toEqual(before.head);
  });
});

describe('a validator that lost less', () => {
  it('without its session table alone, keeps its ledger and rejoins', async () => {
    const { party, tables } = network.node('west');
    const store = new MemoryKeyringStore();
    await network.boot({ ...party, store }, tables);
    await load(6);
    await network.run(30_000);
    expect(await network.state('west')).toMatchObject({ learner: false, session: 1 });
  });

  it('with its ledger table restored as another, discards the session key', async () => {
    const { party, tables } = network.node('west');
    const before = await bundleOf('west');
    party.store.identity = 'restored';
    await network.boot(party, tables);
    await load(6);
    await network.run(30_000);
    expect(await network.state('west')).toMatchObject({ learner: false, session: 1 });
    const after = await bundleOf('west');
    expect(after?.session).not.toEqual(before?.session);
    expect(after?.shareKey).toEqual(before?.shareKey);
  });
});

describe('a validator that cannot come back by itself', () => {
  it('shows new keys for governance where its KMS key is lost too, and asks for nothing', async () => {
    const kms = await generateSigningKey();
    const { party } = network.node('west');
    const store = new MemoryKeyringStore();
    await network.boot({ ...party, store, kms }, new Tables());
    await load(6);
    await network.run(30_000);
    expect(await network.state('west')).toMatchObject({ learner: true, session: 1 });
    expect(network.reasons).toEqual(['its KMS key is another: operators replace it']);
    expect(await seatOf('west', 'north')).toMatchObject({ incarnation: 0 });
    expect(await bundleOf('west')).toMatchObject({ validator: 'west' });
  });

  it('shows keys above the incarnation that peers know, though its ledger is empty', async () => {
    await network.wipe('west');
    await load(8);
    await network.run(30_000);
    expect(await seatOf('west', 'north')).toMatchObject({ incarnation: 1 });
    const kms = await generateSigningKey();
    const { party } = network.node('west');
    await network.boot({ ...party, store: new MemoryKeyringStore(), kms }, new Tables());
    // Peers give it no blocks before its key is put in.
    const cut = vi.spyOn(network.node('west').tables.fetched, 'get').mockResolvedValue(null);
    await load(6);
    await network.run(60_000);
    cut.mockRestore();
    const bundle = await bundleOf('west');
    const bytes = fromBase64url(bundle?.session.certificate ?? '');
    const { body } = decodeWith(sessionCertificateSchema, bytes, 1_024);
    expect(body).toMatchObject({ validator: 'west', incarnation: 2 });
  });
});
