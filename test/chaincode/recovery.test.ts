/** Recovery on the ledger: who may start, stop and finish it, when, and for which device. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import {
  guardianKeyCommitment,
  type RecoveryStart,
  recoverySigningBytes,
} from '../../lib/chaincode/recovery-signing.ts';
import { guardiansSigningBytes, recoveryGuardBytes } from '../../lib/chaincode/rotation-guard.ts';
import {
  guardSigningBytes,
  rotationSigningBytes,
  type Successor,
} from '../../lib/chaincode/rotation.ts';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { verifyTransaction, type SignedRequest } from '../../lib/wire/transaction.ts';
import {
  type Acting,
  DAY,
  escrowArgs,
  grantArgs,
  id16,
  NETWORK,
  outcome,
  type PatientKeys,
  type Person,
  registerArgs,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

const setupId = id16('the setup');
const recoveryId = id16('the recovery');
const saltOf = (index: number, setup: string): string => id16(`salt ${setup} ${index}`);

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let device: PatientKeys;
let thief: PatientKeys;
let doctor: Person;
let guardians: SigningKey[];

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  device = await base.patientKeys('alice, new device');
  thief = await base.patientKeys('thief');
  doctor = await base.registered('doctor');
  guardians = await Promise.all([0, 1, 2].map(() => generateSigningKey()));
});

const pointOf = (key: SigningKey): string => toBase64url(key.publicKey);

function setupArgs(world: World, id = setupId, keys = guardians): SignedRequest['args'] {
  return {
    ...escrowArgs(world, { escrowId: id16('recovery escrow') }),
    ...{ setupId: id, needed: 2 },
    guardians: keys.map((key, index) => ({
      key: guardianKeyCommitment({
        ...{ network: NETWORK, setupId: id, salt: saltOf(index, id), publicKey: key.publicKey },
      }),
      share: text32(`share ${index} of ${id}`),
    })),
  };
}

function startOf(change: Partial<RecoveryStart> = {}): RecoveryStart {
  return {
    ...{ network: NETWORK, pseudonym: alice.pseudonym, setupId, recoveryId },
    ...{ receivingKey: pointOf(device.owner), encryptionKeyDigest: text32('the X-Wing key') },
    ...change,
  };
}

async function approvals(start: RecoveryStart, who = [0, 1]) {
  const bytes = recoverySigningBytes(start);
  return Promise.all(
    who.map(async (index) => {
      const key = guardians[index]!;
      const signature = toBase64url(await key.sign(bytes));
      return { index, publicKey: pointOf(key), salt: saltOf(index, start.setupId), signature };
    }),
  );
}

async function startArgs(change: Partial<RecoveryStart> = {}, who = [0, 1]) {
  const start = startOf(change);
  const { network, ...args } = start;
  void network;
  return { ...args, approvals: await approvals(start, who) };
}

const set = (world: World, id?: string, keys?: SigningKey[]) =>
  world.submit(alice, 'recovery.setup', setupArgs(world, id, keys));
const start = async (world: World, change: Partial<RecoveryStart> = {}, who = [0, 1]) =>
  world.submit(device, 'recovery.start', await startArgs(change, who));
const receiving = (id = recoveryId, key = device) => ({
  recoveryId: id,
  receivingKey: pointOf(key.owner),
});
const release = (world: World, who: PatientKeys = device, id?: string) =>
  world.submit(who, 'recovery.release', receiving(id, who));
const veto = (world: World, who: Acting = alice, id = recoveryId) =>
  world.submit(who, 'recovery.veto', { recoveryId: id });
async function rotateArgs(to: PatientKeys, from = alice): Promise<SignedRequest['args']> {
  const args = registerArgs(to) as unknown as Omit<Successor, 'ownerSignature'>;
  const successor = { ...args, sealingKeyDigest: text32('sealing key') };
  const bytes = rotationSigningBytes({ network: NETWORK, from: from.pseudonym, successor });
  return { ...successor, ownerSignature: toBase64url(await to.owner.sign(bytes)) };
}

/** Set up and started: all wait. */
async function waiting(): Promise<World> {
  const world = base.fork();
  valueOf(await set(world));
  valueOf(await start(world));
  return world;
}
async function released(): Promise<World> {
  const world = await waiting();
  world.time += world.parameters.recoveryDelayMs;
  valueOf(await release(world));
  return world;
}

