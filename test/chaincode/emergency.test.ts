/** Escrow and emergency on the ledger: who may, until when, and what the patient learns. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { handleDigest } from '../../lib/chaincode/emergency.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  type Acting,
  DAY,
  escrowArgs,
  id16,
  outcome,
  type PatientKeys,
  type Person,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

const handle = id16('the card');
const declarationId = id16('the declaration');
const digest = handleDigest(handle);

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let doctor: Person;
let nurse: Person;
let auditor: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  doctor = await base.registered('doctor');
  nurse = await base.registered('nurse', { hospital: 1 });
  auditor = await base.registered('auditor', { hospital: 1 });
});

const deposit = (world: World, who: Acting = alice, change: SignedRequest['args'] = {}) =>
  world.submit(who, 'emergency.deposit', { ...escrowArgs(world), handle: digest, ...change });
const declare = (world: World, who: Acting = doctor, change: SignedRequest['args'] = {}) =>
  world.submit(who, 'emergency.declare', {
    declarationId,
    reason: 'unconscious',
    handle,
    ...change,
  });
const open = async (): Promise<World> => {
  const world = base.fork();
  valueOf(await deposit(world));
  valueOf(await declare(world));
  return world;
};
async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  return error instanceof ChaincodeError ? error.code : 'answered';
}

describe('a deposit', () => {
  it('is for exactly the present validators, n − f of n', async () => {
    const world = base.fork();
    const { shares } = escrowArgs(world) as { shares: { validator: string }[] };
    const cases: [SignedRequest['args'], string][] = [
      [{ threshold: 2 }, 'escrow_split'],
      [{ threshold: 4 }, 'escrow_split'],
      [{ shares: [...shares].reverse() }, 'escrow_split'],
      [{ shares: [...shares, shares[0]] as never }, 'escrow_split'],
      [{ shares: shares.slice(1) }, 'bad_arguments'],
      [{ holders: text32('others') }, 'escrow_holders_changed'],
    ];
    for (const [change, code] of cases)
      expect(outcome(await deposit(world, alice, change))).toBe(code);
    expect(valueOf(await deposit(world))).toMatchObject({ generation: 1, threshold: 3, shares });
  });

  it('counts generations, keeps its id, and never takes that of another', async () => {
    const world = base.fork();
    valueOf(await deposit(world));
    expect(valueOf(await deposit(world))).toMatchObject({ generation: 2 });
    const other = { escrowId: id16('another') };
    expect(outcome(await deposit(world, alice, other))).toBe('escrow_exists');
    const mine = { handle: text32('the card of bob') };
    expect(outcome(await deposit(world, bob, mine))).toBe('escrow_exists');
    expect(outcome(await deposit(world, bob, { ...other }))).toBe('handle_taken');
    expect(outcome(await deposit(world, bob, { ...other, ...mine }))).toBe('COMMITTED');
  });

  it('is due again once a share key changes, and says so', async () => {
    const world = base.fork();
    expect(await world.ask(alice, 'escrow.get', { kind: 'emergency' })).toMatchObject({
      ...{ escrow: null, isCurrent: false, threshold: 3 },
      holders: escrowArgs(world)['holders'],
    });
    valueOf(await deposit(world));
    const asked = () => world.ask(alice, 'escrow.get', { kind: 'emergency' });
    expect(await asked()).toMatchObject({ escrow: { generation: 1 }, isCurrent: true });
    const key = `directory/${world.operator().hospital}`;
    const entry = Uint8Array.from(world.state.get(key)!);
    // Somewhere in the share key, which makes up most of the entry.
    entry[entry.length >> 1]! ^= 1;
    world.state.set(key, entry);
    expect(await asked()).toMatchObject({ escrow: { generation: 1 }, isCurrent: false });
    expect(outcome(await deposit(world))).toBe('escrow_holders_changed');
  });
});

describe('a list of declarations', () => {
  it('is refused where one of them is missing of state: nothing is left out in silence', async () => {
    const world = await open();
    world.state.delete(`declaration/${declarationId}`);
    for (const who of [alice, doctor, auditor]) {
      await expect(world.ask(who, 'emergency.list')).rejects.toThrow('missing');
    }
  });
});

describe('a card', () => {
  it('is void once another takes its place, or the patient withdraws', async () => {
    const world = base.fork();
    valueOf(await deposit(world));
    const next = id16('the next card');
    valueOf(await deposit(world, alice, { handle: handleDigest(next) }));
    expect(outcome(await declare(world))).toBe('handle_void');
    expect(outcome(await deposit(world))).toBe('handle_void');
    expect(outcome(await declare(world, doctor, { handle: id16('a guess') }))).toBe(
      'unknown_handle',
    );
    expect(valueOf(await world.submit(alice, 'emergency.withdraw', {}))).toMatchObject({
      escrows: [{ escrowId: id16('escrow'), kind: 'emergency', generation: 3 }],
    });
    expect(outcome(await declare(world, doctor, { handle: next }))).toBe('handle_void');
    expect(outcome(await world.submit(alice, 'emergency.withdraw', {}))).toBe('unknown_escrow');
    const third = { handle: text32('third') };
    expect(valueOf(await deposit(world, alice, third))).toMatchObject({ generation: 4 });
  });
});

describe('a patient who is erased', () => {
  it('has nothing in escrow, and no card that opens anything', async () => {
    const world = await open();
    expect(valueOf(await world.submit(alice, 'patient.erase', {}))).toMatchObject({
      escrows: [{ escrowId: id16('escrow'), kind: 'emergency', generation: 2 }],
    });
    expect(outcome(await declare(world, nurse, { declarationId: id16('late') }))).toBe(
      'unknown_escrow',
    );
    const again = await world.submit(doctor, 'emergency.access', { declarationId });
    expect(outcome(again)).toBe('unknown_escrow');
  });
});

describe('a declaration', () => {
  it('releases to the very key of the clinician, tells the patient, and is in the history', async () => {
    const world = base.fork();
    valueOf(await deposit(world));
    const { time } = world;
    const value = valueOf(await declare(world));
    const { emergencyAccessMs, receiptUsableMs } = world.parameters;
    expect(value).toMatchObject({
      ...{ fn: 'emergency.declare', status: 'open', escrowId: id16('escrow'), generation: 1 },
      ...{ readerKid: doctor.kid, pseudonym: alice.pseudonym },
      ...{ until: time + emergencyAccessMs, usableUntil: time + receiptUsableMs },
    });
    expect(await topicsOf(world, alice)).toContain('emergency.declared');
    const { items } = (await world.ask(alice, 'history.list')) as unknown as { items: object[] };
    expect(items.at(-1)).toMatchObject({
      ...{ fn: 'emergency.declare', purpose: 'BTG', decision: 'permit', reason: 'unconscious' },
      actor: { subject: doctor.subject, hospital: doctor.hospital },
    });
    expect(outcome(await declare(world))).toBe('declaration_exists');
  });

  it('is refused to who is not, not yet or no longer a verified clinician', async () => {
    const world = base.fork();
    valueOf(await deposit(world));
    const pending = await world.clinician('doctor');
    expect(outcome(await declare(world, pending))).toBe('unknown_signer');
    const gone = { kid: doctor.kid, reason: 'licence-lapsed' };
    valueOf(await world.submit(world.operator(), 'identity.revoke', gone));
    expect(outcome(await declare(world))).toBe('identity_revoked');
    expect(outcome(await declare(world, auditor))).toBe('role_denied');
    expect(outcome(await declare(world, alice))).toBe('role_denied');
    expect(outcome(await declare(world, nurse, { reason: 'curiosity' }))).toBe('bad_arguments');
    const both = { identity: text32('somebody') };
    expect(outcome(await declare(world, nurse, both))).toBe('bad_arguments');
    expect(outcome(await declare(world, nurse))).toBe('COMMITTED');
  });

  it('opens again for its clinician only, until it is over, to the millisecond', async () => {
    const world = await open();
    const again = (who: Acting) => world.submit(who, 'emergency.access', { declarationId });
    expect(outcome(await again(nurse))).toBe('unknown_declaration');
    expect(valueOf(await again(doctor))).toMatchObject({ fn: 'emergency.access', generation: 1 });
    const got = (await world.ask(doctor, 'emergency.get', { declarationId })) as { until: number };
    world.time = got.until - 1;
    expect(valueOf(await again(doctor))).toMatchObject({ usableUntil: got.until });
    world.time = got.until;
    expect(outcome(await again(doctor))).toBe('declaration_over');
    expect(await world.ask(doctor, 'emergency.get', { declarationId })).toMatchObject({
      ...{ releases: 3, isOver: true, isOverdue: true },
    });
  });

  it('opens nothing once the patient withdrew, nor an older deposit', async () => {
    const world = await open();
    const again = () => world.submit(doctor, 'emergency.access', { declarationId });
    valueOf(await deposit(world));
    expect(valueOf(await again())).toMatchObject({ generation: 2 });
    valueOf(await world.submit(alice, 'emergency.withdraw', {}));
    expect(outcome(await again())).toBe('unknown_escrow');
  });
});

describe('a declaration without a card', () => {
  const identity = text32('who it may be');
  const unbound = { handle: undefined as never, identity };

  it('opens nothing until the membership service names the card, and then for its clinician', async () => {
    const world = base.fork();
    valueOf(await deposit(world));
    const value = valueOf(await declare(world, nurse, unbound));
    expect(value).toEqual({
      ...{ fn: 'emergency.declare', declarationId, reason: 'unconscious' },
      ...{ status: 'unbound', until: expect.any(Number) as number },
      ...{ readerKid: nurse.kid, identity },
    });
    const again = () => world.submit(nurse, 'emergency.access', { declarationId });
    expect(outcome(await again())).toBe('declaration_unbound');
    const bind = (who: Acting, change = {}) =>
      world.submit(who, 'emergency.bind', { declarationId, handle: digest, ...change });
    expect(outcome(await bind(world.operator()))).toBe('role_denied');
    expect(outcome(await bind(world.membership, { handle: text32('no card') }))).toBe(
      'unknown_handle',
    );
    expect(outcome(await bind(world.membership, { declarationId: id16('other') }))).toBe(
      'unknown_declaration',
    );
    expect(valueOf(await bind(world.membership))).toMatchObject({
      ...{ fn: 'emergency.bind', readerKid: nurse.kid, pseudonym: alice.pseudonym },
    });
    expect(outcome(await bind(world.membership))).toBe('already_bound');
    expect(outcome(await again())).toBe('COMMITTED');
    expect(await topicsOf(world, alice)).toContain('emergency.declared');
  });

  it('is not bound for a clinician who was revoked meanwhile, nor when it is over', async () => {
    const world = base.fork();
    valueOf(await deposit(world));
    const { until } = valueOf(await declare(world, doctor, unbound)) as { until: number };
    const late = world.fork();
    late.time = until;
    const bind = { declarationId, handle: digest };
    expect(outcome(await late.submit(late.membership, 'emergency.bind', bind))).toBe(
      'declaration_over',
    );
    const gone = { kid: doctor.kid, reason: 'other' };
    valueOf(await world.submit(world.operator(), 'identity.revoke', gone));
    expect(outcome(await world.submit(world.membership, 'emergency.bind', bind))).toBe(
      'identity_revoked',
    );
  });
});

describe('the review', () => {
  const verdict = 'justified';
  const review = (world: World, who: Acting) =>
    world.submit(who, 'emergency.review', { declarationId, verdict });

  it('is somebody’s of another hospital, once, and told to both', async () => {
    const world = await open();
    expect(outcome(await review(world, doctor))).toBe('role_denied');
    expect(outcome(await review(world, nurse))).toBe('role_denied');
    expect(outcome(await review(world, world.operator(0)))).toBe('own_declaration');
    expect(outcome(await review(world, await world.registered('auditor')))).toBe('own_declaration');
    valueOf(await review(world, auditor));
    expect(outcome(await review(world, world.operator(2)))).toBe('already_reviewed');
    expect(await topicsOf(world, alice)).toContain('emergency.reviewed');
    expect(await topicsOf(world, doctor)).toContain('emergency.reviewed');
    world.time += 2 * DAY;
    expect(await world.ask(alice, 'emergency.get', { declarationId })).toMatchObject({
      ...{ isOverdue: false, review: { subject: auditor.subject, verdict } },
    });
  });

  it('is listed to those who may review, to the patient, and to the clinician; to nobody else', async () => {
    const world = await open();
    const listed = async (who: Acting) => {
      const page = (await world.ask(who, 'emergency.list')) as unknown as {
        items: { id: string }[];
      };
      return page.items.map(({ id }) => id);
    };
    for (const who of [alice, doctor, auditor, world.operator(3)]) {
      expect(await listed(who)).toEqual([declarationId]);
    }
    expect(await listed(bob)).toEqual([]);
    expect(await listed(nurse)).toEqual([]);
    for (const who of [bob, nurse]) {
      expect(await refusal(world.ask(who, 'emergency.get', { declarationId }))).toBe(
        'unknown_declaration',
      );
    }
  });
});
