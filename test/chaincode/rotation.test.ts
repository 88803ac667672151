/** Rotation on the ledger: what ends at once, what comes over, and who cannot make it happen. */
import { erasureSigningBytes } from '../../lib/chaincode/rotation-guard.ts';
import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey } from '../../lib/crypto/p256.ts';
import type { Execution } from '../../lib/chaincode/execute.ts';
import {
  guardSigningBytes,
  rotationSigningBytes,
  startRotation,
  type Successor,
} from '../../lib/chaincode/rotation.ts';
import { Draft } from '../../lib/chaincode/draft.ts';
import { readCapability } from '../../lib/records/capability.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  DAY,
  grantArgs,
  id16,
  MONTH,
  NETWORK,
  outcome,
  OTHER_TAG,
  type PatientKeys,
  type Person,
  recordArgs,
  registerArgs,
  TAG,
  text32,
  valueOf,
  World,
} from './world.ts';

const RECORD = id16('rotated record');
const PERMISSION = id16('rotated permission');
const NEW_TAG = text32('new tag');
const LAYERED = text32('layered bytes');

let base: World;
let alice: PatientKeys;
let next: PatientKeys;
let doctor: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  next = await base.patientKeys('alice anew');
  doctor = await base.registered('doctor');
  const permissionId = PERMISSION;
  await base.submit(alice, 'permission.grant', grantArgs(base, doctor, { permissionId }));
  await base.submit(doctor, 'record.register', recordArgs(alice, { recordId: RECORD }));
  const stored = { recordId: RECORD, objectDigest: text32('digest') };
  await base.submit(base.custodian, 'record.stored', stored);
});

async function signed(
  by: SigningKey,
  from: PatientKeys,
  successor: Omit<Successor, 'ownerSignature'>,
): Promise<string> {
  const bytes = rotationSigningBytes({ network: NETWORK, from: from.pseudonym, successor });
  return toBase64url(await by.sign(bytes));
}

async function beginArgs(
  from: PatientKeys,
  to: PatientKeys,
  guard?: SigningKey,
): Promise<SignedRequest['args']> {
  const args = registerArgs(to) as unknown as Omit<Successor, 'ownerSignature'>;
  const successor = { ...args, sealingKeyDigest: text32('sealing key') };
  const ownerSignature = await signed(to.owner, from, successor);
  const guardSignature = guard && (await signed(guard, from, successor));
  return { ...successor, ownerSignature, ...(guardSignature && { guardSignature }) };
}

async function begin(world: World, from = alice, to = next): Promise<Execution> {
  return world.submit(from, 'patient.rotate-begin', await beginArgs(from, to));
}

function relayer(world: World, change: SignedRequest['args'] = {}): Promise<Execution> {
  const args = { recordId: RECORD, generation: 1, objectDigest: LAYERED, ...change };
  return world.submit(world.custodian, 'record.relayered', args);
}

function retagArgs(change: SignedRequest['args'] = {}): SignedRequest['args'] {
  return {
    ...{ recordId: RECORD, generation: 1, objectDigest: LAYERED, categoryTag: NEW_TAG },
    epoch: { month: MONTH, revision: 0 },
    metadataCommitment: text32('new metadata'),
    wrapDigest: text32('new wrap'),
    ...change,
  };
}

async function count(world: World, who: PatientKeys, pseudonym?: string): Promise<number> {
  const page = await world.ask(who, 'record.list', pseudonym === undefined ? {} : { pseudonym });
  return (page as unknown as { count: number }).count;
}

