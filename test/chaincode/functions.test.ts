/** Each function: who may, who may not, and in which state. */
import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { renewalSigningBytes } from '../../lib/chaincode/identity.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  DAY,
  grantArgs,
  id16,
  MONTH,
  NETWORK,
  OTHER_TAG,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  registerArgs,
  TAG,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let doctor: Person;
let nurse: Person;
let otherDoctor: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  doctor = await base.registered('doctor');
  nurse = await base.registered('nurse');
  otherDoctor = await base.registered('doctor', { hospital: 1 });
});

describe('identity.register-clinician', () => {
  const fn = 'identity.register-clinician';

  it('takes effect when an operator of the same hospital cosigns', async () => {
    const world = base.fork();
    const { certificate, kid, subject, hospital } = await world.clinician('doctor');
    const done = await world.submit(world.operator(), fn, { certificate });
    expect(valueOf(done)).toEqual({ fn, kid, subject, role: 'doctor', hospital });
    expect(await world.ask(alice, 'identity.get', { subject })).toMatchObject({ kid });
  });

  it('is refused to an operator of another hospital and to the membership service', async () => {
    const world = base.fork();
    const { certificate } = await world.clinician('doctor');
    expect(outcome(await world.submit(world.operator(1), fn, { certificate }))).toBe(
      'other_hospital',
    );
    expect(outcome(await world.submit(world.membership, fn, { certificate }))).toBe('role_denied');
  });

  it('refuses a second time, and a subject that exists', async () => {
    const world = base.fork();
    const { certificate } = doctor;
    expect(outcome(await world.submit(world.operator(), fn, { certificate }))).toBe(
      'already_registered',
    );
    const again = await world.clinician('doctor', { subject: doctor.subject });
    const args = { certificate: again.certificate };
    expect(outcome(await world.submit(world.operator(), fn, args))).toBe('subject_exists');
  });

  it.each(['operator-hospital-a', 'custodian', 'membership'])(
    'refuses %s, which is of the genesis document',
    async (subject) => {
      const world = base.fork();
      const { certificate } = await world.clinician('doctor', { subject });
      expect(outcome(await world.submit(world.operator(), fn, { certificate }))).toBe(
        'subject_exists',
      );
    },
  );

  it.each(['operator', 'custodian', 'patient'] as const)('makes no %s', async (role) => {
    const world = base.fork();
    const { hospital } = world.operator();
    const { der } = await world.certify({ role, subject: id16(role), hospital });
    const certificate = toBase64url(der);
    expect(outcome(await world.submit(world.operator(), fn, { certificate }))).toBe(
      'certificate_role',
    );
  });

  it('refuses a one-time, an expired and a malformed certificate', async () => {
    const world = base.fork();
    const attempt = async (certificate: string) =>
      outcome(await world.submit(world.operator(), fn, { certificate }));
    expect(await attempt(toBase64url(alice.tcert))).toBe('certificate_wrong_kind');
    const expired = await world.clinician('doctor', { until: world.time - 1_000 });
    expect(await attempt(expired.certificate)).toBe('certificate_expired');
    expect(await attempt('AAAA')).toBe('certificate_malformed');
    expect(await attempt('A')).toBe('certificate_malformed');
  });
});

