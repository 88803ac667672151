import { describe, expect, it } from 'vitest';
import { MemoryGenesisStore } from '../../../functions/memory/genesis-store.ts';
import { MemoryKeyWrap } from '../../../functions/memory/key-wrap.ts';
import { MemoryKeyringStore } from '../../../functions/memory/keyring-store.ts';
import {
  bootstrapKeyring,
  ensureReadKey,
  Keyring,
  type KeyringDeps,
  renewKeyring,
} from '../../../functions/validator/keyring.ts';
import { toBase64url, utf8 } from '../../../lib/crypto/bytes.ts';
import { generateSigningKey, verifyP256 } from '../../../lib/crypto/p256.ts';
import { xWingKeyPair } from '../../../lib/crypto/x-wing.ts';
import { encodeCbor } from '../../../lib/wire/codec.ts';
import {
  type SessionCertificate,
  sessionCovers,
  verifySessionCertificate,
} from '../../../lib/wire/session.ts';

async function setUp() {
  const kmsKey = await generateSigningKey();
  const store = new MemoryKeyringStore();
  const genesis = new MemoryGenesisStore();
  const deps = { network: 'local-test', validator: 'north', store, wrap: new MemoryKeyWrap() };
  return { kmsKey, store, genesis, deps };
}

describe('bootstrap', () => {
  it('makes three keys, two of them certified by KMS', async () => {
    const { kmsKey, genesis, deps } = await setUp();
    expect(await new Keyring(deps).bundle()).toBeNull();
    expect(await bootstrapKeyring({ ...deps, kmsKey, genesis })).toBe(true);
    const keyring = new Keyring(deps);
    const [session, read] = [await keyring.openSessionKey(), await keyring.openReadKey()];
    if (!session || !read) throw new Error('no keys');
    for (const { certificate } of [session, read]) {
      expect(await verifySessionCertificate(certificate, kmsKey.publicKey)).toBe(true);
    }
    const wanted = { validator: 'north', incarnation: 0, height: 1_000_000 };
    expect(sessionCovers(session.certificate.body, { ...wanted, purpose: 'vote' })).toBe(true);
    expect(sessionCovers(read.certificate.body, { ...wanted, purpose: 'vote' })).toBe(false);
    const signature = await session.sign(utf8('vote'));
    const { key } = session.certificate.body;
    expect(await verifyP256(key, utf8('vote'), signature)).toBe(true);
    const seed = await keyring.openShareSeed();
    const pair = await xWingKeyPair(seed ?? undefined);
    expect((await keyring.bundle())?.shareKey).toBe(toBase64url(pair.publicKey));
  });

  it('opens the share key beside another ledger table, and without a look at it', async () => {
    const { kmsKey, genesis, store, deps } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    const seed = await new Keyring(deps).openShareSeed();
    store.ledgerIdentity = () => Promise.reject(new Error('not granted to the escrow'));
    const escrow = new Keyring(deps);
    expect(await escrow.openShareSeed()).toEqual(seed);
    await expect(escrow.openSessionKey()).rejects.toThrow('not granted');
  });

  it('makes them once, whoever asks how often', async () => {
    const { kmsKey, genesis, deps } = await setUp();
    const all = { ...deps, kmsKey, genesis };
    await Promise.all([bootstrapKeyring(all), bootstrapKeyring(all), bootstrapKeyring(all)]);
    const bundle = await new Keyring(deps).bundle();
    const session = await new Keyring(deps).openSessionKey();
    await bootstrapKeyring(all);
    expect(await new Keyring(deps).bundle()).toEqual(bundle);
    const named = toBase64url(encodeCbor(session?.certificate));
    expect(bundle?.session.certificate).toBe(named);
  });

  it('never makes a session key once a genesis is installed: that would be amnesia', async () => {
    const { kmsKey, genesis, deps } = await setUp();
    await genesis.save({ document: '{}', signatures: [] });
    expect(await bootstrapKeyring({ ...deps, kmsKey, genesis })).toBe(false);
    expect(await new Keyring(deps).openSessionKey()).toBeNull();
  });
});

describe('opening keys', () => {
  it('refuses the session and read keys of another ledger table', async () => {
    const { kmsKey, genesis, deps, store } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    store.identity = 'restored';
    const keyring = new Keyring(deps);
    expect(await keyring.openSessionKey()).toBeNull();
    expect(await keyring.openReadKey()).toBeNull();
    expect(await keyring.openRequestKey()).not.toBeNull();
  });

  it('refuses a wrapped key under another purpose', async () => {
    const { kmsKey, genesis, deps, store } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    const read = await store.load('read');
    if (!read) throw new Error('no key');
    store.load = () => Promise.resolve(read);
    await expect(new Keyring(deps).openSessionKey()).rejects.toThrow();
  });

  it('gives the same wake secret to every process', async () => {
    const { kmsKey, genesis, deps } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    const [a, b] = [new Keyring(deps), new Keyring(deps)];
    const secret = (await a.openReadKey())?.wakeSecret;
    expect(secret).toHaveLength(32);
    expect((await b.openReadKey())?.wakeSecret).toEqual(secret);
  });
});