describe('a recovery', () => {
  it('is started by guardians, waits, is released to the new device, and forces a rotation', async () => {
    const world = base.fork();
    expect(valueOf(await set(world))).toMatchObject({ setupId, needed: 2, kind: 'recovery' });
    const { time } = world;
    const started = valueOf(await start(world));
    const from = time + world.parameters.recoveryDelayMs;
    expect(started).toMatchObject({ fn: 'recovery.start', pseudonym: alice.pseudonym, from });
    expect(await topicsOf(world, alice)).toContain('recovery.started');
    world.time = from;
    expect(valueOf(await release(world))).toMatchObject({
      ...{ fn: 'recovery.release', kind: 'recovery', escrowId: id16('recovery escrow') },
      ...{ generation: 1, readerKid: device.ownerKid, readerKeyDigest: text32('the X-Wing key') },
      ...{ usableUntil: from + world.parameters.receiptUsableMs, needed: 2 },
      guardianShares: [0, 1, 2].map((at) => text32(`share ${at} of ${setupId}`)),
    });
    // Once more is a new receipt, for who lost the first.
    expect(outcome(await release(world))).toBe('COMMITTED');
    const next = await world.patientKeys('alice anew');
    const args = { ...(await rotateArgs(next)), ...receiving() };
    expect(valueOf(await world.submit(device, 'recovery.rotate', args))).toMatchObject({
      ...{ pseudonym: next.pseudonym, from: alice.pseudonym, ownerKid: next.ownerKid },
    });
    expect(await world.ask(next, 'patient.rotations')).toMatchObject({
      rotations: [{ cause: 'recovery', from: alice.pseudonym }],
    });
    const again = await world.patientKeys('alice once more');
    const twice = { ...(await rotateArgs(again)), ...receiving() };
    expect(outcome(await world.submit(device, 'recovery.rotate', twice))).toBe('patient_rotated');
    expect(outcome(await release(world))).toBe('patient_rotated');
    expect(outcome(await world.submit(alice, 'recovery.setup', setupArgs(world)))).toBe(
      'owner_key_retired',
    );
  });

  it('leaves the old owner key nothing but to rotate and to veto', async () => {
    const world = await released();
    const grant = grantArgs(world, doctor);
    expect(outcome(await world.submit(alice, 'permission.grant', grant))).toBe('rotation_forced');
    expect(outcome(await set(world, id16('new setup')))).toBe('rotation_forced');
    expect(outcome(await world.submit(alice, 'patient.erase', {}))).toBe('rotation_forced');
    const rotating = world.fork();
    const next = await world.patientKeys('alice anew');
    const args = await rotateArgs(next);
    expect(outcome(await rotating.submit(alice, 'patient.rotate-begin', args))).toBe('COMMITTED');
    expect(outcome(await release(rotating))).toBe('patient_rotated');
    expect(outcome(await veto(world))).toBe('COMMITTED');
    const late = { ...args, ...receiving() };
    expect(outcome(await world.submit(device, 'recovery.rotate', late))).toBe('recovery_vetoed');
    expect(outcome(await world.submit(alice, 'permission.grant', grant))).toBe('rotation_forced');
  });

  it('needs as many different guardians as were named', async () => {
    const world = base.fork();
    valueOf(await set(world));
    const two = await approvals(startOf());
    const { network, ...args } = startOf();
    void network;
    const submit = async (list: object[]) =>
      outcome(await world.submit(device, 'recovery.start', { ...args, approvals: list } as never));
    expect(await submit([])).toBe('bad_arguments');
    expect(await submit(two.slice(1))).toBe('bad_arguments');
    expect(await submit([two[0]!, two[0]!])).toBe('too_few_guardians');
    expect(await submit([two[0]!, { ...two[0]!, index: 1 }])).toBe('bad_approval');
    expect(await submit([two[0]!, { ...two[1]!, index: 2 }])).toBe('bad_approval');
    expect(await submit([two[0]!, { ...two[1]!, salt: id16('other') }])).toBe('bad_approval');
    expect(await submit([two[0]!, { ...two[1]!, signature: two[0]!.signature }])).toBe(
      'bad_approval',
    );
    const stranger = await generateSigningKey();
    const signature = toBase64url(await stranger.sign(recoverySigningBytes(startOf())));
    const own = { ...two[1]!, publicKey: pointOf(stranger), signature };
    expect(await submit([two[0]!, own])).toBe('bad_approval');
    expect(await submit([...two, own].slice(1))).toBe('bad_approval');
    expect(await submit(two)).toBe('COMMITTED');
  });

  it('refuses what is no key at all, and never stops', async () => {
    const world = base.fork();
    const off = Uint8Array.from(guardians[0]!.publicKey);
    off[64]! ^= 1;
    const list = [off, off].map((publicKey, index) => ({
      key: guardianKeyCommitment({
        ...{ network: NETWORK, setupId, salt: saltOf(index, setupId), publicKey },
      }),
      share: text32('any'),
    }));
    const setup = { ...setupArgs(world), guardians: list };
    valueOf(await world.submit(alice, 'recovery.setup', setup));
    const args = await startArgs();
    const forged = args.approvals.map((one) => ({ ...one, publicKey: toBase64url(off) }));
    const start = { ...args, approvals: forged };
    expect(outcome(await world.submit(device, 'recovery.start', start))).toBe('bad_approval');
    const none = { ...args, receivingKey: 'A'.repeat(87) };
    expect(outcome(await world.submit(alice, 'recovery.start', none))).toBe('bad_arguments');
    const foreign = { ...args, receivingKey: toBase64url(off) };
    expect(outcome(await world.submit(alice, 'recovery.start', foreign))).toBe(
      'wrong_receiving_key',
    );
  });

  it('counts one key under two commitments once', async () => {
    const world = base.fork();
    const [first] = guardians as [SigningKey];
    valueOf(await set(world, setupId, [first, first]));
    const bytes = recoverySigningBytes(startOf());
    const signature = toBase64url(await first.sign(bytes));
    const twice = [0, 1].map((index) => ({
      ...{ index, publicKey: pointOf(first), salt: saltOf(index, setupId), signature },
    }));
    const args = { ...(await startArgs()), approvals: twice };
    expect(outcome(await world.submit(device, 'recovery.start', args))).toBe('too_few_guardians');
  });

  it('goes to the device that the guardians signed for, and to no other', async () => {
    const world = base.fork();
    valueOf(await set(world));
    const args = await startArgs();
    // A thief takes the approvals: with another key, or with the key of the device named.
    const mine = { ...args, receivingKey: pointOf(thief.owner) };
    expect(outcome(await world.submit(thief, 'recovery.start', mine))).toBe('bad_approval');
    expect(outcome(await world.submit(thief, 'recovery.start', args))).toBe('wrong_receiving_key');
    const sealed = { ...args, encryptionKeyDigest: text32('the thief’s X-Wing key') };
    expect(outcome(await world.submit(device, 'recovery.start', sealed))).toBe('bad_approval');
    const forBob = { ...args, pseudonym: bob.pseudonym };
    expect(outcome(await world.submit(device, 'recovery.start', forBob))).toBe('no_guardians');
    // A key that is a patient's already is no fresh one.
    const known = await startArgs({ receivingKey: pointOf(bob.owner) });
    expect(outcome(await world.submit(bob, 'recovery.start', known))).toBe('owner_key_taken');
    expect(outcome(await start(world))).toBe('COMMITTED');
    world.time += world.parameters.recoveryDelayMs;
    expect(outcome(await release(world, thief))).toBe('wrong_receiving_key');
    expect(outcome(await world.submit(thief, 'recovery.release', receiving()))).toBe(
      'wrong_receiving_key',
    );
    valueOf(await release(world));
    const next = await rotateArgs(await world.patientKeys('thief anew'));
    const stolen = { ...next, ...receiving(recoveryId, thief) };
    expect(outcome(await world.submit(thief, 'recovery.rotate', stolen))).toBe(
      'wrong_receiving_key',
    );
  });

  it('waits to the millisecond, and is over to the millisecond', async () => {
    const world = await waiting();
    const { recovery } = (await world.ask(alice, 'recovery.get')) as unknown as {
      recovery: { from: number; until: number };
    };
    world.time = recovery.from - 1;
    const early = world.fork();
    expect(outcome(await release(early))).toBe('recovery_waits');
    const next = { ...(await rotateArgs(await world.patientKeys('early'))), ...receiving() };
    expect(outcome(await early.submit(device, 'recovery.rotate', next))).toBe('recovery_waits');
    world.time = recovery.until - 1;
    expect(outcome(await release(world.fork()))).toBe('COMMITTED');
    world.time = recovery.until;
    expect(outcome(await release(world))).toBe('recovery_over');
  });

  it('ends by veto, for good, and the guardians must be set anew', async () => {
    const world = await waiting();
    const args = await startArgs();
    expect(valueOf(await veto(world))).toMatchObject({ recoveryId });
    expect(await topicsOf(world, alice)).toContain('recovery.vetoed');
    world.time += world.parameters.recoveryDelayMs;
    expect(outcome(await release(world))).toBe('recovery_vetoed');
    // Neither the same again, nor anew by the same guardians.
    expect(outcome(await world.submit(device, 'recovery.start', args))).toBe('recovery_spent');
    expect(outcome(await start(world, { recoveryId: id16('second') }))).toBe('recovery_spent');
    expect(outcome(await veto(world))).toBe('recovery_vetoed');
    expect(outcome(await set(world))).toBe('recovery_exists');
    const fresh = id16('fresh setup');
    expect(outcome(await set(world, fresh))).toBe('COMMITTED');
    expect(outcome(await world.submit(device, 'recovery.start', args))).toBe('no_guardians');
    const other = { setupId: fresh, recoveryId: id16('third') };
    expect(outcome(await start(world, other))).toBe('COMMITTED');
  });

  it('is vetoed by the patient alone: no guardian, no other patient, no clinician', async () => {
    const world = await waiting();
    expect(outcome(await veto(world, bob))).toBe('unknown_recovery');
    expect(outcome(await veto(world, doctor))).toBe('role_denied');
    expect(outcome(await veto(world, device))).toBe('unknown_signer');
    expect(outcome(await veto(world, world.operator()))).toBe('role_denied');
    const guardian = { ...device, owner: guardians[0]!, ownerKid: 'unused' };
    expect(outcome(await veto(world, guardian))).toBe('unknown_signer');
    expect(outcome(await veto(world, alice, id16('another')))).toBe('unknown_recovery');
  });

  it('is vetoed by the owner key without any certificate, and nothing else is', async () => {
    const world = await waiting();
    const alone = { kid: alice.ownerKid };
    expect(outcome(await world.submit(alone, 'recovery.end', {}))).toBe('unknown_signer');
    expect(outcome(await world.submit(alone, 'patient.erase', {}))).toBe('unknown_signer');
    expect(outcome(await veto(world.fork(), { kid: bob.ownerKid }))).toBe('unknown_recovery');
    expect(outcome(await veto(world, { kid: device.ownerKid }))).toBe('unknown_signer');
    const at = { time: world.time, network: NETWORK };
    const signed = await world.signed({ key: alice.owner }, 'recovery.veto', { recoveryId });
    expect(await verifyTransaction(signed, await resolveKeys(world, signed, at))).toBe(true);
    const other = await world.signed({ key: alice.owner }, 'recovery.end', {});
    await expect(resolveKeys(world, other, at)).rejects.toMatchObject({ code: 'unknown_signer' });
    expect(outcome(await veto(world, alone))).toBe('COMMITTED');
  });

  it('is one at a time, and nothing of it changes while it is open', async () => {
    const world = await waiting();
    const second = { recoveryId: id16('second'), receivingKey: pointOf(thief.owner) };
    const args = await startArgs(second, [1, 2]);
    expect(outcome(await world.submit(thief, 'recovery.start', args))).toBe('recovery_open');
    expect(outcome(await set(world, id16('new setup')))).toBe('recovery_open');
    expect(outcome(await world.submit(alice, 'recovery.end', {}))).toBe('recovery_open');
    world.time += world.parameters.recoveryDelayMs + 30 * DAY;
    // The first was never finished. What the guardians signed for it does not start it again.
    expect(outcome(await start(world))).toBe('recovery_exists');
    expect(outcome(await world.submit(thief, 'recovery.start', args))).toBe('COMMITTED');
    expect(outcome(await release(world))).toBe('recovery_over');
  });

  it('is nothing without a setup, after its end, and after a rotation', async () => {
    const none = base.fork();
    expect(outcome(await start(none))).toBe('no_guardians');
    expect(outcome(await none.submit(alice, 'recovery.end', {}))).toBe('no_guardians');
    const ended = base.fork();
    valueOf(await set(ended));
    valueOf(await ended.submit(alice, 'recovery.end', {}));
    expect(outcome(await start(ended))).toBe('no_guardians');
    expect(outcome(await ended.submit(alice, 'recovery.end', {}))).toBe('no_guardians');
    const rotated = base.fork();
    valueOf(await set(rotated));
    const next = await rotateArgs(await rotated.patientKeys('alice rotated'));
    valueOf(await rotated.submit(alice, 'patient.rotate-begin', next));
    expect(outcome(await start(rotated))).toBe('patient_rotated');
    const erased = base.fork();
    valueOf(await set(erased));
    valueOf(await erased.submit(alice, 'patient.erase', {}));
    expect(outcome(await start(erased))).toBe('patient_erased');
  });

  it('counts no approvals for a setup that was replaced', async () => {
    const world = base.fork();
    valueOf(await set(world));
    const args = await startArgs();
    const fresh = id16('fresh setup');
    expect(valueOf(await set(world, fresh))).toMatchObject({ generation: 2 });
    expect(outcome(await world.submit(device, 'recovery.start', args))).toBe('no_guardians');
    const moved = { ...args, setupId: fresh };
    expect(outcome(await world.submit(device, 'recovery.start', moved))).toBe('bad_approval');
  });
});

