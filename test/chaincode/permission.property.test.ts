/** Permissions against a tiny model: random grants, revocations, hours and requests. */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { decide } from '../../lib/chaincode/decision.ts';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import type { Permission } from '../../lib/chaincode/values.ts';
import {
  grantArgs,
  id16,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  text32,
  valueOf,
  World,
} from './world.ts';

const HOUR = 3_600_000;
const TAGS = [text32('tag 0'), text32('tag 1')];
const MONTHS = ['2025-01', '2025-02', '2025-03'];
const PURPOSES = ['TREAT', 'RESCH'];

interface Record {
  id: string;
  tag: string;
  month: string;
}

const records: Record[] = TAGS.flatMap((tag, a) =>
  MONTHS.map((month, b) => ({ id: id16(`record ${a} ${b}`), tag, month })),
);

let base: World;
let alice: PatientKeys;
let doctors: Person[];

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  const writer = await base.registered('doctor');
  doctors = [await base.registered('doctor'), await base.registered('doctor', { hospital: 1 })];
  const all = grantArgs(base, writer, { categories: TAGS, rights: ['write'] });
  await base.submit(alice, 'permission.grant', all);
  for (const { id, tag, month } of records) {
    const args = recordArgs(alice, { recordId: id, categoryTag: tag, dataMonth: month });
    await base.submit(writer, 'record.register', args);
    const stored = { recordId: id, objectDigest: text32('digest') };
    await base.submit(base.custodian, 'record.stored', stored);
  }
});

/** What the model keeps of a grant. */
interface Grant {
  id: string;
  to: number;
  rights: string[];
  tags: string[];
  from: number;
  until: number;
  dataFrom: string | undefined;
  dataUntil: string | undefined;
  purposes: string[];
  isRevoked: boolean;
}

const grantStep = fc.record({
  type: fc.constant('grant' as const),
  to: fc.nat(1),
  rights: fc.constantFrom<string[]>(['read'], ['write'], ['read', 'write']),
  tags: fc.subarray(TAGS, { minLength: 1 }),
  fromHours: fc.integer({ min: -2, max: 3 }),
  hours: fc.integer({ min: 1, max: 6 }),
  data: fc.tuple(fc.option(fc.nat(2)), fc.option(fc.nat(2))),
  purposes: fc.subarray(PURPOSES, { minLength: 1 }),
});
const step = fc.oneof(
  { weight: 4, arbitrary: grantStep },
  fc.record({ type: fc.constant('revoke' as const), which: fc.nat(9) }),
  fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3 * HOUR }) }),
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('request' as const),
      who: fc.nat(1),
      record: fc.constantFrom(...records),
      purpose: fc.constantFrom(...PURPOSES),
    }),
  },
);

function covers(grant: Grant, who: number, record: Record, purpose: string, now: number) {
  const { from, until, dataFrom = '0000-01', dataUntil = '9999-12' } = grant;
  const isLive = grant.to === who && !grant.isRevoked && from <= now && now < until;
  const isOfRecord = grant.tags.includes(record.tag) && grant.rights.includes('read');
  const isOfMonth = dataFrom <= record.month && record.month <= dataUntil;
  return isLive && isOfRecord && isOfMonth && grant.purposes.includes(purpose);
}

it('permits exactly what the model permits, for exactly as long', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const world = base.fork();
      const grants: Grant[] = [];
      for (const one of steps) await apply(world, grants, one);
    }),
    { numRuns: 60 },
  );
});

async function apply(world: World, grants: Grant[], one: StepOf): Promise<void> {
  const now = world.time;
  if (one.type === 'wait') {
    world.time += one.ms;
  } else if (one.type === 'grant') {
    await grant(world, grants, one);
  } else if (one.type === 'revoke') {
    const chosen = grants[one.which];
    if (!chosen) return;
    const args = { permissionId: chosen.id };
    const expected = chosen.isRevoked ? 'already_revoked' : 'COMMITTED';
    expect(outcome(await world.submit(alice, 'permission.revoke', args))).toBe(expected);
    chosen.isRevoked = true;
  } else {
    const { who, record, purpose } = one;
    const args = { recordId: record.id, purpose };
    const value = valueOf(await world.submit(doctors[who]!, 'access.request', args));
    const matching = grants.filter((each) => covers(each, who, record, purpose, now));
    expect(value['decision']).toBe(matching.length > 0 ? 'permit' : 'deny');
    if (matching.length > 0) {
      const until = Math.max(...matching.map((each) => each.until));
      expect(value['usableUntil']).toBe(Math.min(until, now + 300_000));
    }
  }
}

type StepOf = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function grant(world: World, grants: Grant[], one: Extract<StepOf, { type: 'grant' }>) {
  const { to, rights, tags, purposes, data } = one;
  const now = world.time;
  const from = now + one.fromHours * HOUR;
  const until = from + one.hours * HOUR;
  const [first, last] = data.map((month) => (month === null ? undefined : MONTHS[month]));
  const args = grantArgs(world, doctors[to]!, {
    permissionId: id16(`grant ${grants.length}`),
    rights,
    categories: tags,
    from,
    until,
    purposes,
    ...(first === undefined ? {} : { dataFrom: first }),
    ...(last === undefined ? {} : { dataUntil: last }),
  });
  const isBackward = first !== undefined && last !== undefined && first > last;
  const live = grants.filter((each) => each.to === to && !each.isRevoked && each.until > now);
  const isFull = live.length >= chaincodeBounds.holdingsMax;
  const done = outcome(await world.submit(alice, 'permission.grant', args));
  if (isBackward) expect(done).toBe('bad_arguments');
  else if (until <= now) expect(done).toBe('permission_over');
  else if (isFull) expect(done).toBe('too_many_permissions');
  else {
    expect(done).toBe('COMMITTED');
    const id = args['permissionId'] as string;
    const period = { dataFrom: first, dataUntil: last };
    grants.push({ id, to, rights, tags, from, until, ...period, purposes, isRevoked: false });
  }
}

it('never permits more when a permission is taken away, whatever the order', () => {
  const permission = fc.record({
    revoked: fc.constantFrom(null, { time: 1, height: 1 }),
    from: fc.nat(5),
    until: fc.nat(9),
    rights: fc.subarray(['read', 'write'] as const),
    categories: fc.subarray(TAGS),
    dataFrom: fc.option(fc.constantFrom(...MONTHS)),
    dataUntil: fc.option(fc.constantFrom(...MONTHS)),
    purposes: fc.subarray(['TREAT', 'RESCH'] as const),
  });
  fc.assert(
    fc.property(fc.array(permission, { maxLength: 5 }), fc.nat(9), fc.nat(4), (held, time, at) => {
      const all = held as unknown as Permission[];
      const wanted = {
        right: 'read',
        time,
        categoryTag: TAGS[0]!,
        dataMonth: MONTHS[1]!,
        purpose: 'TREAT',
      } as const;
      const full = decide(all, wanted).decision;
      const fewer = decide(
        all.filter((_, index) => index !== at),
        wanted,
      ).decision;
      if (full === 'deny') expect(fewer).toBe('deny');
      expect(decide([...all].reverse(), wanted).decision).toBe(full);
    }),
  );
});
