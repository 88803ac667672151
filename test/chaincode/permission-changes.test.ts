/** Narrow, extend, reseal: who may, in which state, and what each leaves behind. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { objectionOf } from '../../lib/chaincode/decision.ts';
import { liesWithin, type Terms } from '../../lib/chaincode/terms.ts';
import type { Permission } from '../../lib/chaincode/values.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  DAY,
  grantArgs,
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

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let doctor: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  doctor = await base.registered('doctor');
});

type Args = SignedRequest['args'];
const full = (world: World): Args => ({
  rights: ['read', 'write', 'share'],
  categories: [TAG, OTHER_TAG],
  purposes: ['TREAT', 'RESCH'],
  study: 'study-1',
  anonymise: false,
  from: world.time,
  until: world.time + 30 * DAY,
  dataFrom: '2025-02',
  dataUntil: '2025-10',
});

async function granted(world: World, overrides: Args = {}) {
  const args = grantArgs(world, doctor, { ...full(world), ...overrides });
  expect(outcome(await world.submit(alice, 'permission.grant', args))).toBe('COMMITTED');
  return { permissionId: args['permissionId'] as string, version: 1 };
}

const now = (world: World, permissionId: string): Promise<Permission> =>
  world.ask(alice, 'permission.get', { permissionId }) as unknown as Promise<Permission>;

describe('permission.narrow', () => {
  const fn = 'permission.narrow';
  it.each<[string, (world: World) => Args, string]>([
    ['fewer categories', () => ({ categories: [TAG] }), 'COMMITTED'],
    ['fewer rights', () => ({ rights: ['read'] }), 'COMMITTED'],
    ['fewer purposes', () => ({ purposes: ['TREAT'] }), 'COMMITTED'],
    ['a shorter time', (w) => ({ until: w.time + DAY }), 'COMMITTED'],
    ['a later start', (w) => ({ from: w.time + DAY }), 'COMMITTED'],
    ['data of fewer months', () => ({ dataFrom: '2025-03', dataUntil: '2025-09' }), 'COMMITTED'],
    ['anonymised from now on', () => ({ anonymise: true }), 'COMMITTED'],
    ['nothing', () => ({}), 'terms_unchanged'],
    ['the same', () => ({ categories: [OTHER_TAG, TAG] }), 'terms_unchanged'],
    ['another category', () => ({ categories: [text32('tag third')] }), 'not_narrower'],
    ['another purpose', () => ({ purposes: ['HPAYMT'] }), 'not_narrower'],
    ['a longer time', (w) => ({ until: w.time + 31 * DAY }), 'not_narrower'],
    ['an earlier start', (w) => ({ from: w.time - DAY }), 'not_narrower'],
    ['data of earlier months', () => ({ dataFrom: '2025-01' }), 'not_narrower'],
    ['data of later months', () => ({ dataUntil: '2025-11' }), 'not_narrower'],
    ['share without read', () => ({ rights: ['share'] }), 'bad_arguments'],
    ['no right', () => ({ rights: [] }), 'bad_arguments'],
    ['an end before the start', (w) => ({ until: w.time - 2 * DAY }), 'permission_over'],
    ['an end that is now', (w) => ({ until: w.time }), 'permission_over'],
    ['one step past now', (w) => ({ until: w.time + 1 }), 'COMMITTED'],
    ['a team’s key', () => ({ teamEpoch: 1 }), 'bad_arguments'],
    ['a root without revisions', () => ({ categoryKeysRoot: text32('root') }), 'bad_arguments'],
  ])('%s', async (_what, change, expected) => {
    const world = base.fork();
    const target = await granted(world);
    const args = { ...target, ...change(world) };
    expect(outcome(await world.submit(alice, fn, args))).toBe(expected);
  });

  it('is the patient’s alone', async () => {
    const world = base.fork();
    const args = { ...(await granted(world)), rights: ['read'] };
    expect(outcome(await world.submit(bob, fn, args))).toBe('unknown_permission');
    expect(outcome(await world.submit(doctor, fn, args))).toBe('role_denied');
  });

  it('acts in its block, and drops the study with the right', async () => {
    const world = base.fork();
    const target = await granted(world);
    const value = valueOf(await world.submit(alice, fn, { ...target, rights: ['read'] }));
    expect(value).toMatchObject({ fn, version: 2, rights: ['read'] });
    expect(value['receiptsUsableUntil']).toBe(world.time - 1 + 300_000);
    expect(value['shareDigest']).toBeUndefined();
    const after = await now(world, target.permissionId);
    expect(after).toMatchObject({ rights: ['read'], study: null, anonymise: null });
    const write = await world.submit(doctor, 'record.register', recordArgs(alice));
    expect(outcome(write)).toBe('right_not_granted');
  });

  it('renews keys and replaces the share in the same block', async () => {
    const world = base.fork();
    const target = await granted(world);
    const revisions = [{ categoryTag: OTHER_TAG, from: MONTH, until: '2026-02', revision: 1 }];
    const root = { categoryKeysRoot: text32('root 2'), categoryKeysFrom: MONTH };
    const share = { shareDigest: text32('share 2') };
    const args = { ...target, categories: [TAG], ...share, revisions, ...root };
    const value = valueOf(await world.submit(alice, fn, args));
    expect(value).toMatchObject({ ...root, ...share, granteeKid: doctor.kid, team: null });
    expect(value).toMatchObject({ version: 2, ownerKid: alice.ownerKid, categoryKeysVersion: 2 });
    const epochs = await world.ask(alice, 'patient.get', { categories: [OTHER_TAG] });
    expect(epochs).toMatchObject({
      epochs: [{ months: [{ month: MONTH, revision: 1 }, {}, {}, {}] }],
    });
  });

  it('is refused once the permission is over, taken back or not as it was seen', async () => {
    const world = base.fork();
    const target = await granted(world);
    const args = { ...target, purposes: ['TREAT'] };
    const stale = { ...args, version: 2 };
    expect(outcome(await world.submit(alice, fn, stale))).toBe('permission_changed');
    const over = world.fork();
    over.time += 30 * DAY;
    for (const one of [fn, 'permission.extend']) {
      expect(outcome(await over.submit(alice, one, args))).toBe('permission_expired');
    }
    await world.submit(alice, 'permission.revoke', { permissionId: target.permissionId });
    for (const one of [fn, 'permission.extend']) {
      expect(outcome(await world.submit(alice, one, args))).toBe('permission_revoked');
    }
    const reseal = { ...target, shareDigest: text32('share 2') };
    expect(outcome(await world.submit(alice, 'permission.reseal', reseal))).toBe(
      'permission_revoked',
    );
  });
});

describe('permission.extend', () => {
  const fn = 'permission.extend';
  const third = text32('tag third');
  const share = { shareDigest: text32('share 2') };
  it.each<[string, (world: World) => Args, string]>([
    ['a longer time', (w) => ({ until: w.time + 60 * DAY }), 'COMMITTED'],
    ['more categories', () => ({ categories: [TAG, OTHER_TAG, third], ...share }), 'COMMITTED'],
    [
      'more categories, no share',
      () => ({ categories: [TAG, OTHER_TAG, third] }),
      'share_required',
    ],
    ['data of all times', () => ({ dataFrom: null, dataUntil: null }), 'COMMITTED'],
    ['more purposes', () => ({ purposes: ['TREAT', 'RESCH', 'HPAYMT'] }), 'COMMITTED'],
    ['nothing', () => ({}), 'terms_unchanged'],
    ['a shorter time', (w) => ({ until: w.time + DAY }), 'not_wider'],
    ['fewer categories', () => ({ categories: [TAG] }), 'not_wider'],
    ['fewer purposes', () => ({ purposes: ['TREAT', 'HPAYMT'] }), 'not_wider'],
    ['data of fewer months', () => ({ dataUntil: '2025-09' }), 'not_wider'],
    ['a right', () => ({ rights: ['read'] }), 'bad_arguments'],
    ['breaking the glass', () => ({ purposes: ['TREAT', 'RESCH', 'BTG'] }), 'bad_arguments'],
  ])('%s', async (_what, change, expected) => {
    const world = base.fork();
    const target = await granted(world);
    const args = { ...target, ...change(world) };
    expect(outcome(await world.submit(alice, fn, args))).toBe(expected);
  });

  it('is refused for somebody whose identity ended', async () => {
    const world = base.fork();
    const target = await granted(world);
    await world.submit(world.operator(), 'identity.revoke', { kid: doctor.kid, reason: 'other' });
    const args = { ...target, until: world.time + 60 * DAY };
    expect(outcome(await world.submit(alice, fn, args))).toBe('grantee_revoked');
  });

  it('keeps every earlier state of the terms, and tells history and grantee', async () => {
    const world = base.fork();
    const { permissionId } = await granted(world);
    const until = world.time + 60 * DAY;
    await world.submit(alice, 'permission.narrow', { permissionId, version: 1, categories: [TAG] });
    await world.submit(alice, fn, { permissionId, version: 2, until });
    const earlier = {
      count: 2,
      items: [
        { version: 1, change: 'narrowed', categories: [TAG, OTHER_TAG] },
        { version: 2, change: 'extended', categories: [TAG] },
      ],
    };
    for (const who of [alice, doctor]) {
      expect(await world.ask(who, 'permission.earlier', { permissionId })).toMatchObject(earlier);
    }
    await expect(world.ask(bob, 'permission.earlier', { permissionId })).rejects.toMatchObject({
      code: 'unknown_permission',
    });
    expect(await now(world, permissionId)).toMatchObject({ version: 3, categories: [TAG], until });
    const { items } = (await world.ask(alice, 'history.list')) as unknown as {
      items: { fn: string; permissionId: string | null; categories: string[] }[];
    };
    expect(items.slice(-2)).toMatchObject([
      { fn: 'permission.narrow', permissionId, categories: [TAG, OTHER_TAG] },
      { fn, permissionId, categories: [TAG] },
    ]);
    expect((await topicsOf(world, doctor)).slice(-2)).toEqual([
      'permission.narrowed',
      'permission.extended',
    ]);
  });

  it('is not permitted back by a second narrowing that was signed against older terms', async () => {
    const world = base.fork();
    const target = await granted(world);
    await world.submit(alice, 'permission.narrow', { ...target, categories: [TAG] });
    const replayed = { ...target, categories: [TAG, OTHER_TAG], until: world.time + 60 * DAY };
    expect(outcome(await world.submit(alice, fn, replayed))).toBe('permission_changed');
  });
});

describe('permission.reseal', () => {
  it('replaces the share alone', async () => {
    const world = base.fork();
    const target = await granted(world);
    const before = await now(world, target.permissionId);
    const shareDigest = text32('share 2');
    const args = { ...target, shareDigest };
    expect(outcome(await world.submit(bob, 'permission.reseal', args))).toBe('unknown_permission');
    const value = valueOf(await world.submit(alice, 'permission.reseal', args));
    expect(value).toMatchObject({ version: 2, shareDigest, granteeKid: doctor.kid });
    const { sealed, ...after } = await now(world, target.permissionId);
    expect(after).toEqual({ ...without(before), shareDigest, version: 2 });
    expect(sealed.height).toBe(world.height - 1);
  });
});

function without({ sealed, ...rest }: Permission) {
  expect(sealed.height).toBeGreaterThan(0);
  return rest;
}

const TAGS = [TAG, OTHER_TAG];
const MONTHS = ['2025-01', '2025-02', '2025-03'];
const terms: fc.Arbitrary<Terms> = fc
  .record({
    rights: fc.constantFrom<Terms['rights']>(
      ['read'],
      ['write'],
      ['read', 'write'],
      ['read', 'share'],
    ),
    categories: fc.subarray(TAGS, { minLength: 1 }),
    from: fc.nat(4),
    length: fc.integer({ min: 1, max: 5 }),
    data: fc.tuple(fc.option(fc.nat(2)), fc.option(fc.nat(2))),
    purposes: fc.subarray(['TREAT', 'RESCH'] as const, { minLength: 1 }),
    study: fc.constantFrom('study-1', 'study-2'),
    anonymise: fc.boolean(),
  })
  .map(({ length, data, study, anonymise, ...rest }) => ({
    ...rest,
    until: rest.from + length,
    dataFrom: data[0] === null ? null : (MONTHS[data[0]] ?? null),
    dataUntil: data[1] === null ? null : (MONTHS[data[1]] ?? null),
    study: rest.rights.includes('share') ? study : null,
    anonymise: rest.rights.includes('share') ? anonymise : null,
  }));
const wanted = fc.record({
  right: fc.constantFrom('read', 'write', 'share'),
  time: fc.nat(10),
  categoryTag: fc.constantFrom(...TAGS),
  dataMonth: fc.constantFrom(...MONTHS),
  purpose: fc.constantFrom('TREAT', 'RESCH'),
});

describe('terms that lie within others', () => {
  it('permit nothing that the others do not, whatever is asked', () => {
    fc.assert(
      fc.property(terms, terms, wanted, (one, outer, asked) => {
        const inner = meet(one, outer);
        expect(liesWithin(inner, outer)).toBe(true);
        const permits = (each: Terms) =>
          objectionOf({ ...each, revoked: null } as Permission, asked);
        if (permits(inner) === null) expect(permits(outer)).toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });

  it('hold what they permit apart from others that permit more', () => {
    // Where `a` permits something that `b` does not, `a` does not lie within `b`.
    fc.assert(
      fc.property(terms, terms, wanted, (a, b, asked) => {
        const permits = (one: Terms) => objectionOf({ ...one, revoked: null } as Permission, asked);
        fc.pre(permits(a) === null && permits(b) !== null);
        expect(liesWithin(a, b)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are committed by narrow and extend, and by nothing else', async () => {
    const asOf = (world: World, one: Terms): Terms => ({
      ...one,
      from: world.time + one.from * DAY,
      until: world.time + 5 * DAY + one.until * DAY,
    });
    await fc.assert(
      fc.asyncProperty(terms, terms, async (first, second) => {
        fc.pre(
          first.dataFrom === null || first.dataUntil === null || first.dataFrom <= first.dataUntil,
        );
        const world = base.fork();
        const before = asOf(world, first);
        const after = asOf(world, second);
        const { permissionId } = await granted(world, { ...given(before), ...cleared(before) });
        const { rights, categories, purposes, from, until } = after;
        const data = Object.fromEntries(
          Object.entries({ dataFrom: after.dataFrom, dataUntil: after.dataUntil }).filter(
            ([, month]) => month !== null,
          ),
        );
        const head = { permissionId, version: 1, categories, purposes, until };
        const narrow = await world.fork().submit(alice, 'permission.narrow', {
          ...{ ...head, rights, from, ...data },
          ...(rights.includes('share') && after.anonymise === true ? { anonymise: true } : {}),
        });
        const world2 = world.fork();
        const share = { shareDigest: text32('share 2') };
        const { dataFrom, dataUntil } = after;
        const extend = await world2.submit(alice, 'permission.extend', {
          ...{ ...head, dataFrom, dataUntil, ...share },
        });
        const old = await now(world, permissionId);
        if (narrow.status === 'COMMITTED') {
          const world3 = world.fork();
          world3.apply(narrow.writes);
          expect(liesWithin(await now(world3, permissionId), old)).toBe(true);
        }
        if (extend.status === 'COMMITTED') {
          expect(liesWithin(old, await now(world2, permissionId))).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** What both permit, where `outer` shares, to its study. */