describe('a setup', () => {
  it('names two to nine guardians, two of whom at least must sign', async () => {
    const world = base.fork();
    const args = setupArgs(world) as { guardians: object[] };
    const submit = async (change: object) =>
      outcome(await world.submit(alice, 'recovery.setup', { ...args, ...change } as never));
    expect(await submit({ needed: 1 })).toBe('bad_arguments');
    expect(await submit({ needed: 4 })).toBe('bad_arguments');
    expect(await submit({ guardians: args.guardians.slice(2) })).toBe('bad_arguments');
    const ten = Array.from({ length: 10 }, () => args.guardians[0]);
    expect(await submit({ guardians: ten })).toBe('bad_arguments');
    expect(await submit({})).toBe('COMMITTED');
  });

  it('is shown to the patient, and to who has its random id', async () => {
    const world = await waiting();
    const { pseudonym } = alice;
    const seen = async (who: Acting, args: SignedRequest['args']): Promise<unknown> => {
      try {
        return await world.ask(who, 'recovery.get', args);
      } catch (error) {
        if (error instanceof ChaincodeError) return error.code;
        throw error;
      }
    };
    expect(await seen(alice, {})).toMatchObject({ isOpen: true, recovery: { id: recoveryId } });
    expect(await seen(bob, {})).toMatchObject({ setup: null, recovery: null });
    expect(await seen(bob, { pseudonym })).toBe('unknown_recovery');
    expect(await seen(doctor, { pseudonym, setupId: id16('a guess') })).toBe('unknown_recovery');
    const asked = { pseudonym, setupId };
    const answer = { recovery: { status: 'waiting', receivingKid: device.ownerKid } };
    expect(await seen(doctor, asked)).toMatchObject(answer);
    expect(await seen(device, { ...asked, receivingKey: pointOf(device.owner) })).toMatchObject(
      answer,
    );
  });

  it('holds no name, no key and no share of a guardian', async () => {
    const world = base.fork();
    valueOf(await set(world));
    const stored = [...world.state.entries()].filter(([key]) => key.startsWith('recovery/'));
    expect(stored.length).toBe(2);
    for (const [, bytes] of stored) {
      const text = Buffer.from(bytes).toString('latin1');
      for (const key of guardians) expect(text).not.toContain(pointOf(key).slice(2, 40));
    }
    // Two patients with one guardian cannot be told to have one.
    const other = { network: NETWORK, setupId: id16('bob’s'), publicKey: guardians[0]!.publicKey };
    const commitment = guardianKeyCommitment({ ...other, salt: id16('bob’s salt') });
    expect((setupArgs(world)['guardians'] as { key: string }[])[0]!.key).not.toBe(commitment);
  });
});

