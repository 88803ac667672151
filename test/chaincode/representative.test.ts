/** Representatives: no more than what was stated, for as long as it was, and seen by the patient. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { rotationSigningBytes, type Successor } from '../../lib/chaincode/rotation.ts';
import type { HistoryEntry, Permission } from '../../lib/chaincode/values.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { type SignedRequest, verifyTransaction } from '../../lib/wire/transaction.ts';
import {
  type Acting,
  ALL_POWERS,
  appointArgs,
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
  representativeKeys,
  TAG,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

const permissionId = id16('the appointment');
const recordId = id16('a record');
const otherRecordId = id16('a record of another category');
const digest = text32('digest');

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let rosa: PatientKeys;
let doctor: Person;
let nurse: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  doctor = await base.registered('doctor');
  nurse = await base.registered('nurse');
  rosa = await representativeKeys(base, alice);
  const categories = [TAG, OTHER_TAG];
  valueOf(await base.submit(alice, 'permission.grant', grantArgs(base, doctor, { categories })));
  for (const [id, categoryTag] of [
    [recordId, TAG],
    [otherRecordId, OTHER_TAG],
  ] as const) {
    const args = recordArgs(alice, { recordId: id, categoryTag });
    valueOf(await base.submit(doctor, 'record.register', args));
    valueOf(
      await base.submit(base.custodian, 'record.stored', { recordId: id, objectDigest: digest }),
    );
  }
});

const appoint = async (world: World, change: SignedRequest['args'] = {}, keys = rosa) =>
  world.submit(
    alice,
    'representative.appoint',
    await appointArgs(world, keys, { permissionId, ...change }),
  );
const end = (world: World, who: Acting = alice) =>
  world.submit(who, 'representative.end', { permissionId });
const grants = (world: World, change: SignedRequest['args'] = {}, who: Acting = rosa) =>
  world.submit(who, 'permission.grant', grantArgs(world, nurse, { rights: ['read'], ...change }));
const reads = (world: World, who: Acting, id = recordId, purpose = 'PATRQT') =>
  world.submit(who, 'access.request', { recordId: id, purpose });

/** `permit`, or the reason of a denial or refusal. */
async function access(world: World, who: Acting, id = recordId, purpose = 'PATRQT') {
  const done = await reads(world, who, id, purpose);
  if (done.status === 'INVALID') return done.code;
  const { decision, reason } = valueOf(done) as { decision: string; reason?: string };
  return reason ?? decision;
}

async function appointed(change: SignedRequest['args'] = {}): Promise<World> {
  const world = base.fork();
  valueOf(await appoint(world, change));
  return world;
}

async function asked(world: World, who: Acting, fn: string, args: SignedRequest['args'] = {}) {
  try {
    await world.ask(who, fn, args);
    return 'answered';
  } catch (error) {
    if (error instanceof ChaincodeError) return error.code;
    throw error;
  }
}

async function rotated(world: World): Promise<PatientKeys> {
  const to = await world.patientKeys('alice, after a rotation');
  const args = registerArgs(to) as unknown as Omit<Successor, 'ownerSignature'>;
  const successor = { ...args, sealingKeyDigest: text32('sealing key') };
  const bytes = rotationSigningBytes({ network: NETWORK, from: alice.pseudonym, successor });
  const ownerSignature = toBase64url(await to.owner.sign(bytes));
  valueOf(await world.submit(alice, 'patient.rotate-begin', { ...successor, ownerSignature }));
  return to;
}