describe('identity.renew', () => {
  const fn = 'identity.renew';
  const renewal = async (world: World, subject: string, signer = doctor) => {
    const next = await world.clinician('doctor', { subject });
    const { publicKey } = next.key;
    const signed = renewalSigningBytes({ network: NETWORK, previousKid: doctor.kid, publicKey });
    const previousSignature = toBase64url(await signer.key.sign(signed));
    const { certificate } = next;
    return { next, args: { certificate, previousKid: doctor.kid, previousSignature } };
  };

  it('hands subject and permissions over to the new key', async () => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    const { next, args } = await renewal(world, doctor.subject);
    expect(outcome(await world.submit(world.operator(), fn, args))).toBe('COMMITTED');
    const record = recordArgs(alice);
    expect(outcome(await world.submit(next, 'record.register', record))).toBe('COMMITTED');
    // What the old key signed just before is on its way: both count for as long as that is valid.
    const late = recordArgs(alice, { recordId: id16('late') });
    expect(outcome(await world.submit(doctor, 'record.register', late))).toBe('COMMITTED');
    world.time += 15 * 60_000;
    expect(outcome(await world.submit(doctor, 'record.register', record))).toBe('identity_renewed');
    expect(outcome(await world.submit(world.operator(), fn, args))).toBe('already_registered');
  });

  it('is submitted by the clinician too, for the own key alone', async () => {
    const world = base.fork();
    const { next, args } = await renewal(world, doctor.subject);
    expect(outcome(await world.submit(nurse, fn, args))).toBe('role_denied');
    expect(outcome(await world.submit(doctor, fn, args))).toBe('COMMITTED');
    const found = await world.ask(next, 'identity.get', { subject: doctor.subject });
    expect(found).toMatchObject({ kid: next.kid, origin: { kid: doctor.kid, how: 'renewed' } });
  });

  it('leaves nothing of the old key where the new one is ended at once', async () => {
    const world = base.fork();
    const { next, args } = await renewal(world, doctor.subject);
    await world.submit(doctor, fn, args);
    const reason = 'key-compromised';
    await world.submit(world.operator(), 'identity.revoke', { kid: next.kid, reason });
    const record = recordArgs(alice);
    expect(outcome(await world.submit(doctor, 'record.register', record))).toBe('identity_renewed');
  });

  it('needs the old key, the same subject and a live identity', async () => {
    const world = base.fork();
    const operator = world.operator();
    const forged = await renewal(world, doctor.subject, nurse);
    expect(outcome(await world.submit(operator, fn, forged.args))).toBe('bad_renewal_signature');
    const other = await renewal(world, id16('another subject'));
    expect(outcome(await world.submit(operator, fn, other.args))).toBe('renewal_mismatch');
    const { args } = await renewal(world, doctor.subject);
    const unknown = { ...args, previousKid: text32('nobody') };
    expect(outcome(await world.submit(operator, fn, unknown))).toBe('unknown_identity');
    await world.submit(operator, 'identity.revoke', { kid: doctor.kid, reason: 'other' });
    expect(outcome(await world.submit(operator, fn, args))).toBe('already_revoked');
  });
});

describe('identity.revoke', () => {
  const fn = 'identity.revoke';
  const reason = 'licence-lapsed';
  const args = () => ({ kid: doctor.kid, reason });

  it.each([
    ['an operator of the hospital', (world: World) => world.operator(), 'COMMITTED'],
    ['the membership service', (world: World) => world.membership, 'COMMITTED'],
    ['the holder', () => doctor, 'COMMITTED'],
    ['an operator of another hospital', (world: World) => world.operator(1), 'other_hospital'],
    ['a colleague', () => nurse, 'role_denied'],
    ['the custodian', (world: World) => world.custodian, 'role_denied'],
    ['a patient', () => alice, 'role_denied'],
  ])('by %s', async (_who, actor, expected) => {
    const world = base.fork();
    expect(outcome(await world.submit(actor(world), fn, args()))).toBe(expected);
  });

  it('ends everything at once, and comes once', async () => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    await world.submit(world.operator(), fn, args());
    expect(outcome(await world.submit(world.operator(), fn, args()))).toBe('already_revoked');
    const request = await world.submit(doctor, 'record.register', recordArgs(alice));
    expect(outcome(request)).toBe('identity_revoked');
    const grant = await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    expect(outcome(grant)).toBe('grantee_revoked');
    await expect(world.ask(doctor, 'inbox.list')).rejects.toMatchObject({
      code: 'identity_revoked',
    });
  });

  it('touches no party of the genesis document', async () => {
    const world = base.fork();
    const operator = world.operator();
    for (const party of [world.operator(1), world.custodian, world.membership]) {
      const kid = (party as { kid: string }).kid;
      expect(outcome(await world.submit(operator, fn, { kid, reason }))).toBe('not_revocable');
    }
    const unknown = { kid: text32('nobody'), reason };
    expect(outcome(await world.submit(operator, fn, unknown))).toBe('unknown_identity');
  });
});