describe('a rotation', () => {
  it('moves the records and leaves the whole history readable to the patient alone', async () => {
    const world = base.fork();
    expect(valueOf(await begin(world))).toMatchObject({
      ...{ fn: 'patient.rotate-begin', pseudonym: next.pseudonym, from: alice.pseudonym },
      ...{ ownerKid: next.ownerKid, categoryKeysVersion: 1 },
    });
    expect(outcome(await world.submit(next, 'patient.rotate-finish', {}))).toBe(
      'rotation_unfinished',
    );
    expect(outcome(await world.submit(next, 'record.retag', retagArgs()))).toBe('not_relayered');
    expect(outcome(await relayer(world))).toBe('COMMITTED');
    expect(outcome(await world.submit(next, 'record.retag', retagArgs()))).toBe('COMMITTED');
    expect(outcome(await world.submit(next, 'patient.rotate-finish', {}))).toBe('COMMITTED');

    const record = await world.ask(next, 'record.get', { recordId: RECORD });
    expect(record).toMatchObject({
      ...{ pseudonym: next.pseudonym, categoryTag: NEW_TAG, generation: 1 },
      ...{ digest: text32('digest'), objectDigest: LAYERED },
    });
    expect(await count(world, next)).toBe(1);
    expect(await count(world, next, alice.pseudonym)).toBe(1);
    const earlier = await world.ask(next, 'history.list', { pseudonym: alice.pseudonym });
    expect(JSON.stringify(earlier)).toContain('permission.grant');
    const kept = await world.ask(next, 'patient.permissions', { pseudonym: alice.pseudonym });
    expect(JSON.stringify(kept)).toContain(PERMISSION);
    const bob = await world.patient('bob');
    for (const fn of ['history.list', 'record.list', 'patient.permissions']) {
      await expect(world.ask(bob, fn, { pseudonym: alice.pseudonym })).rejects.toThrow('patient');
      await expect(world.ask(bob, fn, { pseudonym: next.pseudonym })).rejects.toThrow('patient');
    }
  });

  it('gives the present bytes to whoever may read, and takes the countersignature of the first', async () => {
    const world = base.fork();
    await begin(world);
    await relayer(world);
    await world.submit(next, 'record.retag', retagArgs());
    const grant = grantArgs(world, doctor, { categories: [NEW_TAG] });
    await world.submit(next, 'permission.grant', grant);
    const access = { recordId: RECORD, purpose: 'TREAT' };
    expect(valueOf(await world.submit(doctor, 'access.request', access))).toMatchObject({
      ...{ decision: 'permit', objectDigest: LAYERED, pseudonym: next.pseudonym },
    });
    const first = { recordId: RECORD, objectDigest: text32('digest') };
    expect(outcome(await world.submit(next, 'record.countersign', first))).toBe('COMMITTED');
  });

  it('ends the old owner key in its block: the thief who holds it can do nothing', async () => {
    const world = base.fork();
    const thief = alice;
    expect(outcome(await begin(world))).toBe('COMMITTED');
    const attempts: [string, SignedRequest['args']][] = [
      ['permission.grant', grantArgs(world, doctor)],
      ['permission.revoke', { permissionId: PERMISSION }],
      ['access.request', { recordId: RECORD, purpose: 'PATRQT' }],
      ['access.list', { pseudonym: alice.pseudonym, purpose: 'PATRQT' }],
      ['record.countersign', { recordId: RECORD, objectDigest: text32('digest') }],
      ['record.retag', retagArgs()],
      ['record.leave', { recordId: RECORD }],
      ['patient.rotate-finish', {}],
      ['patient.rotate-begin', await beginArgs(alice, await world.patientKeys('thief'))],
      ['patient.publish-keys', { categoryKeysRoot: text32('x'), categoryKeysFrom: MONTH }],
    ];
    for (const [fn, args] of attempts) {
      expect([fn, outcome(await world.submit(thief, fn, args))]).toEqual([fn, 'owner_key_retired']);
    }
    for (const fn of ['history.list', 'inbox.list', 'record.list', 'patient.rotations']) {
      await expect(world.ask(thief, fn)).rejects.toThrow('retired');
    }
    const again = await world.patientKeys('alice');
    expect(outcome(await world.submit(again, 'patient.register', registerArgs(again)))).toBe(
      'pseudonym_taken',
    );
  });

  it('lets exactly one of two begin: who comes second is refused', async () => {
    const world = base.fork();
    const thiefs = await world.patientKeys('thief');
    const [mine, his] = [await beginArgs(alice, next), await beginArgs(alice, thiefs)];
    expect(outcome(await world.submit(alice, 'patient.rotate-begin', mine))).toBe('COMMITTED');
    expect(outcome(await world.submit(alice, 'patient.rotate-begin', his))).toBe(
      'owner_key_retired',
    );
  });

  it('ends old permissions in its block, for decisions, writes and queries', async () => {
    const world = base.fork();
    const { height } = world;
    await begin(world);
    const access = { recordId: RECORD, purpose: 'TREAT' };
    expect(valueOf(await world.submit(doctor, 'access.request', access))).toMatchObject({
      ...{ decision: 'deny', reason: 'permission_revoked' },
    });
    expect(outcome(await world.submit(doctor, 'record.register', recordArgs(alice)))).toBe(
      'permission_revoked',
    );
    const named = { pseudonym: alice.pseudonym, categoryTag: TAG };
    await expect(world.ask(doctor, 'record.list', named)).rejects.toThrow('revoked');
    await expect(world.ask(doctor, 'patient.get', named)).rejects.toThrow();
    const received = await world.ask(doctor, 'permission.received');
    expect(received).toMatchObject({ items: [{ revoked: { height } }] });
  });

  it('does not tell an uploader the new pseudonym', async () => {
    const world = base.fork();
    expect(JSON.stringify(await world.ask(doctor, 'record.get', { recordId: RECORD }))).toContain(
      alice.pseudonym,
    );
    await begin(world);
    await relayer(world);
    await world.submit(next, 'record.retag', retagArgs());
    await expect(world.ask(doctor, 'record.get', { recordId: RECORD })).rejects.toThrow('record');
  });

  it('proves to no old grantee where the pseudonym went: not in any value that a query reads', async () => {
    const world = base.fork();
    await begin(world);
    const read: Uint8Array[] = [];
    const get = world.get.bind(world);
    world.get = async (key) => {
      const value = await get(key);
      if (value) read.push(value);
      return value;
    };
    await world.ask(doctor, 'permission.received');
    await world.ask(doctor, 'permission.get', { permissionId: PERMISSION });
    expect(read.length).toBeGreaterThan(4);
    const text = read.map((value) => new TextDecoder().decode(value)).join();
    expect(text).toContain(alice.pseudonym);
    expect(text).not.toContain(next.pseudonym);
  });

  it('refuses a record that was under way: it is left behind', async () => {
    const world = base.fork();
    const recordId = id16('under way');
    await world.submit(doctor, 'record.register', recordArgs(alice, { recordId }));
    await begin(world);
    const stored = { recordId, objectDigest: text32('digest') };
    expect(outcome(await world.submit(world.custodian, 'record.stored', stored))).toBe(
      'patient_rotated',
    );
    expect(outcome(await relayer(world, { recordId }))).toBe('record_not_stored');
    await relayer(world);
    await world.submit(next, 'record.retag', retagArgs());
    expect(outcome(await world.submit(next, 'patient.rotate-finish', {}))).toBe(
      'rotation_unfinished',
    );
    const left = valueOf(await world.submit(next, 'record.leave', { recordId }));
    // Said again it is certified anew, and counted once.
    expect(valueOf(await world.submit(next, 'record.leave', { recordId }))).toEqual(left);
    const state = valueOf(await world.submit(next, 'patient.rotate-renew', {}));
    expect(readCapability('rotate', { status: 'COMMITTED', value: state })).toMatchObject({
      ...{ pseudonym: next.pseudonym, from: alice.pseudonym, ownerKid: next.ownerKid },
    });
    const over = { status: 'COMMITTED', value: state } as const;
    expect(() => readCapability('finish', over)).toThrow('permits no finish');
    expect(outcome(await world.submit(next, 'patient.rotate-finish', {}))).toBe('COMMITTED');
    const finished = valueOf(await world.submit(next, 'patient.rotate-renew', {}));
    expect(readCapability('finish', { status: 'COMMITTED', value: finished })).toMatchObject({
      ...{ pseudonym: next.pseudonym, from: alice.pseudonym },
    });
    expect(outcome(await world.submit(next, 'record.leave', { recordId }))).toBe('rotation_over');
    const bob = await world.patient('bob');
    expect(outcome(await world.submit(bob, 'patient.rotate-renew', {}))).toBe('rotation_over');
  });
});