/** Everything that a representative can try, and the power that it takes. */
const acts: Record<string, { power: string; run: (world: World) => Promise<string> }> = {
  read: { power: 'read', run: (world) => access(world, rosa) },
  list: {
    power: 'read',
    run: async (world) => {
      const args = { pseudonym: alice.pseudonym, purpose: 'PATRQT' };
      const done = await world.submit(rosa, 'access.list', args);
      if (done.status === 'INVALID') return done.code;
      const { decision, reason } = valueOf(done) as { decision: string; reason?: string };
      return reason ?? decision;
    },
  },
  grant: {
    power: 'grant',
    run: async (world) =>
      outcome(await grants(world, { rights: ['write'], until: world.time + 2 })),
  },
  revoke: {
    power: 'revoke',
    run: async (world) => {
      const args = grantArgs(world, nurse);
      valueOf(await world.submit(alice, 'permission.grant', args));
      return outcome(
        await world.submit(rosa, 'permission.revoke', { permissionId: args['permissionId']! }),
      );
    },
  },
  countersign: {
    power: 'countersign',
    run: async (world) =>
      outcome(await world.submit(rosa, 'record.countersign', { recordId, objectDigest: digest })),
  },
  dispute: {
    power: 'countersign',
    run: async (world) =>
      outcome(await world.submit(rosa, 'record.dispute', { recordId, reasonCode: 'other' })),
  },
  history: { power: 'history', run: (world) => asked(world, rosa, 'history.list') },
};
const done = new Set(['permit', 'COMMITTED', 'answered']);
const refused = new Set(['power_not_given', 'right_not_granted']);

describe('what an appointment gives', () => {
  const cases = Object.keys(acts).flatMap((act) =>
    ALL_POWERS.map((power) => [act, power] as const),
  );
  it.each(cases)('%s with the right to %s alone', async (act, power) => {
    const { power: needed, run } = acts[act]!;
    const result = await run(await appointed({ powers: [power] }));
    expect(needed === power ? done : refused).toContain(result);
  });

  it.each(Object.keys(acts))(
    '%s: from its first moment to its last, and not beyond',
    async (act) => {
      const { run } = acts[act]!;
      const world = base.fork();
      const [from, until] = [world.time + DAY, world.time + 2 * DAY];
      valueOf(await appoint(world, { from, until }));
      const at = async (time: number): Promise<string> => {
        const then = world.fork();
        then.time = time;
        return run(then);
      };
      expect(await at(from - 2)).toBe('appointment_not_yet_valid');
      expect(done).toContain(await at(from));
      // The patient's own permission that is to be revoked takes a block of its own before.
      expect(done).toContain(await at(until - 2));
      expect(await at(until)).toBe('appointment_over');
    },
  );

  it.each(Object.keys(acts))(
    '%s: not once the patient ended it, rotated or erased',
    async (act) => {
      const { run } = acts[act]!;
      const world = await appointed();
      const [ended, moved, gone] = [world.fork(), world.fork(), world.fork()];
      const prepared = async (one: World): Promise<string> => run(one);
      valueOf(await end(ended));
      await rotated(moved);
      valueOf(await gone.submit(alice, 'patient.erase', {}));
      if (act !== 'revoke') {
        expect(await prepared(ended)).toBe('appointment_ended');
        expect(await prepared(moved)).toBe('appointment_ended');
        expect(await prepared(gone)).toBe('patient_erased');
      } else {
        const args = { permissionId };
        expect(outcome(await ended.submit(rosa, 'permission.revoke', args))).toBe(
          'appointment_ended',
        );
        expect(outcome(await moved.submit(rosa, 'permission.revoke', args))).toBe(
          'appointment_ended',
        );
        expect(outcome(await gone.submit(rosa, 'permission.revoke', args))).toBe('patient_erased');
      }
    },
  );

  it('categories and months bound what is read and confirmed', async () => {
    const world = await appointed();
    expect(await access(world, rosa)).toBe('permit');
    expect(await access(world, rosa, otherRecordId)).toBe('category_not_granted');
    expect(await access(world, rosa, recordId, 'TREAT')).toBe('purpose_not_granted');
    const other = { recordId: otherRecordId, objectDigest: digest };
    expect(outcome(await world.submit(rosa, 'record.countersign', other))).toBe('unknown_record');
    expect(await asked(world, rosa, 'record.get', { recordId: otherRecordId })).toBe(
      'unknown_record',
    );
    const earlier = await appointed({ dataUntil: '2025-10' });
    expect(await access(earlier, rosa)).toBe('period_not_granted');
    const own = { recordId, objectDigest: digest };
    expect(outcome(await earlier.submit(rosa, 'record.countersign', own))).toBe('unknown_record');
    expect(await asked(earlier, rosa, 'record.list', { categoryTag: TAG })).toBe(
      'period_not_granted',
    );
    expect(await asked(world, rosa, 'record.list', { categoryTag: TAG })).toBe('answered');
    expect(await asked(world, rosa, 'record.list', { categoryTag: OTHER_TAG })).toBe(
      'category_not_granted',
    );
  });

  it('another patient is another matter', async () => {
    const world = await appointed();
    const { pseudonym } = bob;
    const list = { pseudonym, purpose: 'PATRQT' };
    expect(outcome(await world.submit(rosa, 'access.list', list))).toBe('unknown_patient');
    expect(await asked(world, rosa, 'history.list', { pseudonym })).toBe('unknown_patient');
    expect(await asked(world, rosa, 'patient.permissions', { pseudonym })).toBe('unknown_patient');
    const given = grantArgs(world, nurse);
    valueOf(await world.submit(bob, 'permission.grant', given));
    const id = { permissionId: given['permissionId']! };
    expect(outcome(await world.submit(rosa, 'permission.revoke', id))).toBe('unknown_permission');
    expect(await asked(world, rosa, 'permission.get', id)).toBe('unknown_permission');
  });

  it('each thing that is done is in the history, by whom, with a notice', async () => {
    const world = await appointed();
    const before = (await topicsOf(world, alice)).length;
    await access(world, rosa);
    await access(world, rosa, otherRecordId);
    valueOf(await grants(world));
    valueOf(await world.submit(rosa, 'record.countersign', { recordId, objectDigest: digest }));
    const page = (await world.ask(alice, 'history.list')) as unknown as { items: HistoryEntry[] };
    const own = page.items.filter(({ actor }) => actor.kid === rosa.ownerKid);
    expect(own.map(({ fn, decision }) => [fn, decision])).toEqual([
      ['access.request', 'permit'],
      ['access.request', 'deny'],
      ['permission.grant', 'done'],
      ['record.countersign', 'done'],
    ]);
    expect(new Set(own.map(({ actor }) => actor.role))).toEqual(new Set(['representative']));
    const topics = (await topicsOf(world, alice)).slice(before);
    expect(topics).toEqual(Array.from({ length: 4 }, () => 'representative.acted'));
  });
});

