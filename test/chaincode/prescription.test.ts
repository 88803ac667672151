/** Prescriptions on the ledger: written by whom, filled once, by whom, until when. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { keys } from '../../lib/chaincode/keys.ts';
import type { StateView } from '../../lib/ledger/state-view.ts';
import { query } from '../../lib/chaincode/execute.ts';
import {
  type Acting,
  DAY,
  grantArgs,
  id16,
  outcome,
  type PatientKeys,
  type Person,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';
import {
  fill,
  issueArgs,
  prescriptionId,
  recordId,
  releaseArgs,
  storedRecord,
} from './prescriptions.ts';

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let doctor: Person;
let otherDoctor: Person;
let nurse: Person;
let north: Person;
let south: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  doctor = await base.registered('doctor');
  otherDoctor = await base.registered('doctor', { hospital: 1 });
  nurse = await base.registered('nurse');
  north = await base.registered('pharmacist', { hospital: 2 });
  south = await base.registered('pharmacist', { hospital: 3 });
  await storedRecord(base, { patient: alice, doctor });
});

const issue = (world: World, who: Acting = doctor, change = {}) =>
  world.submit(who, 'prescription.issue', issueArgs(world, change));
const release = (world: World, to: { subject: string }, change = {}) =>
  world.submit(alice, 'prescription.release', releaseArgs(to, change));

/** Issued, and given to both pharmacies. */
async function open(change = {}): Promise<World> {
  const world = base.fork();
  valueOf(await issue(world, doctor, change));
  valueOf(await release(world, north));
  valueOf(await release(world, south));
  return world;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  return error instanceof ChaincodeError ? error.code : 'answered';
}

describe('prescription.issue', () => {
  it('binds counts and a commitment to the doctor’s own record, and says nothing else', async () => {
    const world = base.fork();
    const value = valueOf(await issue(world));
    expect(value).toMatchObject({ prescriptionId, recordId, quantity: 30, fills: 3 });
    expect(await topicsOf(world, alice)).toContain('prescription.issued');
    expect(await world.ask(alice, 'prescription.get', { prescriptionId })).toMatchObject({
      ...{ dispensed: 0, fillBegan: null, cancelled: null, commitment: text32('content') },
      prescriber: { subject: doctor.subject, hospital: doctor.hospital },
    });
    expect(outcome(await issue(world))).toBe('prescription_exists');
  });

  it('is refused to anybody but the doctor who wrote the record and may still write', async () => {
    const world = base.fork();
    expect(outcome(await issue(world, nurse))).toBe('role_denied');
    expect(outcome(await issue(world, north))).toBe('role_denied');
    expect(outcome(await issue(world, otherDoctor))).toBe('unknown_record');
    valueOf(await world.submit(alice, 'permission.grant', grantArgs(world, otherDoctor)));
    expect(outcome(await issue(world, otherDoctor))).toBe('unknown_record');
    const late = base.fork();
    late.time += 30 * DAY;
    expect(outcome(await issue(late))).toBe('permission_expired');
  });

  it('takes no record that is not stored, erased or replaced, and no period without end', async () => {
    const world = base.fork();
    const { time } = world;
    expect(outcome(await issue(world, doctor, { recordId: id16('none') }))).toBe('unknown_record');
    const periods = [
      { from: time + 10, until: time + 10 },
      { from: 0, until: time },
      { from: 0, until: time + chaincodeBounds.prescriptionMs + 10 },
    ];
    for (const period of periods) {
      expect(outcome(await issue(world, doctor, period))).toBe('bad_period');
    }
    valueOf(await world.submit(alice, 'record.erase', { recordIds: [recordId] }));
    expect(outcome(await issue(world))).toBe('record_erased');
  });
});

