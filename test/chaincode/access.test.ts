/** Access: each reason of denial, what a permit names, and that either is in the history. */
import { beforeAll, describe, expect, it } from 'vitest';
import { readCapability } from '../../lib/records/capability.ts';
import { encodeResult, resultSchema } from '../../lib/wire/result.ts';
import { decodeWith } from '../../lib/wire/codec.ts';
import type { Execution } from '../../lib/chaincode/execute.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  DAY,
  grantArgs,
  id16,
  MONTH,
  OTHER_TAG,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  TAG,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

const TREAT = 'TREAT';
const objectDigest = text32('digest');
const recordId = id16('the record');

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let doctor: Person;
let writer: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  doctor = await base.registered('doctor');
  writer = await base.registered('nurse', { hospital: 1 });
  await base.submit(alice, 'permission.grant', grantArgs(base, writer, { rights: ['write'] }));
  await base.submit(writer, 'record.register', recordArgs(alice, { recordId }));
  await base.submit(base.custodian, 'record.stored', { recordId, objectDigest });
});

async function historyOf(world: World): Promise<Record<string, unknown>[]> {
  const page = await world.ask(alice, 'history.list');
  return (page as unknown as { items: Record<string, unknown>[] }).items;
}

/** The result as the custodian gets it: through the bytes of a receipt. */
function received(execution: Execution) {
  const value = valueOf(execution);
  const bytes = encodeResult({ id: '0'.repeat(64), status: 'COMMITTED', code: '', value });
  return decodeWith(resultSchema, bytes, 65_536);
}