it('an identity whose certificate ran out does nothing more', async () => {
  const world = base.fork();
  world.time += 366 * DAY;
  expect(outcome(await world.submit(doctor, 'record.register', recordArgs(alice)))).toBe(
    'identity_expired',
  );
});

describe('patient.register', () => {
  it('binds owner key and pseudonym once', async () => {
    const world = base.fork();
    const carol = await world.patientKeys('carol');
    const value = valueOf(await world.submit(carol, 'patient.register', registerArgs(carol)));
    expect(value).toMatchObject({ pseudonym: carol.pseudonym, categoryKeysVersion: 1 });
    const again = await world.submit(carol, 'patient.register', registerArgs(carol));
    expect(outcome(again)).toBe('owner_key_taken');
    const thief = { ...(await world.patientKeys('thief')), pseudonym: carol.pseudonym };
    const theft = await world.submit(thief, 'patient.register', registerArgs(thief));
    expect(outcome(theft)).toBe('pseudonym_taken');
  });
});

describe('patient.publish-keys', () => {
  const fn = 'patient.publish-keys';
  const root = { categoryKeysRoot: text32('root 2'), categoryKeysFrom: '2025-12' };

  it('renews the root and revises months', async () => {
    const world = base.fork();
    const revisions = [{ categoryTag: TAG, from: '2025-11', until: '2026-01', revision: 1 }];
    const value = valueOf(await world.submit(alice, fn, { ...root, revisions }));
    expect(value).toMatchObject({ ...root, categoryKeysVersion: 2, ownerKid: alice.ownerKid });
    const seen = await world.ask(alice, 'patient.get', { categories: [TAG] });
    const months = ['2025-11', '2025-12', '2026-01'].map((month) => ({ month, revision: 1 }));
    expect(seen).toMatchObject({ epochs: [{ categoryTag: TAG, months }] });
  });

  it('never repeats or lowers a revision', async () => {
    const world = base.fork();
    const at = (from: string, until: string, revision: number) =>
      world.submit(alice, fn, {
        ...root,
        revisions: [{ categoryTag: TAG, from, until, revision }],
      });
    expect(outcome(await at('2025-11', '2025-12', 2))).toBe('COMMITTED');
    expect(outcome(await at('2025-12', '2026-02', 2))).toBe('revision_not_newer');
    expect(outcome(await at('2025-12', '2026-02', 3))).toBe('COMMITTED');
    expect(outcome(await at('2026-02', '2025-12', 9))).toBe('bad_arguments');
    expect(outcome(await at('1900-01', '2025-12', 9))).toBe('bad_arguments');
  });

  it('keeps a bounded number of months', async () => {
    const world = base.fork();
    const range = (year: number) => ({
      ...root,
      revisions: [{ categoryTag: TAG, from: `${year}-01`, until: `${year + 19}-12`, revision: 1 }],
    });
    expect(outcome(await world.submit(alice, fn, range(1900)))).toBe('COMMITTED');
    expect(outcome(await world.submit(alice, fn, range(1920)))).toBe('COMMITTED');
    expect(outcome(await world.submit(alice, fn, range(1940)))).toBe('too_many_revisions');
  });
});