describe('prescription.release', () => {
  it('is the patient’s alone, to a pharmacist at work', async () => {
    const world = base.fork();
    valueOf(await issue(world));
    const args = releaseArgs(north);
    expect(outcome(await world.submit(bob, 'prescription.release', args))).toBe(
      'unknown_prescription',
    );
    expect(outcome(await world.submit(doctor, 'prescription.release', args))).toBe('role_denied');
    expect(outcome(await release(world, otherDoctor))).toBe('wrong_role');
    expect(outcome(await release(world, { subject: 'nobody-at-all' }))).toBe('grantee_unknown');
    expect(outcome(await release(world, north, { insurer: doctor.subject }))).toBe('wrong_role');
    const value = valueOf(await world.submit(alice, 'prescription.release', args));
    expect(value).toMatchObject({
      letters: [{ letterId: args['letterId'], to: north.kid, digest: args['letterDigest'] }],
    });
    expect(outcome(await world.submit(alice, 'prescription.release', args))).toBe('letter_exists');
    expect(await topicsOf(world, north)).toContain('prescription.released');
  });

  it('shows a pharmacy nothing that names the patient, in proofs neither', async () => {
    const world = await open();
    const read: string[] = [];
    const watched: StateView = {
      get: (key) => {
        read.push(key);
        return world.get(key);
      },
    };
    for (const [fn, args] of [
      ['prescription.get', { prescriptionId }],
      ['prescription.received', {}],
    ] as const) {
      const { height, ...context } = world.context;
      const asked = world.transaction(north, fn, args, 'query');
      const shown = JSON.stringify(await query(watched, asked, { ...context, height: height - 1 }));
      for (const secret of [alice.pseudonym, alice.ownerKid, recordId]) {
        expect(shown).not.toContain(secret);
        for (const key of read) {
          const value = Buffer.from((await world.get(key)) ?? []).toString('latin1');
          expect(`${key} ${value}`).not.toContain(secret);
        }
      }
    }
    expect(read).toContain(keys.prescription(prescriptionId));
  });

  it('ends with a recall, and can be given again', async () => {
    const world = await open();
    const recall = () =>
      world.submit(alice, 'prescription.recall', { prescriptionId, pharmacist: north.subject });
    expect(valueOf(await recall())['letterIds']).toHaveLength(1);
    expect(outcome(await recall())).toBe('not_released');
    expect(outcome(await fill(world, north))).toBe('prescription_recalled');
    expect(await refusal(world.ask(north, 'prescription.get', { prescriptionId }))).toBe(
      'unknown_prescription',
    );
    valueOf(await release(world, north));
    expect(outcome(await fill(world, north))).toBe('COMMITTED');
  });

  it('goes to as many pharmacists as are kept, and no more', async () => {
    const world = base.fork();
    valueOf(await issue(world));
    for (let at = 0; at < chaincodeBounds.pharmacistsMax; at += 1) {
      valueOf(await release(world, await world.registered('pharmacist')));
    }
    expect(outcome(await release(world, north))).toBe('too_many_pharmacists');
  });
});