describe('what a representative gives', () => {
  it.each([
    ['another category', { categories: [TAG, OTHER_TAG] }],
    ['longer', { until: 1_764_000_000_000 + 95 * DAY }],
    ['earlier', { from: 0 }],
    ['another purpose', { purposes: ['TREAT', 'RESCH'] }],
    ['sharing for a study', { rights: ['read', 'share'], study: 'a', anonymise: true }],
  ])('%s goes beyond it', async (_what, change) => {
    const world = await appointed();
    const grantee = doctor.subject;
    expect(outcome(await grants(world, { ...change, grantee }))).toBe('beyond_appointment');
  });

  it('earlier or open months of data go beyond months that are bounded', async () => {
    const world = await appointed({ dataFrom: MONTH });
    expect(outcome(await grants(world))).toBe('beyond_appointment');
    expect(outcome(await grants(world, { dataFrom: '2025-10' }))).toBe('beyond_appointment');
    expect(outcome(await grants(world, { dataFrom: MONTH }))).toBe('COMMITTED');
  });

  it('reading only where the representative reads', async () => {
    const world = await appointed({ powers: ['grant'] });
    expect(outcome(await grants(world))).toBe('beyond_appointment');
    expect(outcome(await grants(world, { rights: ['write'] }))).toBe('COMMITTED');
  });

  it('nothing to another representative, and no appointment of one', async () => {
    const world = await appointed();
    const other = await representativeKeys(world, alice);
    const args = await appointArgs(world, other);
    expect(outcome(await world.submit(rosa, 'representative.appoint', args))).toBe('role_denied');
    expect(outcome(await grants(world, { grantee: other.ownerKid }))).toBe('grantee_unknown');
  });

  it('ends with the appointment: in its block, for whoever holds it', async () => {
    const world = await appointed();
    const given = id16('given by rosa');
    valueOf(await grants(world, { permissionId: given }));
    expect(await access(world, nurse, recordId, 'TREAT')).toBe('permit');
    valueOf(await end(world));
    expect(await access(world, nurse, recordId, 'TREAT')).toBe('permission_revoked');
    const page = await world.ask(nurse, 'permission.received');
    const { items } = page as unknown as { items: Permission[] };
    expect(items.map(({ revoked }) => revoked !== null)).toEqual([true]);
    const own = await world.ask(alice, 'patient.permissions');
    const found = (own as unknown as { items: Permission[] }).items.find(({ id }) => id === given);
    expect(found?.revoked).not.toBeNull();
  });

  it('room that a dishonest one used up comes back with the end', async () => {
    const world = await appointed();
    let last = '';
    for (let count = 0; count < 20 && last !== 'too_many_permissions'; count += 1) {
      last = outcome(await grants(world));
    }
    expect(last).toBe('too_many_permissions');
    expect(outcome(await grants(world, {}, alice))).toBe('too_many_permissions');
    valueOf(await end(world));
    expect(outcome(await grants(world, {}, alice))).toBe('COMMITTED');
  });

  it('is given again by the patient on a new appointment, never beyond it', async () => {
    const world = await appointed();
    const to = await rotated(world);
    const again = id16('appointed again');
    const args = await appointArgs(world, rosa, { permissionId: again });
    valueOf(await world.submit(to, 'representative.appoint', args));
    const on = { appointmentId: again };
    expect(outcome(await grants(world, { ...on, categories: [OTHER_TAG] }, to))).toBe(
      'beyond_appointment',
    );
    expect(outcome(await grants(world, on, to))).toBe('COMMITTED');
    const wrong = { appointmentId: permissionId };
    expect(outcome(await grants(world, wrong, to))).toBe('unknown_permission');
    expect(outcome(await grants(world, on, bob))).toBe('unknown_permission');
    expect(outcome(await grants(world, wrong))).toBe('beyond_appointment');
  });
});

