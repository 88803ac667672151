import { beforeEach, describe, expect, it } from 'vitest';
import { decodeInboxMessage } from '../../../functions/aws/inbox-message.ts';
import { MemoryGenesisStore } from '../../../functions/memory/genesis-store.ts';
import { MemoryKeyWrap } from '../../../functions/memory/key-wrap.ts';
import { MemoryKeyringStore } from '../../../functions/memory/keyring-store.ts';
import { MemoryPageStore } from '../../../functions/memory/page-store.ts';
import { MemoryReplicaStore } from '../../../functions/memory/replica-store.ts';
import { MemoryPeerSender } from '../../../functions/memory/senders.ts';
import {
  GenesisRecovery,
  type GenesisRecoveryDeps,
} from '../../../functions/validator/genesis-recovery.ts';
import { Keyring } from '../../../functions/validator/keyring.ts';
import { decodeRecord } from '../../../functions/validator/replica/record.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import type { SignedGenesis } from '../../../lib/wire/genesis.ts';
import type { RecoveryMessage } from '../../../lib/wire/recovery.ts';
import { ApiFixture, makeDocument, NETWORK, type Party, signDocument } from './fixture.ts';

let api: ApiFixture;
let now: number;

/** A validator's recovery over tables of its own. */
function nodeOf(party: Party, changes: Partial<GenesisRecoveryDeps> = {}) {
  const store = new MemoryKeyringStore();
  const keyring = { network: NETWORK, validator: party.id, store, wrap: new MemoryKeyWrap() };
  const ports = {
    genesis: new MemoryGenesisStore(),
    pages: new MemoryPageStore(),
    replicas: new MemoryReplicaStore(),
  };
  const sender = new MemoryPeerSender();
  const reasons: string[] = [];
  const recovery = new GenesisRecovery({
    network: NETWORK,
    validator: party.id,
    operatorKey: thumbprint(party.operator.publicKey),
    peers: api.parties.map(({ id }) => id).filter((id) => id !== party.id),
    ports,
    sender,
    keyring,
    kmsKey: () => Promise.resolve(party.kms),
    clock: () => now,
    freshId: () => 'id',
    log: ({ reason }) => reasons.push(reason),
    ...changes,
  });
  /** What was sent since the last look, as the receiver reads it. */
  const outbox = (): { peer: string; message: RecoveryMessage }[] =>
    sender.sent.splice(0).map(({ peer, body, group }) => {
      const read = decodeInboxMessage(body);
      if (read.kind !== 'recovery' || group !== 'main') throw new Error('not a recovery message');
      return { peer, message: read.message };
    });
  return { recovery, ports, store, keyring, outbox, reasons };
}

const genesisOf = (signed: SignedGenesis, from = 'north'): RecoveryMessage => ({
  type: 'genesis',
  network: NETWORK,
  ledger: 'main',
  from,
  signed,
});
const west = (): Party => api.parties[3] as Party;

beforeEach(async () => {
  api = await ApiFixture.create();
  now = 1_000_000;
});