describe('prescription.fill', () => {
  it('of two pharmacies that looked at the same count, exactly one hands it out', async () => {
    const world = await open();
    const [first, second] = [await fill(world, north), await fill(world, south)];
    expect([outcome(first), outcome(second)]).toEqual(['COMMITTED', 'filled_meanwhile']);
    expect(valueOf(first)).toMatchObject({ dispensed: 30, remaining: 60 });
    expect(outcome(await fill(world, south, { before: 30 }))).toBe('refill_too_early');
    expect(await topicsOf(world, alice)).toContain('prescription.filled');
    const { items } = (await world.ask(alice, 'prescription.fills', { prescriptionId })) as {
      items: unknown[];
    };
    expect(items).toMatchObject([{ quantity: 30, pharmacist: { subject: north.subject } }]);
  });

  it('is refused to a pharmacist who was not given it, and again under the same id', async () => {
    const world = base.fork();
    valueOf(await issue(world));
    expect(outcome(await fill(world, north))).toBe('unknown_prescription');
    valueOf(await release(world, north));
    expect(outcome(await fill(world, south))).toBe('unknown_prescription');
    const fillId = id16('one fill');
    expect(outcome(await fill(world, north, { fillId, quantity: 10 }))).toBe('COMMITTED');
    const again = { fillId, quantity: 10, before: 10 };
    expect(outcome(await fill(world, north, again))).toBe('fill_exists');
    const history = (await world.ask(alice, 'history.list')) as { items: { fn: string }[] };
    expect(history.items.at(-1)).toMatchObject({
      ...{ fn: 'prescription.fill', recordId, actor: { subject: north.subject } },
    });
  });

  it('can be a part, over pharmacies, never more than one fill holds', async () => {
    const world = await open();
    expect(outcome(await fill(world, north, { quantity: 31 }))).toBe('quantity_over');
    valueOf(await fill(world, north, { quantity: 20 }));
    expect(outcome(await fill(world, south, { quantity: 11, before: 20 }))).toBe('quantity_over');
    // What is owed of a begun fill does not wait.
    expect(valueOf(await fill(world, south, { quantity: 10, before: 20 }))).toMatchObject({
      dispensed: 30,
    });
    expect(outcome(await fill(world, south, { quantity: 1, before: 30 }))).toBe('refill_too_early');
  });

  it('counts refills, each after its time, to the millisecond, until all is used up', async () => {
    const world = await open();
    const began = world.time;
    valueOf(await fill(world, north));
    world.time = began + 20 * DAY - 1;
    expect(outcome(await fill(world, north, { before: 30 }))).toBe('refill_too_early');
    world.time = began + 20 * DAY;
    expect(outcome(await fill(world, north, { before: 30 }))).toBe('COMMITTED');
    world.time += 20 * DAY;
    expect(valueOf(await fill(world, south, { before: 60 }))).toMatchObject({ remaining: 0 });
    world.time += 20 * DAY;
    expect(outcome(await fill(world, south, { before: 90 }))).toBe('prescription_used_up');
  });

  it('is refused before its time, from its end on, and once anybody cancelled it', async () => {
    const early = await open({ from: base.time + DAY });
    expect(outcome(await fill(early, north))).toBe('prescription_not_yet_valid');
    early.time = base.time + DAY;
    expect(outcome(await fill(early, north))).toBe('COMMITTED');
    const until = base.time + 2 * DAY;
    const late = await open({ until });
    late.time = until;
    expect(outcome(await fill(late, north))).toBe('prescription_over');
    for (const who of [doctor, alice]) {
      const world = await open();
      const args = { prescriptionId, reason: 'treatment-changed' };
      expect(outcome(await world.submit(otherDoctor, 'prescription.cancel', args))).toBe(
        'unknown_prescription',
      );
      expect(outcome(await world.submit(bob, 'prescription.cancel', args))).toBe(
        'unknown_prescription',
      );
      valueOf(await world.submit(who, 'prescription.cancel', args));
      expect(outcome(await fill(world, north))).toBe('prescription_cancelled');
      expect(outcome(await release(world, north))).toBe('prescription_cancelled');
      expect(await topicsOf(world, south)).toContain('prescription.cancelled');
    }
  });

  it('is refused while the record is disputed, and for good once it is erased or replaced', async () => {
    const disputed = await open();
    const dispute = { recordId, reasonCode: 'wrong-patient' };
    valueOf(await disputed.submit(alice, 'record.dispute', dispute));
    expect(outcome(await fill(disputed, north))).toBe('prescription_disputed');
    const objectDigest = text32(`digest ${recordId}`);
    valueOf(await disputed.submit(alice, 'record.countersign', { recordId, objectDigest }));
    expect(outcome(await fill(disputed, north))).toBe('COMMITTED');
    const erased = await open();
    valueOf(await erased.submit(alice, 'record.erase', { recordIds: [recordId] }));
    expect(outcome(await fill(erased, north))).toBe('prescription_void');
    const everything = await open();
    valueOf(await everything.submit(alice, 'patient.erase', {}));
    expect(outcome(await fill(everything, north))).toBe('prescription_void');
  });
});

describe('a prescriber who is no longer one', () => {
  const end = (world: World, reason: string) =>
    world.submit(world.operator(), 'identity.revoke', { kid: doctor.kid, reason });

  it.each([
    ['licence-lapsed', 'prescriber_ended'],
    ['registered-in-error', 'prescriber_ended'],
    ['other', 'prescriber_ended'],
    ['left-hospital', 'COMMITTED'],
    ['own-request', 'COMMITTED'],
  ])('ended for %s: %s', async (reason, expected) => {
    const world = await open();
    valueOf(await end(world, reason));
    expect(outcome(await fill(world, north))).toBe(expected);
  });

  it('lost the key: what was issued shortly before is not filled, what is older is', async () => {
    const world = await open();
    const { time } = world;
    valueOf(await end(world, 'key-compromised'));
    expect(outcome(await fill(world, north))).toBe('prescriber_ended');
    world.time = time + chaincodeBounds.lostDeviceMs;
    expect(outcome(await fill(world, north))).toBe('COMMITTED');
  });

  it('whose licence lapsed is refused to the pharmacy that looked before', async () => {
    const world = await open();
    const lapse = { subject: doctor.subject, reason: 'number-deactivated' };
    valueOf(await world.submit(world.membership, 'identity.lapse', lapse));
    expect(outcome(await fill(world, north))).toBe('prescriber_ended');
  });

  it('a pharmacist who ended fills nothing', async () => {
    const world = await open();
    const lapse = { subject: north.subject, reason: 'licence-lapsed' };
    valueOf(await world.submit(world.membership, 'identity.lapse', lapse));
    expect(outcome(await fill(world, north))).toBe('identity_revoked');
    expect(outcome(await release(world, north))).toBe('grantee_revoked');
  });
});