/** The session key as a new process opens it. */
async function sessionKeyOf(deps: KeyringDeps): Promise<Uint8Array | null> {
  const session = await new Keyring(deps).openSessionKey();
  return session?.certificate.body.key ?? null;
}

describe('renewal', () => {
  it('certifies new session and read keys for the next incarnation, and keeps the share key', async () => {
    const { kmsKey, genesis, deps, store } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    const before = await new Keyring(deps).bundle();
    const seed = await new Keyring(deps).openShareSeed();
    store.identity = 'restored';
    // Made for the table that was restored: of no use beside this one.
    const bundle = await renewKeyring({ ...deps, kmsKey }, 1, null);
    const keyring = new Keyring(deps);
    expect(await keyring.bundle()).toEqual(bundle);
    expect(bundle?.shareKey).toBe(before?.shareKey);
    expect(await keyring.openShareSeed()).toEqual(seed);
    const [session, read] = [await keyring.openSessionKey(), await keyring.openReadKey()];
    for (const one of [session, read]) {
      expect(one?.certificate.body.incarnation).toBe(1);
      const certificate = one?.certificate as SessionCertificate;
      expect(await verifySessionCertificate(certificate, kmsKey.publicKey)).toBe(true);
    }
    expect(bundle?.session.certificate).toBe(toBase64url(encodeCbor(session?.certificate)));
  });

  it('makes another share key where the old one does not open any more', async () => {
    const { kmsKey, genesis, deps } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    const before = await new Keyring(deps).bundle();
    const wrap = new MemoryKeyWrap();
    const bundle = await renewKeyring({ ...deps, wrap, kmsKey }, 1, await sessionKeyOf(deps));
    expect(bundle?.shareKey).not.toBe(before?.shareKey);
    expect(await new Keyring({ ...deps, wrap }).openShareSeed()).not.toBeNull();
  });

  it('lets one of two runs win, whole', async () => {
    const { kmsKey, genesis, deps, store } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    const seen = await sessionKeyOf(deps);
    const made = await Promise.all(
      [1, 1, 1].map((n) => renewKeyring({ ...deps, kmsKey }, n, seen)),
    );
    const winners = made.filter((one) => one !== null);
    expect(winners).toHaveLength(1);
    expect(JSON.parse((await store.bundle()) ?? '')).toEqual(winners[0]);
  });

  it('never overwrites keys that the caller has not seen', async () => {
    const { kmsKey, genesis, deps } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    const old = await sessionKeyOf(deps);
    const first = await renewKeyring({ ...deps, kmsKey }, 1, old);
    expect(first).not.toBeNull();
    expect(await renewKeyring({ ...deps, kmsKey }, 2, old)).toBeNull();
    expect(await renewKeyring({ ...deps, kmsKey }, 2, null)).toBeNull();
    expect(await new Keyring(deps).bundle()).toEqual(first);
  });

  it('is seen by other processes within half a minute, and at once when told', async () => {
    const { kmsKey, genesis, deps } = await setUp();
    await bootstrapKeyring({ ...deps, kmsKey, genesis });
    let now = 1_000;
    const keyring = new Keyring({ ...deps, clock: () => now });
    const told = new Keyring({ ...deps, clock: () => now });
    const incarnations = async () =>
      Promise.all(
        [keyring, told].map(async (one) => (await one.openReadKey())?.certificate.body.incarnation),
      );
    expect(await incarnations()).toEqual([0, 0]);
    await renewKeyring({ ...deps, kmsKey }, 1, await sessionKeyOf(deps));
    told.forget();
    expect(await incarnations()).toEqual([0, 1]);
    now += 30_000;
    expect(await incarnations()).toEqual([1, 1]);
  });

  it('makes a read key alone where all is gone, which votes for nothing', async () => {
    const { kmsKey, deps } = await setUp();
    await ensureReadKey({ ...deps, kmsKey }, 1);
    const keyring = new Keyring(deps);
    const first = await keyring.openRequestKey();
    expect(first?.certificate.body).toMatchObject({ purpose: 'read', incarnation: 1 });
    expect(await keyring.openSessionKey()).toBeNull();
    expect(await keyring.bundle()).toBeNull();
    await ensureReadKey({ ...deps, kmsKey }, 2);
    expect((await new Keyring(deps).openRequestKey())?.publicKey).toEqual(first?.publicKey);
  });
});