describe('access.request', () => {
  const fn = 'access.request';

  it('permits, names the capability and is in the history', async () => {
    const world = base.fork();
    const grant = grantArgs(world, doctor, { rights: ['read'] });
    await world.submit(alice, 'permission.grant', grant);
    const time = world.time;
    const done = await world.submit(doctor, fn, { recordId, purpose: TREAT });
    const { permissionId } = grant;
    expect(valueOf(done)).toEqual({
      fn,
      decision: 'permit',
      recordId,
      readerKid: doctor.kid,
      purpose: TREAT,
      pseudonym: alice.pseudonym,
      objectDigest,
      permissionId,
      team: null,
      decidedAt: time,
      usableUntil: time + 300_000,
    });
    expect(readCapability('access', received(done))).toMatchObject({ objectDigest });
    expect((await historyOf(world)).at(-1)).toMatchObject({
      fn,
      decision: 'permit',
      reason: null,
      recordId,
      permissionId,
      purpose: TREAT,
      time,
      actor: { kid: doctor.kid, subject: doctor.subject, role: 'doctor', hospital: 'hospital-a' },
    });
  });

  it('is usable no longer than the grant', async () => {
    const world = base.fork();
    const until = world.time + 1_000;
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor, { until }));
    const done = await world.submit(doctor, fn, { recordId, purpose: TREAT });
    expect(valueOf(done)).toMatchObject({ usableUntil: until });
    const later = world.fork();
    later.time = until - 1;
    const request = { recordId, purpose: TREAT };
    expect(valueOf(await later.submit(doctor, fn, request))).toMatchObject({ decision: 'permit' });
    expect(later.time).toBe(until);
    expect(valueOf(await later.submit(doctor, fn, request))).toMatchObject({
      decision: 'deny',
      reason: 'permission_expired',
    });
  });

  it.each<[string, SignedRequest['args'] | null, string, string]>([
    ['no permission', null, TREAT, 'no_permission'],
    [
      'a permission that starts later',
      { from: 2 ** 46, until: 2 ** 47 },
      TREAT,
      'permission_not_yet_valid',
    ],
    ['write alone', { rights: ['write'] }, TREAT, 'right_not_granted'],
    ['another category', { categories: [OTHER_TAG] }, TREAT, 'category_not_granted'],
    ['later data', { dataFrom: '2025-12' }, TREAT, 'period_not_granted'],
    ['earlier data', { dataUntil: '2025-10' }, TREAT, 'period_not_granted'],
    ['another purpose', {}, 'RESCH', 'purpose_not_granted'],
    ['breaking the glass', {}, 'BTG', 'purpose_not_granted'],
  ])('denies %s, in value and history', async (_what, grant, purpose, reason) => {
    const world = base.fork();
    if (grant) await world.submit(alice, 'permission.grant', grantArgs(world, doctor, grant));
    const done = await world.submit(doctor, fn, { recordId, purpose });
    expect(valueOf(done)).toEqual({
      fn,
      decision: 'deny',
      reason,
      recordId,
      readerKid: doctor.kid,
      purpose,
      decidedAt: world.time - 1,
    });
    expect(() => readCapability('access', received(done))).toThrow();
    expect((await historyOf(world)).at(-1)).toMatchObject({ decision: 'deny', reason, recordId });
    expect(await topicsOf(world, alice)).toContain('access.denied');
  });

  it('starts in the very millisecond that the grant names', async () => {
    const world = base.fork();
    const from = world.time + 5_000;
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor, { from }));
    const request = { recordId, purpose: TREAT };
    world.time = from - 1;
    const early = valueOf(await world.submit(doctor, fn, request));
    expect(early).toMatchObject({ decision: 'deny', reason: 'permission_not_yet_valid' });
    expect(world.time).toBe(from);
    expect(valueOf(await world.submit(doctor, fn, request))).toMatchObject({ decision: 'permit' });
  });

  it('denies from the block of a revocation on', async () => {
    const world = base.fork();
    const grant = grantArgs(world, doctor);
    await world.submit(alice, 'permission.grant', grant);
    const request = { recordId, purpose: TREAT };
    expect(valueOf(await world.submit(doctor, fn, request))).toMatchObject({ decision: 'permit' });
    await world.submit(alice, 'permission.revoke', { permissionId: grant['permissionId']! });
    const after = await world.submit(doctor, fn, request);
    expect(valueOf(after)).toMatchObject({ decision: 'deny', reason: 'permission_revoked' });
  });

  it('takes the permission that lasts longest, and gives the nearest reason', async () => {
    const world = base.fork();
    const long = grantArgs(world, doctor, { until: world.time + 60 * DAY });
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    await world.submit(alice, 'permission.grant', long);
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    const request = { recordId, purpose: TREAT };
    const done = await world.submit(doctor, fn, request);
    expect(valueOf(done)).toMatchObject({ permissionId: long['permissionId'] });
    const asked = await world.submit(doctor, fn, { recordId, purpose: 'HPAYMT' });
    expect(valueOf(asked)).toMatchObject({ reason: 'purpose_not_granted' });
  });

  it('denies what is not stored, to the patient too', async () => {
    const world = base.fork();
    const other = recordArgs(alice);
    await world.submit(writer, 'record.register', other);
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    const id = other['recordId'] as string;
    for (const [who, purpose] of [
      [doctor, TREAT],
      [alice, 'PATRQT'],
    ] as const) {
      const done = await world.submit(who, fn, { recordId: id, purpose });
      expect(valueOf(done)).toMatchObject({ decision: 'deny', reason: 'record_not_stored' });
    }
  });

  it('permits the patient, on request of the patient, by the owner key', async () => {
    const world = base.fork();
    const own = await world.submit(alice, fn, { recordId, purpose: 'PATRQT' });
    const readerKid = alice.ownerKid;
    expect(valueOf(own)).toMatchObject({ decision: 'permit', readerKid, permissionId: null });
    const other = await world.submit(alice, fn, { recordId, purpose: TREAT });
    expect(valueOf(other)).toMatchObject({ decision: 'deny', reason: 'purpose_not_granted' });
  });

  it('knows no record that is another patient’s, or no record at all', async () => {
    const world = base.fork();
    const before = (await historyOf(world)).length;
    const stranger = await world.submit(bob, fn, { recordId, purpose: 'PATRQT' });
    expect(outcome(stranger)).toBe('unknown_record');
    const nothing = { recordId: id16('nothing'), purpose: TREAT };
    expect(outcome(await world.submit(doctor, fn, nothing))).toBe('unknown_record');
    expect(await historyOf(world)).toHaveLength(before);
  });

  it('tells the patient of a permit by an event, and of own reading by none', async () => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    const done = await world.submit(doctor, fn, { recordId, purpose: TREAT });
    const events = [{ audience: alice.pseudonym, topic: 'access.permitted' }];
    expect(done).toMatchObject({ status: 'COMMITTED', events });
    const own = await world.submit(alice, fn, { recordId, purpose: 'PATRQT' });
    expect(own).toMatchObject({ status: 'COMMITTED', events: [] });
  });
});