describe('a validator without a genesis document', () => {
  it('gets it from a peer, starts as one that has forgotten, and has a key to ask with', async () => {
    const [wiped, peer] = [nodeOf(west()), nodeOf(api.own)];
    await peer.ports.genesis.save(api.signed);
    await wiped.recovery.ask(['north']);
    const [asked] = wiped.outbox();
    expect(asked).toMatchObject({ peer: 'north', message: { type: 'genesis-wanted' } });
    expect(await peer.recovery.take(asked?.message as RecoveryMessage)).toBe(false);
    const [answer] = peer.outbox();
    expect(answer?.peer).toBe('west');
    expect(await wiped.recovery.take(answer?.message as RecoveryMessage)).toBe(true);
    expect(await wiped.ports.genesis.load()).toEqual(api.signed);
    expect(await wiped.ports.replicas.head('main')).toMatchObject({ height: 0 });
    const stored = await wiped.ports.replicas.load('main');
    const { state } = decodeRecord(stored?.state ?? new Uint8Array());
    expect(state).toMatchObject({ self: 'west', learner: true, forgot: 0, session: null });
    const key = await new Keyring(wiped.keyring).openRequestKey();
    expect(key?.certificate.body).toMatchObject({ validator: 'west', incarnation: 1 });
    expect(await new Keyring(wiped.keyring).openSessionKey()).toBeNull();
    expect(await wiped.recovery.take(genesisOf(api.signed))).toBe(false);
  });

  it('asks everyone on a tick, nobody it does not know, and none too often', async () => {
    const { recovery, outbox } = nodeOf(west());
    await recovery.ask([]);
    await recovery.ask(['north', 'stranger']);
    expect(outbox().map(({ peer }) => peer)).toEqual(['north', 'east', 'south']);
    now += 3_000;
    await recovery.ask(['north', 'north', 'stranger']);
    expect(outbox().map(({ peer }) => peer)).toEqual(['north']);
  });

  it.each([
    [
      'that an operator has not signed',
      async () => ({ ...api.signed, signatures: api.signed.signatures.slice(1) }),
      'has not signed',
    ],
    ['of no form', async () => ({ document: '{}', signatures: [] }), 'format'],
    [
      'of another network',
      async () => {
        const document = await makeDocument(api.parties);
        return signDocument(api.parties, { ...document, network: 'local-other' });
      },
      'certified',
    ],
    [
      'that another operator signed for it',
      async () => {
        const { operator } = api.own;
        const parties = api.parties.map((one) => (one.id === 'west' ? { ...one, operator } : one));
        return signDocument(parties, await makeDocument(parties));
      },
      'of another operator',
    ],
  ] as const)('refuses one %s', async (_, make, reason) => {
    const { recovery, ports, reasons } = nodeOf(west());
    expect(await recovery.take(genesisOf(await make()))).toBe(false);
    expect(await ports.genesis.load()).toBeNull();
    expect(await ports.replicas.head('main')).toBeNull();
    expect(reasons.join()).toContain(reason);
  });

  it('leaves a first start to its operator: nothing was lost', async () => {
    const { store } = west();
    const keyring = { network: NETWORK, validator: 'west', store, wrap: west().wrap };
    const fresh = nodeOf(west(), { keyring });
    expect(await fresh.recovery.take(genesisOf(api.signed))).toBe(false);
    expect(fresh.reasons).toEqual(['for its operator to install']);
    store.identity = 'another table';
    expect(await fresh.recovery.take(genesisOf(api.signed))).toBe(true);
  });

  it('takes nothing from elsewhere', async () => {
    const { recovery, reasons } = nodeOf(west());
    expect(await recovery.take(genesisOf(api.signed, 'stranger'))).toBe(false);
    expect(await recovery.take({ ...genesisOf(api.signed), network: 'local-x' })).toBe(false);
    expect(reasons).toEqual(['not a peer of this network', 'not a peer of this network']);
  });
});

describe('a validator that is asked for the genesis document', () => {
  it('answers each peer once in ten seconds, and nobody while it has none', async () => {
    const { recovery, ports, outbox } = nodeOf(api.own);
    const wanted = (from: string): RecoveryMessage => ({
      type: 'genesis-wanted',
      network: NETWORK,
      ledger: 'main',
      from,
    });
    await recovery.take(wanted('east'));
    expect(outbox()).toEqual([]);
    await ports.genesis.save(api.signed);
    now += 10_000;
    for (const from of ['west', 'west', 'east', 'stranger']) await recovery.take(wanted(from));
    expect(outbox().map(({ peer }) => peer)).toEqual(['west', 'east']);
    now += 10_000;
    await recovery.take(wanted('west'));
    expect(outbox().map(({ peer }) => peer)).toEqual(['west']);
  });
});