describe('refusals', () => {
  it('takes a successor only with the signature of its own key over exactly it', async () => {
    const world = base.fork();
    const args = await beginArgs(alice, next);
    const begins = (change: SignedRequest['args']) =>
      world.submit(alice, 'patient.rotate-begin', { ...args, ...change });
    const other = await world.patientKeys('other');
    const forged = (await beginArgs(alice, other))['ownerSignature'] as string;
    expect(outcome(await begins({ ownerSignature: forged }))).toBe('bad_owner_signature');
    expect(outcome(await begins({ sealingKeyDigest: text32('mine') }))).toBe('bad_owner_signature');
    expect(outcome(await begins({ pseudonym: text32('mine') }))).toBe('bad_owner_signature');
    expect(outcome(await begins({ pseudonym: alice.pseudonym }))).toBe('pseudonym_taken');
    const bob = await world.patient('bob');
    expect(outcome(await world.submit(bob, 'patient.rotate-begin', args))).toBe(
      'bad_owner_signature',
    );
  });

  it('holds the custodian to new bytes, the next generation, once', async () => {
    const world = base.fork();
    expect(outcome(await relayer(world))).toBe('rotation_over');
    await begin(world);
    expect(outcome(await relayer(world, { objectDigest: text32('digest') }))).toBe(
      'digest_unchanged',
    );
    expect(outcome(await relayer(world, { generation: 2 }))).toBe('generation_mismatch');
    expect(outcome(await relayer(world, { recordId: id16('none') }))).toBe('unknown_record');
    expect(outcome(await relayer(world))).toBe('COMMITTED');
    const again = { generation: 2, objectDigest: text32('more') };
    expect(outcome(await relayer(world, again))).toBe('already_relayered');
    expect(outcome(await relayer(world))).toBe('already_relayered');
  });

  it('holds the patient to what the custodian committed', async () => {
    const world = base.fork();
    await begin(world);
    await relayer(world);
    const retag = async (change: SignedRequest['args']) =>
      outcome(await world.submit(next, 'record.retag', retagArgs(change)));
    expect(await retag({ objectDigest: text32('digest') })).toBe('digest_mismatch');
    expect(await retag({ generation: 2 })).toBe('generation_mismatch');
    expect(await retag({ epoch: { month: MONTH, revision: 1 } })).toBe('epoch_unknown');
    expect(await retag({ recordId: id16('none') })).toBe('unknown_record');
    expect(await retag({})).toBe('COMMITTED');
    // A client that lost its wrap seals anew; the tag, by which the lists go, stays.
    expect(await retag({ wrapDigest: text32('another wrap') })).toBe('COMMITTED');
    expect(await retag({ categoryTag: OTHER_TAG })).toBe('already_moved');
    expect(await count(world, next)).toBe(1);
    expect(outcome(await world.submit(next, 'patient.rotate-finish', {}))).toBe('COMMITTED');
    expect(await retag({})).toBe('rotation_over');
    expect(outcome(await world.submit(next, 'patient.rotate-finish', {}))).toBe('rotation_over');
  });

  it('does not let one patient move another’s record', async () => {
    const world = base.fork();
    const bob = await world.patient('bob');
    const bobs = await world.patientKeys('bob anew');
    await begin(world, bob, bobs);
    await begin(world);
    await relayer(world);
    expect(outcome(await world.submit(bobs, 'record.retag', retagArgs()))).toBe('unknown_record');
    expect(outcome(await world.submit(bobs, 'record.leave', { recordId: RECORD }))).toBe(
      'unknown_record',
    );
  });

  it('rotates twice, and not before the first is finished', async () => {
    const world = base.fork();
    const third = await world.patientKeys('alice once more');
    await begin(world);
    expect(outcome(await begin(world, next, third))).toBe('rotation_unfinished');
    await relayer(world);
    await world.submit(next, 'record.retag', retagArgs());
    await world.submit(next, 'patient.rotate-finish', {});
    expect(outcome(await begin(world, next, third))).toBe('COMMITTED');
    const more = { generation: 2, objectDigest: text32('two layers') };
    // Of the generation before: a replay of what the custodian once signed.
    expect(outcome(await relayer(world))).toBe('generation_mismatch');
    expect(outcome(await relayer(world, more))).toBe('COMMITTED');
    expect(outcome(await world.submit(third, 'record.retag', retagArgs()))).toBe(
      'generation_mismatch',
    );
    expect(outcome(await world.submit(third, 'record.retag', retagArgs(more)))).toBe('COMMITTED');
    expect(outcome(await world.submit(third, 'patient.rotate-finish', {}))).toBe('COMMITTED');
    const { rotations } = (await world.ask(third, 'patient.rotations')) as unknown as {
      rotations: { from: string }[];
    };
    expect(rotations.map(({ from }) => from)).toEqual([next.pseudonym, alice.pseudonym]);
    expect(
      JSON.stringify(await world.ask(third, 'history.list', { pseudonym: alice.pseudonym })),
    ).toContain('patient.register');
  });

  it('does not count twice what was left behind', async () => {
    const world = base.fork();
    const third = await world.patientKeys('alice once more');
    await begin(world);
    await world.submit(next, 'record.leave', { recordId: RECORD });
    await world.submit(next, 'patient.rotate-finish', {});
    await begin(world, next, third);
    expect(outcome(await relayer(world))).toBe('already_moved');
    expect(outcome(await world.submit(third, 'record.leave', { recordId: RECORD }))).toBe(
      'already_moved',
    );
    expect(outcome(await world.submit(third, 'patient.rotate-finish', {}))).toBe('COMMITTED');
  });
});