describe('what a representative ends', () => {
  const granted = async (world: World, change: SignedRequest['args']): Promise<string> => {
    const args = grantArgs(world, nurse, change);
    valueOf(await world.submit(alice, 'permission.grant', args));
    return args['permissionId'] as string;
  };
  const revokes = async (world: World, id: string, more: SignedRequest['args'] = {}) =>
    outcome(await world.submit(rosa, 'permission.revoke', { permissionId: id, ...more }));

  it('what lies within categories and months, however long it would have lasted', async () => {
    const world = await appointed({ dataFrom: MONTH });
    const [both, open, within] = [
      await granted(world, { categories: [TAG, OTHER_TAG], dataFrom: MONTH }),
      await granted(world, {}),
      await granted(world, { dataFrom: MONTH, until: world.time + 400 * DAY }),
    ];
    expect(await revokes(world, both)).toBe('beyond_appointment');
    expect(await revokes(world, open)).toBe('beyond_appointment');
    expect(await revokes(world, within)).toBe('COMMITTED');
    expect(await topicsOf(world, alice)).toContain('representative.revoked');
  });

  it('never an appointment, and never with new keys', async () => {
    const world = await appointed();
    const id = await granted(world, {});
    expect(await revokes(world, permissionId)).toBe('is_appointment');
    const renewal = {
      revisions: [{ categoryTag: TAG, from: MONTH, until: MONTH, revision: 1 }],
      ...{ categoryKeysRoot: text32('root 2'), categoryKeysFrom: MONTH },
    };
    expect(await revokes(world, id, renewal)).toBe('beyond_appointment');
  });
});

