/** Records that turn out to be wrong: whoever relied on one is told, and nobody reads on. */
import { beforeAll, describe, expect, it } from 'vitest';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { cells } from '../../lib/chaincode/cells.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import {
  type Acting,
  grantArgs,
  id16,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';
import { recordId, storedRecord } from './prescriptions.ts';

let base: World;
let alice: PatientKeys;
let doctor: Person;
let colleague: Person;
let reader: Person;
let stranger: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  doctor = await base.registered('doctor');
  colleague = await base.registered('doctor');
  reader = await base.registered('nurse', { hospital: 1 });
  stranger = await base.registered('doctor', { hospital: 2 });
  await storedRecord(base, { patient: alice, doctor });
  for (const who of [reader, stranger]) {
    valueOf(await base.submit(alice, 'permission.grant', grantArgs(base, who)));
  }
  for (let time = 0; time < 2; time += 1) valueOf(await read(base, reader));
});

const read = (world: World, who: Acting, purpose = 'TREAT') =>
  world.submit(who, 'access.request', { recordId, purpose });
const told = async (world: World, who: Acting, topic: string) =>
  (await topicsOf(world, who)).filter((one) => one === topic).length;
const retract = (world: World, who: Acting = doctor, reason = 'wrong-patient') =>
  world.submit(who, 'record.retract', { recordId, reason });

describe('a record that is corrected', () => {
  it('alerts who read the earlier one, once the correction is stored, and nobody else', async () => {
    const world = base.fork();
    const next = recordArgs(alice, { recordId: id16('next'), supersedes: recordId });
    valueOf(await world.submit(doctor, 'record.register', next));
    expect(await told(world, reader, 'record.corrected')).toBe(0);
    const stored = { recordId: id16('next'), objectDigest: text32('digest') };
    valueOf(await world.submit(world.custodian, 'record.stored', stored));
    expect(await told(world, reader, 'record.corrected')).toBe(1);
    expect(await told(world, stranger, 'record.corrected')).toBe(0);
  });

  it('that the patient calls wrong alerts them too; an incomplete one does not', async () => {
    for (const [reasonCode, alerts] of [
      ['wrong-patient', 1],
      ['wrong-content', 1],
      ['incomplete', 0],
    ] as const) {
      const world = base.fork();
      valueOf(await world.submit(alice, 'record.dispute', { recordId, reasonCode }));
      expect(await told(world, reader, 'record.doubted')).toBe(alerts);
      expect(await told(world, doctor, 'record.disputed')).toBe(1);
    }
  });
});

describe('record.retract', () => {
  it('is of the writer alone, once, for a record that is there', async () => {
    const world = base.fork();
    for (const who of [colleague, reader, stranger]) {
      expect(outcome(await retract(world, who))).toBe('unknown_record');
    }
    expect(outcome(await retract(world, doctor, 'regret'))).toBe('bad_arguments');
    expect(valueOf(await retract(world))).toMatchObject({ alerted: 1, unlisted: 0 });
    expect(outcome(await retract(world))).toBe('record_retracted');
    const erased = base.fork();
    valueOf(await erased.submit(alice, 'record.erase', { recordIds: [recordId] }));
    expect(outcome(await retract(erased))).toBe('record_erased');
    const early = base.fork();
    const other = recordArgs(alice, { recordId: id16('early') });
    valueOf(await early.submit(doctor, 'record.register', other));
    const args = { recordId: id16('early'), reason: 'wrong-patient' };
    expect(outcome(await early.submit(doctor, 'record.retract', args))).toBe('record_not_stored');
  });

  it('ends reading for clinicians, tells readers and patient, and leaves it to the patient', async () => {
    const world = base.fork();
    valueOf(await retract(world));
    expect(valueOf(await read(world, reader))).toMatchObject({
      ...{ decision: 'deny', reason: 'record_retracted' },
    });
    expect(valueOf(await read(world, alice, 'PATRQT'))).toMatchObject({ decision: 'permit' });
    expect(await told(world, reader, 'record.retracted')).toBe(1);
    expect(await told(world, stranger, 'record.retracted')).toBe(0);
    expect(await told(world, alice, 'record.retracted')).toBe(1);
    const history = (await world.ask(alice, 'history.list')) as { items: { fn: string }[] };
    expect(history.items.filter(({ fn }) => fn === 'record.retract')).toMatchObject([
      { recordId, reason: 'wrong-patient', actor: { subject: doctor.subject } },
    ]);
    const next = recordArgs(alice, { recordId: id16('next'), supersedes: recordId });
    expect(outcome(await world.submit(doctor, 'record.register', next))).toBe('record_retracted');
    valueOf(await world.submit(alice, 'record.erase', { recordIds: [recordId] }));
    expect(valueOf(await read(world, reader))).toMatchObject({ reason: 'record_erased' });
  });

  it('voids what was prescribed on it', async () => {
    const world = base.fork();
    const pharmacist = await world.registered('pharmacist');
    const { issueArgs, releaseArgs, fill } = await import('./prescriptions.ts');
    valueOf(await world.submit(doctor, 'prescription.issue', issueArgs(world)));
    valueOf(await world.submit(alice, 'prescription.release', releaseArgs(pharmacist)));
    valueOf(await retract(world));
    expect(outcome(await fill(world, pharmacist))).toBe('prescription_void');
    const again = issueArgs(world, { prescriptionId: id16('again') });
    expect(outcome(await world.submit(doctor, 'prescription.issue', again))).toBe(
      'record_retracted',
    );
  });

  it('says how many readers it could not tell by name', async () => {
    const world = base.fork();
    const subjects = Array.from({ length: chaincodeBounds.readersMax }, () => reader.subject);
    const cell = cells.readers(recordId);
    world.state.set(cell.key, encodeCbor({ subjects, more: 0 }));
    valueOf(await read(world, stranger));
    expect(valueOf(await retract(world))).toMatchObject({
      ...{ alerted: chaincodeBounds.readersMax, unlisted: 1 },
    });
  });
});
