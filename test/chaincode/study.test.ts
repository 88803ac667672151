/** Studies and releases: who may do what, and what nobody gets by lying about it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { rotationSigningBytes, type Successor } from '../../lib/chaincode/rotation.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  type Acting,
  DAY,
  grantArgs,
  id16,
  NETWORK,
  OTHER_TAG,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  registerArgs,
  studyArgs,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

type Args = SignedRequest['args'];

const STUDY = 'a-study';
let base: World;
let researcher: Person;
let coordinator: Person;
let doctor: Person;
let patients: PatientKeys[];
let records: string[];

const nameOf = (at: number): string => `patient ${at}`;
const handleOf = (at: number): string => text32(`study pseudonym ${at}`);
const share = (world: World, overrides: Args = {}): Args =>
  grantArgs(world, doctor, {
    rights: ['read', 'write', 'share'],
    purposes: ['TREAT', 'RESCH'],
    study: STUDY,
    anonymise: true,
    ...overrides,
  });
const releaseArgs = (recordId: string, overrides: Args = {}): Args => ({
  ...{ releaseId: id16(`release of ${recordId}`), studyId: STUDY, recordId },
  ...{ rowCommitment: text32('row'), rowDigest: text32('sealed row') },
  payloadDigest: text32('payload'),
  ...overrides,
});

async function stored(world: World, patient: PatientKeys, name: string): Promise<string> {
  const recordId = id16(name);
  const args = recordArgs(patient, { recordId });
  valueOf(await world.submit(doctor, 'record.register', args));
  const objectDigest = text32('digest');
  valueOf(await world.submit(world.custodian, 'record.stored', { recordId, objectDigest }));
  return recordId;
}

beforeAll(async () => {
  base = await World.make();
  researcher = await base.registered('researcher', { hospital: 3 });
  coordinator = await base.registered('coordinator', { hospital: 2 });
  doctor = await base.registered('doctor');
  valueOf(await base.submit(researcher, 'study.register', studyArgs(coordinator)));
  for (const at of [0, 1, 2]) {
    const ethicsDigest = text32(`ethics ${at}`);
    const args = { studyId: STUDY, ethicsDigest };
    valueOf(await base.submit(base.operator(at), 'study.approve', args));
  }
  patients = [];
  records = [];
  for (const at of [0, 1, 2, 3]) {
    const patient = await base.patient(nameOf(at));
    patients.push(patient);
    valueOf(await base.submit(patient, 'permission.grant', share(base)));
    const commitment = handleOf(at);
    valueOf(await base.submit(patient, 'study.join', { studyId: STUDY, commitment }));
    records.push(await stored(base, patient, `record ${at}`));
  }
});

const tryAs = async (world: World, who: Acting, fn: string, args: Args): Promise<string> =>
  outcome(await world.submit(who, fn, args));

describe('a study', () => {
  it('opens when a quorum of hospitals approved it, each once, and tells those it names', async () => {
    const world = base.fork();
    const args = studyArgs(coordinator, { studyId: 'next' });
    valueOf(await world.submit(researcher, 'study.register', args));
    expect(await tryAs(world, researcher, 'study.register', args)).toBe('study_exists');
    const approve = { studyId: 'next', ethicsDigest: text32('ethics') };
    const join = { studyId: 'next', commitment: text32('me') };
    for (const at of [0, 1])
      valueOf(await world.submit(world.operator(at), 'study.approve', approve));
    expect(await tryAs(world, world.operator(0), 'study.approve', approve)).toBe(
      'already_approved',
    );
    expect(await tryAs(world, patients[0]!, 'study.join', join)).toBe('study_not_approved');
    const opened = valueOf(await world.submit(world.operator(2), 'study.approve', approve));
    expect(opened).toMatchObject({ approvals: 3, quorum: 3, open: true });
    expect(await topicsOf(world, researcher)).toContain('study.approved');
    expect(await topicsOf(world, coordinator)).toContain('study.approved');
    expect(await tryAs(world, patients[0]!, 'study.join', join)).toBe('COMMITTED');
  });

  it('has a coordinator who is one, is active, and is not the researcher', async () => {
    const world = base.fork();
    const attempt = (who: { subject: string }, id: string): Promise<string> =>
      tryAs(world, researcher, 'study.register', studyArgs(who, { studyId: id }));
    expect(await attempt(doctor, 'a')).toBe('bad_coordinator');
    expect(await attempt({ subject: 'nobody-at-all' }, 'b')).toBe('bad_coordinator');
    expect(await attempt(researcher, 'c')).toBe('bad_coordinator');
    const revoke = { kid: coordinator.kid, reason: 'other' };
    valueOf(await world.submit(world.operator(2), 'identity.revoke', revoke));
    expect(await attempt(coordinator, 'd')).toBe('bad_coordinator');
    const over = studyArgs(coordinator, { studyId: 'e', until: world.time });
    expect(await tryAs(world, researcher, 'study.register', over)).toBe('study_over');
  });

  it('is closed by those whom it names or who approved it, and by no other', async () => {
    const close = { studyId: STUDY };
    const others = await base.registered('researcher');
    expect(await tryAs(base.fork(), others, 'study.close', close)).toBe('not_own_study');
    expect(await tryAs(base.fork(), base.operator(3), 'study.close', close)).toBe('not_own_study');
    for (const who of [researcher, coordinator, base.operator(0)]) {
      const world = base.fork();
      expect(await tryAs(world, who, 'study.close', close)).toBe('COMMITTED');
      expect(await tryAs(world, who, 'study.close', close)).toBe('study_closed');
      const release = releaseArgs(records[0]!);
      expect(await tryAs(world, doctor, 'release.submit', release)).toBe('study_closed');
      expect(await tryAs(world, coordinator, 'release.collect', close)).toBe('study_closed');
    }
  });
});

describe('a release', () => {
  const attempt = (world: World, who: Acting = doctor, args = releaseArgs(records[0]!)) =>
    tryAs(world, who, 'release.submit', args);

  it('is made by a doctor whom the patient lets share, and told to the patient', async () => {
    const world = base.fork();
    expect(await attempt(world)).toBe('COMMITTED');
    expect(await topicsOf(world, patients[0]!)).toContain('release.submitted');
    const history = (await world.ask(patients[0]!, 'history.list')) as { items: Args[] };
    expect(history.items.at(-1)).toMatchObject({
      ...{ fn: 'release.submit', recordId: records[0], study: STUDY, purpose: 'RESCH' },
    });
    const mine = (await world.ask(patients[0]!, 'release.mine')) as { items: Args[] };
    expect(mine.items).toMatchObject([{ recordId: records[0], studyId: STUDY, published: false }]);
  });

  it('is made once of a record', async () => {
    const world = base.fork();
    expect(await attempt(world)).toBe('COMMITTED');
    const known = (who: Acting, recordIds: string[]) =>
      world.ask(who, 'release.known', { studyId: STUDY, recordIds });
    expect(await known(doctor, [records[0]!, records[1]!])).toMatchObject({
      recordIds: [records[0]],
    });
    const stranger = await world.registered('doctor');
    await expect(known(stranger, [records[0]!])).rejects.toMatchObject({ code: 'unknown_record' });
    const again = releaseArgs(records[0]!, { releaseId: id16('another') });
    expect(await attempt(world, doctor, again)).toBe('already_released');
    expect(
      await attempt(
        world,
        doctor,
        releaseArgs(records[1]!, {
          releaseId: id16(`release of ${records[0]!}`),
        }),
      ),
    ).toBe('release_exists');
  });

  it('is refused without the right, for another study, category, month, purpose or time', async () => {
    const cases: [string, Args][] = [
      ['right_not_granted', { rights: ['read'], study: null }],
      ['study_not_granted', { study: 'another-study' }],
      ['category_not_granted', { categories: [OTHER_TAG] }],
      ['period_not_granted', { dataUntil: '2025-10' }],
      ['purpose_not_granted', { purposes: ['TREAT'] }],
      ['permission_not_yet_valid', { from: base.time + DAY }],
    ];
    for (const [code, overrides] of cases) {
      const world = base.fork();
      const reader = await world.registered('doctor');
      const { study, anonymise, ...terms } = share(world, overrides);
      const named = study === null ? {} : { study, anonymise };
      const grant = { ...terms, ...named, grantee: reader.subject, permissionId: id16(code) };
      valueOf(await world.submit(patients[0]!, 'permission.grant', grant as Args));
      const wanted = code === 'right_not_granted' ? 'study_not_granted' : code;
      expect(await attempt(world, reader)).toBe(wanted);
    }
    const world = base.fork();
    expect(await attempt(world, await world.registered('doctor'))).toBe('unknown_record');
  });

  it('is refused from the block on in which the permission ends, is taken back, or time is up', async () => {
    const world = base.fork();
    const page = (await world.ask(patients[0]!, 'patient.permissions')) as { items: Args[] };
    const { id, until } = page.items[0] as { id: string; until: number };
    const late = base.fork();
    late.time = until;
    expect(await attempt(late)).toBe('permission_expired');
    const last = base.fork();
    last.time = until - 1;
    expect(await attempt(last)).toBe('COMMITTED');
    valueOf(await world.submit(patients[0]!, 'permission.revoke', { permissionId: id }));
    expect(await attempt(world)).toBe('permission_revoked');
  });

  it('is refused once the patient withdrew, and again after joining anew', async () => {
    const world = base.fork();
    const study = { studyId: STUDY };
    valueOf(await world.submit(patients[0]!, 'study.withdraw', study));
    expect(await attempt(world)).toBe('participant_withdrawn');
    expect(await tryAs(world, patients[0]!, 'study.withdraw', study)).toBe('participant_withdrawn');
    const join = { ...study, commitment: text32('a new name') };
    const joined = valueOf(await world.submit(patients[0]!, 'study.join', join));
    expect(joined['participant']).toBe(handleOf(0));
    expect(await attempt(world)).toBe('COMMITTED');
  });

  it('is refused for a patient who gave the right and never joined', async () => {
    const world = base.fork();
    const patient = await world.patient('late');
    valueOf(await world.submit(patient, 'permission.grant', share(world)));
    const recordId = await stored(world, patient, 'late record');
    expect(await attempt(world, doctor, releaseArgs(recordId))).toBe('not_joined');
    const taken = { studyId: STUDY, commitment: handleOf(1) };
    expect(await tryAs(world, patient, 'study.join', taken)).toBe('participant_taken');
  });

  it('is refused of what is disputed, not stored, or erased', async () => {
    const world = base.fork();
    const dispute = { recordId: records[0]!, reasonCode: 'wrong-patient' };
    valueOf(await world.submit(patients[0]!, 'record.dispute', dispute));
    expect(await attempt(world)).toBe('already_disputed');
    const unstored = recordArgs(patients[1]!, { recordId: id16('on its way') });
    valueOf(await world.submit(doctor, 'record.register', unstored));
    expect(await attempt(world, doctor, releaseArgs(id16('on its way')))).toBe('record_not_stored');
    valueOf(await world.submit(patients[2]!, 'record.erase', { recordIds: [records[2]!] }));
    expect(await attempt(world, doctor, releaseArgs(records[2]!))).toBe('record_erased');
  });

  it('shows researcher and coordinator where it came from, and neither record nor pseudonym', async () => {
    const world = base.fork();
    valueOf(
      await world.submit(patients[0]!, 'record.countersign', {
        recordId: records[0]!,
        objectDigest: text32('digest'),
      }),
    );
    expect(await attempt(world)).toBe('COMMITTED');
    const page = await world.ask(coordinator, 'release.list', { studyId: STUDY });
    expect(page).toMatchObject({
      items: [{ source: { hospital: doctor.hospital, role: 'doctor', review: 'countersigned' } }],
    });
    const text = JSON.stringify(page);
    expect(text).not.toContain(patients[0]!.pseudonym);
    expect(text).not.toContain(records[0]!);
    expect(text).not.toContain(doctor.subject);
    const outsider = await world.registered('coordinator');
    for (const [who, code] of [
      [outsider, 'not_own_study'],
      // What is not published is not for the researcher, not even that it came.
      [researcher, 'role_denied'],
    ] as const) {
      const asked = world.ask(who, 'release.list', { studyId: STUDY });
      await expect(asked).rejects.toMatchObject({ code });
    }
  });
});

describe('a publication', () => {
  const publishArgs = (classes: Args[], overrides: Args = {}): Args => ({
    ...{ studyId: STUDY, batch: 1, rowsDigest: text32('rows'), classes },
    ...overrides,
  });
  const member = (at: number, ...releases: number[]): Args => ({
    participant: handleOf(at),
    releases: releases.length === 0 ? [at] : releases,
  });
  const classOf = (classId: number, ...members: Args[]): Args => ({ classId, members });
  let released: World;
  const attempt = (world: World, classes: Args[], overrides: Args = {}): Promise<string> =>
    tryAs(world, coordinator, 'release.publish', publishArgs(classes, overrides));

  beforeAll(async () => {
    released = base.fork();
    for (const recordId of records) {
      valueOf(await released.submit(doctor, 'release.submit', releaseArgs(recordId)));
    }
  });

  it('gives the researcher of the study what has k patients, and nobody else', async () => {
    const world = released.fork();
    const whole = [classOf(1, member(0), member(1), member(2))];
    expect(await attempt(world, whole)).toBe('COMMITTED');
    const access = { studyId: STUDY, batch: 1 };
    const value = valueOf(await world.submit(researcher, 'release.access', access));
    expect(value).toMatchObject({ decision: 'permit', readerKid: researcher.kid });
    expect(value['members']).toHaveLength(3);
    const entries = (sequences: number[], who: Acting = researcher) =>
      world.ask(who, 'release.entries', { ...access, sequences });
    expect(await entries([1, 0])).toMatchObject({ items: [{ sequence: 1 }, { sequence: 0 }] });
    await expect(entries([0, 3])).rejects.toMatchObject({ code: 'unknown_release' });
    const other = await world.registered('researcher');
    await expect(entries([0], other)).rejects.toMatchObject({ code: 'not_own_study' });
    expect(await tryAs(world, other, 'release.access', access)).toBe('not_own_study');
    const next = { studyId: STUDY, batch: 2 };
    expect(await tryAs(world, researcher, 'release.access', next)).toBe('unknown_batch');
    const counter = await world.registered('coordinator');
    const again = publishArgs(whole, { batch: 2 });
    expect(await tryAs(world, counter, 'release.publish', again)).toBe('not_own_study');
  });

  it('is refused where a class has fewer patients, or the same one twice', async () => {
    expect(await attempt(released.fork(), [classOf(1, member(0), member(1))])).toBe(
      'class_too_small',
    );
    const twice = [classOf(1, member(0), member(1), member(0))];
    expect(await attempt(released.fork(), twice)).toBe('bad_arguments');
    const inTwo = [classOf(1, member(0), member(1), member(2)), classOf(2, member(2))];
    expect(await attempt(released.fork(), inTwo)).toBe('bad_arguments');
  });

  it('is refused for releases that are another’s, are none, or were published', async () => {
    const others = [classOf(1, member(0, 1), member(1, 0), member(2))];
    expect(await attempt(released.fork(), others)).toBe('unknown_release');
    const none = [classOf(1, member(0, 99), member(1), member(2))];
    expect(await attempt(released.fork(), none)).toBe('unknown_release');
    const stranger = { participant: text32('nobody'), releases: [3] };
    expect(await attempt(released.fork(), [classOf(1, member(0), member(1), stranger)])).toBe(
      'unknown_participant',
    );
    const world = released.fork();
    const whole = [classOf(1, member(0), member(1), member(2))];
    expect(await attempt(world, whole)).toBe('COMMITTED');
    expect(await attempt(world, whole)).toBe('batch_not_next');
    expect(await attempt(world, whole, { batch: 2 })).toBe('already_published');
  });

  it('never puts a patient into a second class, or a part of a class forward', async () => {
    const world = released.fork();
    const whole = [classOf(1, member(0), member(1), member(2))];
    expect(await attempt(world, whole)).toBe('COMMITTED');
    for (const at of [0, 1, 3]) {
      const recordId = await stored(world, patients[at]!, `second record ${at}`);
      valueOf(await world.submit(doctor, 'release.submit', releaseArgs(recordId)));
    }
    // Releases 4, 5 and 6 are of patients 0, 1 and 3.
    const mixed = [classOf(2, member(0, 4), member(1, 5), member(3, 3, 6))];
    expect(await attempt(world, mixed, { batch: 2 })).toBe('class_changed');
    const joined = [classOf(1, member(0, 4), member(1, 5), member(3, 3, 6))];
    expect(await attempt(world, joined, { batch: 2 })).toBe('class_changed');
    const recordId = await stored(world, patients[2]!, 'second record 2');
    valueOf(await world.submit(doctor, 'release.submit', releaseArgs(recordId)));
    const again = [classOf(1, member(0, 4), member(1, 5), member(2, 7))];
    expect(await attempt(world, again, { batch: 2 })).toBe('COMMITTED');
    const skipped = [classOf(3, member(3), member(3), member(3))];
    expect(await attempt(world, skipped, { batch: 3 })).toBe('bad_arguments');
  });

  it('leaves out who withdrew, and then what is left of a class that is too small', async () => {
    const world = released.fork();
    valueOf(await world.submit(patients[0]!, 'study.withdraw', { studyId: STUDY }));
    const whole = [classOf(1, member(0), member(1), member(2))];
    expect(await attempt(world, whole)).toBe('participant_withdrawn');
    const four = released.fork();
    const all = [classOf(1, member(0), member(1), member(2), member(3))];
    expect(await attempt(four, all)).toBe('COMMITTED');
    const membersLeft = async (): Promise<unknown> => {
      const access = { studyId: STUDY, batch: 1 };
      return valueOf(await four.submit(researcher, 'release.access', access))['members'];
    };
    valueOf(await four.submit(patients[0]!, 'study.withdraw', { studyId: STUDY }));
    expect(await membersLeft()).toHaveLength(3);
    valueOf(await four.submit(patients[1]!, 'patient.erase', {}));
    expect(await membersLeft()).toEqual([]);
  });

  it('counts a patient once, whatever name of before or after a rotation', async () => {
    const world = released.fork();
    const [alice] = patients as [PatientKeys];
    const next = await world.patientKeys('alice after');
    const own = { ...registerArgs(next), sealingKeyDigest: text32('sealing key') };
    const successor = own as unknown as Omit<Successor, 'ownerSignature'>;
    const from = alice.pseudonym;
    const bytes = rotationSigningBytes({ network: NETWORK, from, successor });
    const begun = { ...own, ownerSignature: toBase64url(await next.owner.sign(bytes)) };
    expect(await tryAs(world, alice, 'patient.rotate-begin', begun)).toBe('COMMITTED');
    const join = { studyId: STUDY, commitment: text32('another name') };
    expect(await world.ask(next, 'study.mine', { studyId: STUDY })).toMatchObject({
      participant: handleOf(0),
    });
    const joined = valueOf(await world.submit(next, 'study.join', join));
    expect(joined['participant']).toBe(handleOf(0));
    expect(await world.ask(next, 'study.mine', { studyId: STUDY })).toMatchObject({
      participant: handleOf(0),
    });
  });
});