describe('a guardian, who is nobody on the ledger', () => {
  it('may look at the recovery by the key of a commitment, and do nothing else', async () => {
    const world = await waiting();
    const [key] = guardians as [SigningKey];
    const at = { time: world.time, network: NETWORK };
    const { pseudonym } = alice;
    const guardian = { publicKey: pointOf(key), salt: saltOf(0, setupId) };
    const args = { pseudonym, setupId, guardian };
    const asking = async (by: SigningKey, fn: string, asked: SignedRequest['args']) => {
      const signed = await world.signed({ key: by }, fn, asked);
      return verifyTransaction(signed, await resolveKeys(world, signed, at));
    };
    expect(await asking(key, 'recovery.get', args)).toBe(true);
    const who = { kid: thumbprint(key.publicKey) };
    expect(await world.ask(who, 'recovery.get', args)).toMatchObject({ isOpen: true });
    const stranger = await generateSigningKey();
    const own = { publicKey: pointOf(stranger), salt: guardian.salt };
    const cases: [SigningKey, string, SignedRequest['args']][] = [
      [key, 'recovery.veto', { recoveryId }],
      [key, 'inbox.list', {}],
      [key, 'recovery.get', { pseudonym, setupId }],
      [key, 'recovery.get', { ...args, guardian: { ...guardian, salt: id16('other') } }],
      [key, 'recovery.get', { ...args, pseudonym: bob.pseudonym }],
      [key, 'recovery.get', { ...args, setupId: id16('other') }],
      [stranger, 'recovery.get', args],
      [stranger, 'recovery.get', { ...args, guardian: own }],
    ];
    for (const [by, fn, asked] of cases) {
      await expect(asking(by, fn, asked)).rejects.toMatchObject({ code: 'unknown_signer' });
    }
    expect(outcome(await veto(world, who))).toBe('unknown_signer');
    const start = await startArgs({ recoveryId: id16('alone') });
    expect(outcome(await world.submit(who, 'recovery.start', start))).toBe('unknown_signer');
  });
});