describe('permission.grant', () => {
  const fn = 'permission.grant';
  const attempt = async (overrides: SignedRequest['args'], grantee: Person = doctor) => {
    const world = base.fork();
    return outcome(await world.submit(alice, fn, grantArgs(world, grantee, overrides)));
  };

  it.each<[string, SignedRequest['args'], string]>([
    ['read alone', { rights: ['read'] }, 'COMMITTED'],
    ['write alone', { rights: ['write'] }, 'COMMITTED'],
    [
      'share with study and anonymise',
      { rights: ['read', 'share'], study: 'study-1', anonymise: true },
      'COMMITTED',
    ],
    ['share without read', { rights: ['share'], study: 's', anonymise: true }, 'bad_arguments'],
    ['share without a study', { rights: ['read', 'share'], anonymise: true }, 'bad_arguments'],
    ['share without anonymise', { rights: ['read', 'share'], study: 's' }, 'bad_arguments'],
    ['a study without share', { study: 'study-1', anonymise: false }, 'bad_arguments'],
    ['no right', { rights: [] }, 'bad_arguments'],
    ['a right twice', { rights: ['read', 'read'] }, 'bad_arguments'],
    ['an unknown right', { rights: ['delete'] }, 'bad_arguments'],
    ['no category', { categories: [] }, 'bad_arguments'],
    ['33 categories', { categories: tagsOf(33) }, 'bad_arguments'],
    ['32 categories', { categories: tagsOf(32) }, 'COMMITTED'],
    ['a category in clear', { categories: ['laboratory'] }, 'bad_arguments'],
    ['breaking the glass', { purposes: ['BTG'] }, 'bad_arguments'],
    ['research', { purposes: ['RESCH'] }, 'COMMITTED'],
    ['no purpose', { purposes: [] }, 'bad_arguments'],
    ['until before from', { from: 2, until: 1 }, 'bad_arguments'],
    ['until in the past', { from: 1, until: 2 }, 'permission_over'],
    ['data that ends before', { dataFrom: '2025-11', dataUntil: '2025-10' }, 'bad_arguments'],
    ['month 13', { dataFrom: '2025-13' }, 'bad_arguments'],
    ['an unknown argument', { everything: true }, 'bad_arguments'],
    ['nobody', { grantee: id16('nobody') }, 'grantee_unknown'],
    ['the custodian', { grantee: 'custodian' }, 'right_not_for_role'],
    ['an operator', { grantee: 'operator-hospital-a' }, 'right_not_for_role'],
  ])('%s', async (_what, overrides, expected) => {
    expect(await attempt(overrides)).toBe(expected);
  });

  it('gives each role only rights that it can hold', async () => {
    const share = { rights: ['read', 'share'], study: 's', anonymise: true };
    expect(await attempt(share, nurse)).toBe('right_not_for_role');
    expect(await attempt({ rights: ['write'] }, nurse)).toBe('COMMITTED');
  });

  it('uses an id once, whoever asks', async () => {
    const world = base.fork();
    const args = grantArgs(world, doctor);
    await world.submit(alice, fn, args);
    expect(outcome(await world.submit(alice, fn, args))).toBe('permission_exists');
    expect(outcome(await world.submit(bob, fn, args))).toBe('permission_exists');
  });

  it('holds 16 live permissions for one grantee; ended ones make room', async () => {
    const world = base.fork();
    const ids = Array.from({ length: 16 }, (_, index) => id16(`permission ${index}`));
    for (const permissionId of ids) {
      const args = grantArgs(world, doctor, { permissionId });
      expect(outcome(await world.submit(alice, fn, args))).toBe('COMMITTED');
    }
    const more = () => world.submit(alice, fn, grantArgs(world, doctor));
    expect(outcome(await more())).toBe('too_many_permissions');
    await world.submit(alice, 'permission.revoke', { permissionId: ids[3]! });
    expect(outcome(await more())).toBe('COMMITTED');
    expect(outcome(await more())).toBe('too_many_permissions');
    expect(await world.ask(alice, 'patient.permissions')).toMatchObject({ count: 17 });
  });

  it('names in its value what the custodian needs to take the share', async () => {
    const world = base.fork();
    const args = grantArgs(world, doctor);
    const value = valueOf(await world.submit(alice, fn, args));
    const { permissionId, shareDigest } = args;
    expect(value).toMatchObject({ fn, permissionId, shareDigest, granteeKid: doctor.kid });
  });
});