describe('a rotation key', () => {
  async function guard(world: World, key: SigningKey, previous?: SigningKey): Promise<string> {
    const { publicKey } = key;
    const bytes = guardSigningBytes({ network: NETWORK, pseudonym: alice.pseudonym, publicKey });
    const signature = toBase64url(await key.sign(bytes));
    const previousSignature = previous && toBase64url(await previous.sign(bytes));
    const args = { rotationKey: toBase64url(publicKey), signature };
    const more = previousSignature === undefined ? {} : { previousSignature };
    return outcome(await world.submit(alice, 'patient.guard-rotation', { ...args, ...more }));
  }

  it('keeps a thief of the keystore from beginning, and from taking its place', async () => {
    const world = base.fork();
    const [mine, his] = [await generateSigningKey(), await generateSigningKey()];
    expect(await guard(world, mine)).toBe('COMMITTED');
    expect(await guard(world, his)).toBe('rotation_guarded');
    expect(await guard(world, his, his)).toBe('bad_owner_signature');
    const thiefs = await world.patientKeys('thief');
    expect(outcome(await begin(world, alice, thiefs))).toBe('rotation_guarded');
    const forged = await beginArgs(alice, thiefs, his);
    expect(outcome(await world.submit(alice, 'patient.rotate-begin', forged))).toBe(
      'bad_owner_signature',
    );
    const args = await beginArgs(alice, next, mine);
    // What the rotation key signed is for this successor alone.
    const stolen = { ...(await beginArgs(alice, thiefs)), guardSignature: args['guardSignature']! };
    expect(outcome(await world.submit(alice, 'patient.rotate-begin', stolen))).toBe(
      'bad_owner_signature',
    );
    expect(outcome(await world.submit(alice, 'patient.rotate-begin', args))).toBe('COMMITTED');
  });

  it('keeps a thief of the keystore from erasing', async () => {
    const world = base.fork();
    const [mine, his] = [await generateSigningKey(), await generateSigningKey()];
    expect(await guard(world, mine)).toBe('COMMITTED');
    const { pseudonym } = alice;
    const signedBy = async (key: SigningKey, recordIds: readonly string[] | null) =>
      toBase64url(await key.sign(erasureSigningBytes({ network: NETWORK, pseudonym, recordIds })));
    const erase = async (fn: string, args: Record<string, string | string[]>) =>
      outcome(await world.fork().submit(alice, fn, args));
    const recordIds = [RECORD];
    expect(await erase('patient.erase', {})).toBe('rotation_guarded');
    expect(await erase('record.erase', { recordIds })).toBe('rotation_guarded');
    const forged = { guardSignature: await signedBy(his, null) };
    expect(await erase('patient.erase', forged)).toBe('bad_owner_signature');
    // A signature for one record erases nothing else.
    const one = { guardSignature: await signedBy(mine, recordIds) };
    expect(await erase('patient.erase', one)).toBe('bad_owner_signature');
    expect(await erase('record.erase', { recordIds, ...one })).toBe('COMMITTED');
    const all = { guardSignature: await signedBy(mine, null) };
    expect(await erase('patient.erase', all)).toBe('COMMITTED');
  });

  it('passes to the new pseudonym and can be replaced by its holder', async () => {
    const world = base.fork();
    const [first, second] = [await generateSigningKey(), await generateSigningKey()];
    expect(await guard(world, first)).toBe('COMMITTED');
    expect(await guard(world, second, first)).toBe('COMMITTED');
    const args = await beginArgs(alice, next, second);
    await world.submit(alice, 'patient.rotate-begin', args);
    await world.submit(next, 'record.leave', { recordId: RECORD });
    await world.submit(next, 'patient.rotate-finish', {});
    const third = await world.patientKeys('third');
    expect(outcome(await begin(world, next, third))).toBe('rotation_guarded');
  });
});