describe('the signature of the new device', () => {
  it('is checked with the key that the transaction brings, in the functions of recovery alone', async () => {
    const world = await waiting();
    const at = { time: world.time, network: NETWORK };
    const good = await world.signed(device, 'recovery.release', receiving());
    expect(await verifyTransaction(good, await resolveKeys(world, good, at))).toBe(true);
    const foreign = await world.signed(device, 'recovery.release', receiving(recoveryId, thief));
    await expect(resolveKeys(world, foreign, at)).rejects.toMatchObject({ code: 'unknown_signer' });
    const elsewhere = await world.signed(device, 'recovery.veto', receiving());
    await expect(resolveKeys(world, elsewhere, at)).rejects.toMatchObject({
      code: 'unknown_signer',
    });
    expect(fromBase64url(pointOf(device.owner))[0]).toBe(4);
  });
});

describe('a patient with a rotation key, and a thief of the keystore', () => {
  let rotationKey: SigningKey;
  let guarded: World;
  const signed = async (bytes: Uint8Array, key = rotationKey) => ({
    guardSignature: toBase64url(await key.sign(bytes)),
  });
  const whatOf = (act: 'end' | 'veto', id: string) =>
    recoveryGuardBytes({ network: NETWORK, pseudonym: alice.pseudonym, act, id });
  const setupBytes = (args: SignedRequest['args']) => {
    const {
      setupId: id,
      needed,
      guardians: named,
    } = args as unknown as Parameters<typeof guardiansSigningBytes>[0];
    const { pseudonym } = alice;
    return guardiansSigningBytes({
      ...{ network: NETWORK, pseudonym, setupId: id, needed, guardians: named },
    });
  };

  beforeAll(async () => {
    rotationKey = await generateSigningKey();
    guarded = base.fork();
    valueOf(await set(guarded));
    const { publicKey } = rotationKey;
    const { pseudonym } = alice;
    const bytes = guardSigningBytes({ network: NETWORK, pseudonym, publicKey });
    const args = {
      rotationKey: pointOf(rotationKey),
      signature: (await signed(bytes)).guardSignature,
    };
    valueOf(await guarded.submit(alice, 'patient.guard-rotation', args));
  });

  it('guardians are neither replaced nor ended without it', async () => {
    const world = guarded.fork();
    const args = setupArgs(world, id16('a new setup'));
    expect(outcome(await world.submit(alice, 'recovery.setup', args))).toBe('rotation_guarded');
    expect(outcome(await world.submit(alice, 'recovery.end', {}))).toBe('rotation_guarded');
    // Of another key; of the same for other guardians, or for another act.
    const bytes = setupBytes(args);
    const wrong = [
      await signed(bytes, alice.owner),
      await signed(setupBytes(setupArgs(world, id16('another setup')))),
      await signed(setupBytes({ ...args, needed: 3 })),
      await signed(whatOf('end', args['setupId'] as string)),
    ];
    for (const one of wrong) {
      const tried = await world.submit(alice, 'recovery.setup', { ...args, ...one });
      expect(outcome(tried)).toBe('bad_owner_signature');
    }
    const old = await signed(whatOf('end', setupId));
    const set = await world.submit(alice, 'recovery.setup', { ...args, ...(await signed(bytes)) });
    expect(outcome(set)).toBe('COMMITTED');
    expect(outcome(await world.submit(alice, 'recovery.end', old))).toBe('bad_owner_signature');
    const now = await signed(whatOf('end', args['setupId'] as string));
    expect(outcome(await world.submit(alice, 'recovery.end', now))).toBe('COMMITTED');
  });

  it('a recovery is not stopped without it: it waits longer, once', async () => {
    const world = guarded.fork();
    const { from } = valueOf(await start(world)) as { from: number };
    const objected = valueOf(await veto(world));
    const later = from + world.parameters.recoveryDelayMs;
    expect(objected).toMatchObject({ isEnded: false, from: later });
    expect(outcome(await veto(world))).toBe('rotation_guarded');
    world.time = later - 1;
    expect(outcome(await release(world))).toBe('recovery_waits');
    world.time = later;
    expect(outcome(await veto(world))).toBe('rotation_guarded');
    expect(outcome(await release(world))).toBe('COMMITTED');
    expect(outcome(await veto(world))).toBe('rotation_guarded');
    expect(
      outcome(
        await world.submit(device, 'recovery.rotate', {
          ...(await rotateArgs(device)),
          ...receiving(),
        }),
      ),
    ).toBe('COMMITTED');
  });

  it('after the wait the owner key alone does not even make it longer', async () => {
    const world = guarded.fork();
    const { from } = valueOf(await start(world)) as { from: number };
    world.time = from;
    expect(outcome(await veto(world))).toBe('rotation_guarded');
  });

  it('a recovery is stopped with it, at any time, and with a signature for this one alone', async () => {
    const world = guarded.fork();
    valueOf(await start(world));
    const vetoWith = async (bytes: Uint8Array) =>
      outcome(await world.submit(alice, 'recovery.veto', { recoveryId, ...(await signed(bytes)) }));
    expect(await vetoWith(whatOf('veto', id16('another recovery')))).toBe('bad_owner_signature');
    expect(await vetoWith(whatOf('end', setupId))).toBe('bad_owner_signature');
    valueOf(await veto(world));
    expect(await vetoWith(whatOf('veto', recoveryId))).toBe('COMMITTED');
    expect(outcome(await release(world))).toBe('recovery_vetoed');
  });
});