describe('permission.revoke', () => {
  const fn = 'permission.revoke';
  const granted = async (world: World) => {
    const args = grantArgs(world, doctor);
    await world.submit(alice, 'permission.grant', args);
    return { permissionId: args['permissionId'] as string };
  };

  it('is the patient’s alone, and comes once', async () => {
    const world = base.fork();
    const args = await granted(world);
    expect(outcome(await world.submit(bob, fn, args))).toBe('unknown_permission');
    expect(outcome(await world.submit(doctor, fn, args))).toBe('role_denied');
    const time = world.time;
    const value = valueOf(await world.submit(alice, fn, args));
    expect(value).toMatchObject({ ...args, receiptsUsableUntil: time + 300_000 });
    expect(outcome(await world.submit(alice, fn, args))).toBe('already_revoked');
    const unknown = { permissionId: id16('unknown') };
    expect(outcome(await world.submit(alice, fn, unknown))).toBe('unknown_permission');
  });

  it('supersedes the epochs that it revises, in its own block', async () => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, nurse));
    const args = await granted(world);
    const revisions = [{ categoryTag: TAG, from: MONTH, until: '2027-10', revision: 1 }];
    const root = { categoryKeysRoot: text32('root 2'), categoryKeysFrom: MONTH };
    const value = valueOf(await world.submit(alice, fn, { ...args, revisions, ...root }));
    expect(value).toMatchObject({ ...root, categoryKeysVersion: 2, ownerKid: alice.ownerKid });
    const register = (revision: number) =>
      world.submit(
        nurse,
        'record.register',
        recordArgs(alice, { epoch: { month: MONTH, revision } }),
      );
    expect(outcome(await register(0))).toBe('epoch_superseded');
    expect(outcome(await register(2))).toBe('epoch_unknown');
    expect(outcome(await register(1))).toBe('COMMITTED');
  });

  it('takes revisions with a root only, and a root with revisions only', async () => {
    const world = base.fork();
    const args = await granted(world);
    const revisions = [{ categoryTag: TAG, from: MONTH, until: MONTH, revision: 1 }];
    const root = { categoryKeysRoot: text32('root 2'), categoryKeysFrom: MONTH };
    for (const part of [{ revisions }, root, { revisions: [], ...root }]) {
      expect(outcome(await world.submit(alice, fn, { ...args, ...part }))).toBe('bad_arguments');
    }
  });
});

describe('record.register', () => {
  const fn = 'record.register';
  const attempt = async (
    rights: string[],
    overrides: SignedRequest['args'] = {},
    grant: SignedRequest['args'] = {},
  ) => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor, { rights, ...grant }));
    return outcome(await world.submit(doctor, fn, recordArgs(alice, overrides)));
  };

  it.each<[string, string[], SignedRequest['args'], SignedRequest['args'], string]>([
    ['with write', ['write'], {}, {}, 'COMMITTED'],
    ['with read alone', ['read'], {}, {}, 'right_not_granted'],
    ['another category', ['write'], { categoryTag: OTHER_TAG }, {}, 'category_not_granted'],
    [
      'data of another month',
      ['write'],
      { dataMonth: '2025-10' },
      { dataFrom: '2025-11' },
      'period_not_granted',
    ],
    ['the first month', ['write'], {}, { dataFrom: MONTH }, 'COMMITTED'],
    ['the last month', ['write'], {}, { dataUntil: MONTH }, 'COMMITTED'],
    [
      'before it starts',
      ['write'],
      {},
      { from: 2 ** 46, until: 2 ** 47 },
      'permission_not_yet_valid',
    ],
    ['no patient', ['write'], { pseudonym: text32('nobody') }, {}, 'unknown_patient'],
    [
      'an unpublished key',
      ['write'],
      { epoch: { month: MONTH, revision: 1 } },
      {},
      'epoch_unknown',
    ],
    ['an empty file', ['write'], { ciphertextLength: 0 }, {}, 'bad_arguments'],
    ['more than 4 GiB', ['write'], { ciphertextLength: 2 ** 32 + 1 }, {}, 'bad_arguments'],
    ['a digest not canonical', ['write'], { digest: `${'A'.repeat(42)}B` }, {}, 'bad_arguments'],
    ['superseding nothing', ['write'], { supersedes: id16('none') }, {}, 'unknown_superseded'],
  ])('%s', async (_what, rights, overrides, grant, expected) => {
    expect(await attempt(rights, overrides, grant)).toBe(expected);
  });

  it('is refused to everybody without a permission', async () => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    const args = recordArgs(alice);
    expect(outcome(await world.submit(otherDoctor, fn, args))).toBe('no_permission');
    expect(outcome(await world.submit(alice, fn, args))).toBe('role_denied');
    expect(outcome(await world.submit(doctor, fn, args))).toBe('COMMITTED');
    expect(outcome(await world.submit(doctor, fn, args))).toBe('record_exists');
  });
});