function meet(one: Terms, outer: Terms): Terms {
  const both = <T>(a: readonly T[], b: readonly T[]): T[] => a.filter((each) => b.includes(each));
  const months = [one.dataFrom, outer.dataFrom].filter((each) => each !== null).toSorted();
  const lasts = [one.dataUntil, outer.dataUntil].filter((each) => each !== null).toSorted();
  const rights = both(one.rights, outer.rights);
  const shares = rights.includes('share');
  return {
    rights,
    categories: both(one.categories, outer.categories),
    purposes: both(one.purposes, outer.purposes),
    from: Math.max(one.from, outer.from),
    until: Math.min(one.until, outer.until),
    dataFrom: months.at(-1) ?? null,
    dataUntil: lasts[0] ?? null,
    study: shares ? outer.study : null,
    anonymise: shares ? outer.anonymise === true || one.anonymise : null,
  };
}

/** Terms as arguments of a grant: what is open is left out. */
function given(one: Terms): Args {
  const { study, anonymise, dataFrom, dataUntil, ...rest } = one;
  const optional = { study, anonymise, dataFrom, dataUntil };
  const named = Object.entries(optional).filter(([, value]) => value !== null);
  return { ...rest, ...(Object.fromEntries(named) as Args) };
}

/** What `full` names and these terms leave open. */
function cleared(one: Terms): Args {
  const open = (['study', 'anonymise', 'dataFrom', 'dataUntil'] as const).filter(
    (name) => one[name] === null,
  );
  return Object.fromEntries(open.map((name) => [name, undefined])) as unknown as Args;
}