it('recovery takes over from whoever left a rotation half done, and from the thief’s guard', async () => {
  const world = base.fork();
  const thiefs = await world.patientKeys('thief');
  const his = await generateSigningKey();
  const { publicKey } = his;
  const guarded = guardSigningBytes({ network: NETWORK, pseudonym: alice.pseudonym, publicKey });
  const guard = {
    rotationKey: toBase64url(publicKey),
    signature: toBase64url(await his.sign(guarded)),
  };
  valueOf(await world.submit(alice, 'patient.guard-rotation', guard));
  valueOf(await world.submit(alice, 'patient.rotate-begin', await beginArgs(alice, thiefs, his)));
  const args = (await beginArgs(thiefs, next)) as unknown as Successor;
  const { context } = world;
  const { time, height } = context;
  const draft = new Draft(world, { transaction: '0'.repeat(64), time, height });
  const who = { kind: 'patient', role: 'patient', kid: next.ownerKid } as const;
  const actor = { ...who, pseudonym: null, mustRotate: false };
  const call = { actor, draft, context, fn: 'recovery.rotate', transactionId: '0'.repeat(64) };
  const from = thiefs.pseudonym;
  await startRotation(call, { from, cause: 'recovery', successor: args });
  world.apply(draft.writes());
  world.time += DAY;
  expect(outcome(await world.submit(thiefs, 'record.leave', { recordId: RECORD }))).toBe(
    'owner_key_retired',
  );
  expect(outcome(await relayer(world))).toBe('COMMITTED');
  expect(outcome(await world.submit(next, 'record.retag', retagArgs()))).toBe('COMMITTED');
  expect(outcome(await world.submit(next, 'patient.rotate-finish', {}))).toBe('COMMITTED');
  const third = await world.patientKeys('third');
  expect(outcome(await begin(world, next, third))).toBe('COMMITTED');
});