describe('the life of a record', () => {
  const objectDigest = text32('digest');
  const registered = async (world: World, overrides: SignedRequest['args'] = {}) => {
    const args = recordArgs(alice, overrides);
    expect(outcome(await world.submit(doctor, 'record.register', args))).toBe('COMMITTED');
    return args['recordId'] as string;
  };
  const stored = async (world: World, overrides: SignedRequest['args'] = {}) => {
    const recordId = await registered(world, overrides);
    const args = { recordId, objectDigest };
    expect(outcome(await world.submit(world.custodian, 'record.stored', args))).toBe('COMMITTED');
    return recordId;
  };
  const start = async () => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    return world;
  };

  it('is stored by the custodian alone, with the registered digest, once', async () => {
    const world = await start();
    const recordId = await registered(world);
    const fn = 'record.stored';
    const args = { recordId, objectDigest };
    for (const who of [alice, doctor, world.operator(), world.membership]) {
      expect(outcome(await world.submit(who, fn, args))).toBe('role_denied');
    }
    const custodian = world.custodian;
    const other = { recordId, objectDigest: text32('other bytes') };
    expect(outcome(await world.submit(custodian, fn, other))).toBe('digest_mismatch');
    expect(outcome(await world.submit(custodian, fn, args))).toBe('COMMITTED');
    expect(outcome(await world.submit(custodian, fn, args))).toBe('already_stored');
    const unknown = { recordId: id16('unknown'), objectDigest };
    expect(outcome(await world.submit(custodian, fn, unknown))).toBe('unknown_record');
  });

  it('awaits the patient, who countersigns its digest or disputes it', async () => {
    const world = await start();
    const recordId = await registered(world);
    const countersign = (who: PatientKeys, digest = objectDigest) =>
      world.submit(who, 'record.countersign', { recordId, objectDigest: digest });
    const dispute = () =>
      world.submit(alice, 'record.dispute', { recordId, reasonCode: 'wrong-patient' });
    expect(outcome(await countersign(alice))).toBe('record_not_stored');
    expect(outcome(await dispute())).toBe('record_not_stored');
    await world.submit(world.custodian, 'record.stored', { recordId, objectDigest });
    const get = () => world.ask(alice, 'record.get', { recordId });
    expect(await get()).toMatchObject({ review: 'awaiting' });
    expect(outcome(await countersign(bob))).toBe('unknown_record');
    expect(outcome(await countersign(alice, text32('other')))).toBe('digest_mismatch');
    expect(outcome(await countersign(alice))).toBe('COMMITTED');
    expect(await get()).toMatchObject({ review: 'countersigned' });
    expect(outcome(await countersign(alice))).toBe('already_countersigned');
    expect(outcome(await dispute())).toBe('COMMITTED');
    expect(await get()).toMatchObject({ review: 'disputed', disputeReason: 'wrong-patient' });
    expect(outcome(await dispute())).toBe('already_disputed');
    expect(await topicsOf(world, doctor)).toContain('record.disputed');
  });

  it('is superseded by a stored correction, never overwritten', async () => {
    const world = await start();
    const first = await stored(world);
    const second = await registered(world, { supersedes: first });
    const third = await registered(world, { supersedes: first });
    const get = (recordId: string) => world.ask(alice, 'record.get', { recordId });
    expect(await get(first)).toMatchObject({ supersededBy: null });
    await world.submit(world.custodian, 'record.stored', { recordId: second, objectDigest });
    await world.submit(world.custodian, 'record.stored', { recordId: third, objectDigest });
    expect(await get(first)).toMatchObject({ supersededBy: second, digest: objectDigest });
    const fourth = await world.submit(
      doctor,
      'record.register',
      recordArgs(alice, { supersedes: first }),
    );
    expect(outcome(fourth)).toBe('already_superseded');
    const unstored = await registered(world);
    const fifth = recordArgs(alice, { supersedes: unstored });
    expect(outcome(await world.submit(doctor, 'record.register', fifth))).toBe(
      'unknown_superseded',
    );
  });

  it('supersedes within its category only', async () => {
    const world = await start();
    const first = await stored(world);
    const categories = [TAG, OTHER_TAG];
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor, { categories }));
    const args = recordArgs(alice, { supersedes: first, categoryTag: OTHER_TAG });
    expect(outcome(await world.submit(doctor, 'record.register', args))).toBe('unknown_superseded');
  });
});