describe('appointing', () => {
  it('takes a card that its key signed for this network', async () => {
    const world = base.fork();
    const other = await representativeKeys(world, alice);
    const { signature } = await appointArgs(world, other);
    expect(outcome(await appoint(world, { signature: signature! }))).toBe('bad_representative_key');
    const swapped = { encryptionKeyDigest: text32('of somebody else') };
    expect(outcome(await appoint(world, swapped))).toBe('bad_representative_key');
  });

  it('refuses a key that is used: an owner’s, an identity’s, another appointment’s', async () => {
    const world = base.fork();
    expect(outcome(await appoint(world, {}, bob))).toBe('representative_key_taken');
    const clinician = { ...rosa, owner: doctor.key };
    expect(outcome(await appoint(world, {}, clinician))).toBe('representative_key_taken');
    valueOf(await appoint(world));
    const again = await appointArgs(world, rosa);
    expect(outcome(await world.submit(alice, 'representative.appoint', again))).toBe(
      'representative_key_taken',
    );
    expect(outcome(await world.submit(bob, 'representative.appoint', again))).toBe(
      'representative_key_taken',
    );
    valueOf(await end(world));
    expect(outcome(await world.submit(bob, 'representative.appoint', again))).toBe(
      'representative_key_taken',
    );
    expect(outcome(await world.submit(alice, 'representative.appoint', again))).toBe('COMMITTED');
  });

  it('a key that acts for a patient becomes no owner key', async () => {
    const world = await appointed();
    const keys = { ...rosa, pseudonym: text32('a pseudonym of her own') };
    expect(outcome(await world.submit(rosa, 'patient.register', registerArgs(keys)))).toBe(
      'role_denied',
    );
    const args = registerArgs(keys) as unknown as Omit<Successor, 'ownerSignature'>;
    const successor = { ...args, sealingKeyDigest: text32('sealing key') };
    const bytes = rotationSigningBytes({ network: NETWORK, from: alice.pseudonym, successor });
    const ownerSignature = toBase64url(await rosa.owner.sign(bytes));
    const begin = { ...successor, ownerSignature };
    expect(outcome(await world.submit(alice, 'patient.rotate-begin', begin))).toBe(
      'owner_key_taken',
    );
  });

  it('is ended by the patient alone, once, and changed by nobody', async () => {
    const world = await appointed();
    expect(outcome(await end(world, bob))).toBe('unknown_permission');
    expect(outcome(await end(world, rosa))).toBe('role_denied');
    const target = { permissionId, version: 1 };
    for (const fn of ['permission.narrow', 'permission.extend']) {
      const change = { ...target, until: world.time + 10 * DAY };
      expect(outcome(await world.submit(alice, fn, change))).toBe('is_appointment');
    }
    expect(outcome(await world.submit(alice, 'permission.revoke', { permissionId }))).toBe(
      'is_appointment',
    );
    expect(outcome(await end(world))).toBe('COMMITTED');
    expect(outcome(await end(world))).toBe('already_revoked');
    const list = (await world.ask(alice, 'representative.list')) as unknown as {
      items: { permission: Permission; powers: string[] }[];
    };
    expect(list.items[0]?.powers).toEqual(ALL_POWERS);
    expect(list.items[0]?.permission.revoked).not.toBeNull();
  });
});