describe('access.list', () => {
  const fn = 'access.list';
  const args = () => ({ pseudonym: alice.pseudonym, purpose: TREAT });

  it('names the granted categories and their months', async () => {
    const world = base.fork();
    const soon = world.time + 10_000;
    const grants: SignedRequest['args'][] = [
      { dataFrom: '2025-01', dataUntil: MONTH },
      { categories: [OTHER_TAG], until: soon },
      { categories: [text32('for research')], purposes: ['RESCH'] },
      { categories: [text32('only written')], rights: ['write'] },
    ];
    for (const grant of grants) {
      await world.submit(alice, 'permission.grant', grantArgs(world, doctor, grant));
    }
    const done = await world.submit(doctor, fn, args());
    const tags = [TAG, OTHER_TAG].sort();
    expect(valueOf(done)).toMatchObject({
      decision: 'permit',
      all: false,
      tags,
      usableUntil: soon,
      readerKid: doctor.kid,
      scopes: [
        { tag: TAG, dataFrom: '2025-01', dataUntil: MONTH },
        { tag: OTHER_TAG, dataFrom: null, dataUntil: null },
      ],
    });
    expect(readCapability('list', received(done))).toMatchObject({ readerKid: doctor.kid });
    expect((await historyOf(world)).at(-1)).toMatchObject({ fn, decision: 'permit' });
  });

  it('denies and remembers', async () => {
    const world = base.fork();
    const done = await world.submit(doctor, fn, args());
    expect(valueOf(done)).toMatchObject({ decision: 'deny', reason: 'no_permission' });
    expect(() => readCapability('list', received(done))).toThrow();
    const last = (await historyOf(world)).at(-1);
    expect(last).toMatchObject({ fn, decision: 'deny', reason: 'no_permission' });
    const unknown = { ...args(), pseudonym: text32('nobody') };
    expect(outcome(await world.submit(doctor, fn, unknown))).toBe('unknown_patient');
  });

  it('gives the patient everything, and nothing of another', async () => {
    const world = base.fork();
    const own = { ...args(), purpose: 'PATRQT' };
    expect(valueOf(await world.submit(alice, fn, own))).toMatchObject({ all: true, tags: [] });
    expect(valueOf(await world.submit(alice, fn, args()))).toMatchObject({ decision: 'deny' });
    expect(outcome(await world.submit(bob, fn, own))).toBe('unknown_patient');
  });
});

it('every other receipt that the custodian takes reads as its kind, and as no other', async () => {
  const world = base.fork();
  const grant = await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
  const register = await world.submit(writer, 'record.register', recordArgs(alice));
  const keys = await world.submit(alice, 'patient.publish-keys', {
    categoryKeysRoot: text32('root 2'),
    categoryKeysFrom: MONTH,
  });
  const kinds = ['grant', 'register', 'publish', 'access', 'list'] as const;
  const readable = (execution: Execution) =>
    kinds.filter((kind) => {
      try {
        readCapability(kind, received(execution));
        return true;
      } catch {
        return false;
      }
    });
  expect(readable(grant)).toEqual(['grant']);
  expect(readable(register)).toEqual(['register']);
  expect(readable(keys)).toEqual(['publish']);
});

describe('state values stay within their bound', () => {
  it('with 16 permissions of 32 categories each', async () => {
    const world = base.fork();
    for (let index = 0; index < 16; index += 1) {
      const categories = Array.from({ length: 32 }, (_, at) => text32(`tag ${index} ${at}`));
      const grant = grantArgs(world, doctor, { categories });
      expect(outcome(await world.submit(alice, 'permission.grant', grant))).toBe('COMMITTED');
    }
    const args = { pseudonym: alice.pseudonym, purpose: TREAT };
    const done = await world.submit(doctor, 'access.list', args);
    expect(valueOf(done)['tags']).toHaveLength(512);
    const bytes = encodeResult({
      id: '0'.repeat(64),
      status: 'COMMITTED',
      code: '',
      value: valueOf(done),
    });
    expect(bytes.length).toBeLessThan(128 * 1024);
  });
});