describe('governance.probe', () => {
  it('counts for each hospital', async () => {
    const world = base.fork();
    const fn = 'governance.probe';
    const label = 'smoke-1';
    await world.submit(world.operator(), fn, { label });
    const { hospital } = world.operator();
    const second = await world.submit(world.operator(), fn, { label });
    expect(valueOf(second)).toEqual({ fn, hospital, label, count: 2 });
    const other = await world.submit(world.operator(1), fn, { label });
    expect(valueOf(other)).toMatchObject({ count: 1 });
  });
});

describe('dispatch', () => {
  it('refuses what is not in the table, before arguments and roles', async () => {
    const world = base.fork();
    expect(outcome(await world.submit(doctor, 'record.delete', {}))).toBe('unknown_function');
    expect(outcome(await world.submit(doctor, 'record.get', {}))).toBe('unknown_function');
    expect(outcome(await world.submit(doctor, 'permission.grant', {}))).toBe('bad_arguments');
    const none = { kid: text32('nobody') };
    const probe = { label: 'x' };
    expect(outcome(await world.submit(none, 'governance.probe', probe))).toBe('unknown_signer');
    await expect(world.ask(doctor, 'record.stored')).rejects.toMatchObject({
      code: 'unknown_function',
    });
  });

  it('keeps main functions off other ledgers', async () => {
    const world = base.fork();
    const transaction = world.transaction(world.operator(), 'governance.probe', { label: 'x' });
    const elsewhere = { ...transaction, ledger: 'case-1' };
    expect(outcome(await world.run(elsewhere))).toBe('unknown_function');
  });

  it('stops, and writes no result, where state is corrupt', async () => {
    const world = base.fork();
    world.state.set(`identity/${doctor.kid}`, new Uint8Array([0xa0]));
    await expect(world.submit(doctor, 'record.register', recordArgs(alice))).rejects.toThrow();
  });

  it('a patient who is not registered can only register', async () => {
    const world = base.fork();
    const keys = await world.patientKeys('dave');
    const grant = await world.submit(keys, 'permission.grant', grantArgs(world, doctor));
    expect(outcome(grant)).toBe('unknown_signer');
  });

  it('an unregistered key has no identity', async () => {
    const world = base.fork();
    const kid = thumbprint((await generateSigningKey()).publicKey);
    await expect(world.ask(alice, 'identity.get', { kid })).rejects.toMatchObject({
      code: 'unknown_identity',
    });
    await expect(world.ask(alice, 'identity.get', {})).rejects.toMatchObject({
      code: 'bad_arguments',
    });
  });
});

function tagsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => text32(`tag ${index}`));
}