describe('signatures', () => {
  async function judge(world: World, keys: PatientKeys, fn = 'representative.mine') {
    const signed = await world.signed(keys, fn, {});
    try {
      const found = await resolveKeys(world, signed, { time: world.time, network: NETWORK });
      return (await verifyTransaction(signed, found)) ? 'verified' : 'bad_signature';
    } catch (error) {
      if (error instanceof ChaincodeError) return error.code;
      throw error;
    }
  }

  it('need the appointed key inside a certificate of a representative', async () => {
    const world = await appointed();
    const other = await representativeKeys(world, alice);
    expect(await judge(world, rosa)).toBe('verified');
    expect(await judge(world, { ...rosa, oneTime: other.oneTime, tcert: other.tcert })).toBe(
      'verified',
    );
    expect(await judge(world, other)).toBe('not_appointed');
    expect(await judge(world, { ...rosa, owner: other.owner })).toBe('bad_signature');
    const asPatient = { ...rosa, oneTime: alice.oneTime, tcert: alice.tcert };
    expect(await judge(world, asPatient)).toBe('unknown_signer');
    const asOwner = { ...alice, oneTime: rosa.oneTime, tcert: rosa.tcert };
    expect(await judge(world, asOwner)).toBe('certificate_role');
  });

  it('end with the certificates of somebody who is enrolled no more', async () => {
    const world = await appointed({ until: base.time + 400 * DAY });
    const until = world.time + 7 * DAY;
    const { key, der } = await world.certify({ kind: 'tcert', role: 'representative' }, { until });
    const keys = { ...rosa, oneTime: key, tcert: der };
    expect(await judge(world, keys)).toBe('verified');
    world.time = until + 2 * DAY;
    expect(await judge(world, keys)).toBe('certificate_expired');
  });
});

const some = <T>(list: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...list], { minLength: 1 });
const period = fc
  .subarray(['2025-09', '2025-10', '2025-11', '2025-12'], { minLength: 2, maxLength: 2 })
  .chain(([dataFrom, dataUntil]) =>
    fc.record(
      { dataFrom: fc.constant(dataFrom!), dataUntil: fc.constant(dataUntil!) },
      { requiredKeys: [] },
    ),
  );
/** All of them half of the time, so that enough lies within. */
const most = <T>(list: readonly T[]): fc.Arbitrary<T[]> =>
  fc.oneof(some(list), fc.constant<T[]>([...list]));
const days = fc.constantFrom(10, 30, 60);
const shared = (of: typeof some) => ({
  categories: of([TAG, OTHER_TAG]),
  purposes: of(['TREAT', 'HPAYMT', 'RESCH']),
});
const statedOf = fc.record({ ...shared(most), powers: most(ALL_POWERS), period, days });
const rights = some(['read', 'write']);
const triedOf = fc.record({
  ...shared(some),
  rights,
  period,
  days,
  starts: fc.constantFrom(-1, 0, 1),
});

it('whatever is stated and whatever is tried: nothing is ever given beyond it', async () => {
  const counts = { given: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(statedOf, triedOf, async (stated, tried) => {
      const world = base.fork();
      const from = world.time;
      const until = from + stated.days * DAY;
      const { powers, categories, purposes } = stated;
      valueOf(
        await appoint(world, { powers, categories, purposes, from, until, ...stated.period }),
      );
      const given = {
        ...{ rights: tried.rights, categories: tried.categories, purposes: tried.purposes },
        ...{ from: from + tried.starts * DAY, until: from + tried.days * DAY, ...tried.period },
      };
      const isIn = (inner: readonly string[], outer: readonly string[]) =>
        inner.every((one) => outer.includes(one));
      const isWithin =
        powers.includes('grant') &&
        (powers.includes('read') || !tried.rights.includes('read')) &&
        isIn(tried.categories, categories) &&
        isIn(tried.purposes, purposes) &&
        given.from >= from &&
        given.until <= until &&
        (tried.period.dataFrom ?? '') >= (stated.period.dataFrom ?? '') &&
        (tried.period.dataUntil ?? '9999') <= (stated.period.dataUntil ?? '9999');
      expect(outcome(await grants(world, given)) === 'COMMITTED').toBe(isWithin);
      counts[isWithin ? 'given' : 'refused'] += 1;
    }),
    { numRuns: 300, seed: 20_261_126 },
  );
  expect(counts.given).toBeGreaterThan(5);
  expect(counts.refused).toBeGreaterThan(50);
});
