/**
 * Counting: whatever is released, no class is too small or too plain, and nothing is told twice.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Counted,
  type CountingRule,
  isSafe,
  partition,
} from '../../lib/research/partition.ts';
import {
  type KnownClass,
  planPublication,
  type Waiting,
} from '../../lib/research/publication-plan.ts';
import { linkageAttack } from '../../local/linkage/attack.ts';

const rules = fc.record({
  k: fc.integer({ min: 2, max: 6 }),
  l: fc.integer({ min: 1, max: 3 }),
  quasi: fc.subarray(['birth-year', 'sex', 'postcode'] as const, { minLength: 1 }),
});
const findings = ['a', 'b', 'c', 'd'];
const somebody = fc.record({
  quasi: fc.record({
    birthYear: fc.option(fc.integer({ min: 1936, max: 2010 }), { freq: 9 }),
    sex: fc.constantFrom('male', 'female', 'other', null),
    postcode: fc.constantFrom('117', '119', '100', '000', null),
  }),
  sensitive: fc.subarray(findings, { maxLength: 3 }),
  shape: fc.constantFrom('hospital-a', 'hospital-b', 'hospital-a\nhospital-b'),
});
const people = fc
  .array(somebody, { maxLength: 60 })
  .map((all) =>
    all.map((one, at) => ({ ...one, participant: `patient ${String(at).padStart(3, '0')}` })),
  );

const handles = (members: readonly Counted[]): string[] => members.map((one) => one.participant);
const bounds = { membersMax: 256 };
const waitingOf = (all: readonly Counted[]): Waiting[] =>
  all.map((one, at) => ({ ...one, releases: [at] }));
const knownOf = (plan: ReturnType<typeof planPublication>): KnownClass[] =>
  plan.classes.map(({ classId, members }) => ({ classId, participants: handles(members) }));

describe('classes', () => {
  it('have k patients, l findings and one shape; everybody is in one, or held back', () => {
    fc.assert(
      fc.property(people, rules, (all, rule: CountingRule) => {
        const { classes, held } = partition(all, rule);
        for (const { members, box } of classes) {
          expect(isSafe(members, rule)).toBe(true);
          for (const { quasi } of members) {
            if (box.birthYear) {
              expect(quasi.birthYear).toBeGreaterThanOrEqual(box.birthYear[0]);
              expect(quasi.birthYear).toBeLessThanOrEqual(box.birthYear[1]);
            }
            if (box.sex) expect(quasi.sex).toBe(box.sex);
            if (box.postcode) expect(quasi.postcode?.startsWith(box.postcode)).toBe(true);
          }
        }
        const placed = [...classes.flatMap(({ members }) => members), ...held];
        expect(handles(placed).sort()).toEqual(handles(all));
      }),
      { numRuns: 60 },
    );
  });

  it('do not depend on the order in which releases came', () => {
    fc.assert(
      fc.property(people, rules, fc.infiniteStream(fc.nat()), (all, rule: CountingRule, keys) => {
        const shuffled = all
          .map((one) => ({ one, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one);
        expect(partition(shuffled, rule).classes).toEqual(partition(all, rule).classes);
      }),
      { numRuns: 30 },
    );
  });

  const three = (sensitive: string[][]): Counted[] =>
    sensitive.map((own, at) => ({
      participant: String(at),
      quasi: { birthYear: 1960, sex: 'male', postcode: '117' },
      sensitive: own,
      shape: 'hospital-a',
    }));
  it.each<[string, string[][], number, boolean]>([
    ['three different findings', [['a'], ['b'], ['c']], 2, true],
    ['one finding of all', [['a'], ['a'], ['a']], 2, false],
    ['one finding of all beside others', [['a', 'b'], ['a', 'c'], ['a']], 2, false],
    ['none as a finding of its own', [['a'], [], ['b']], 2, true],
    ['no finding at all', [[], [], []], 2, false],
    ['two where three are asked for', [['a'], ['b'], ['b']], 3, false],
    ['nothing asked for', [['a'], ['a'], ['a']], 1, true],
  ])('of %s', (_what, sensitive, l, expected) => {
    expect(isSafe(three(sensitive), { k: 3, l, quasi: ['sex'] })).toBe(expected);
  });

  it('count a patient once, whatever number of records', () => {
    const [one] = three([['a']]) as [Counted];
    expect(isSafe([one, one, one], { k: 3, l: 1, quasi: ['sex'] })).toBe(false);
  });
});

describe('publications one after the other', () => {
  it('never move anybody to another class, nor publish a part of one again', () => {
    fc.assert(
      fc.property(people, rules, fc.nat(60), (all, rule: CountingRule, cut) => {
        const first = planPublication(waitingOf(all.slice(0, cut)), [], rule, bounds);
        const known = knownOf(first);
        const told = new Set(known.flatMap(({ participants }) => participants));
        const second = planPublication(waitingOf(all), known, rule, bounds);
        for (const { classId, members, box } of second.classes) {
          const before = known.find((one) => one.classId === classId);
          expect(members.length).toBeGreaterThanOrEqual(rule.k);
          if (before) {
            expect(box).toBeNull();
            expect(handles(members).sort()).toEqual([...before.participants].sort());
          } else {
            expect(members.some(({ participant }) => told.has(participant))).toBe(false);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  const rule: CountingRule = { k: 3, l: 1, quasi: ['birth-year'] };
  const alike = (count: number, from = 0): Waiting[] =>
    Array.from({ length: count }, (_, at) => ({
      participant: `p${from + at}`,
      quasi: { birthYear: 1960, sex: null, postcode: null },
      sensitive: [],
      shape: 'hospital-a',
      releases: [from + at],
    }));
  const known = [{ classId: 1, participants: ['p0', 'p1', 'p2'] }];

  it('publish a class again when all of it have something new of the same kind', () => {
    const plan = planPublication(alike(3), known, rule, bounds);
    expect(plan.classes).toMatchObject([{ classId: 1, box: null }]);
    const odd = alike(3).map((one, at) => (at === 0 ? { ...one, shape: 'hospital-b' } : one));
    expect(planPublication(odd, known, rule, bounds).classes).toEqual([]);
  });

  it('hold back whoever is alone with something new, of a class or of none', () => {
    const plan = planPublication([...alike(1), ...alike(2, 5)], known, rule, bounds);
    expect(plan.classes).toEqual([]);
    expect(plan.held).toEqual(['p0', 'p5', 'p6']);
  });

  it('number new classes on, and take no more people than one publication holds', () => {
    const plan = planPublication(alike(4, 5), known, rule, bounds);
    expect(plan.classes.map(({ classId }) => classId)).toEqual([2]);
    expect(planPublication(alike(4, 5), known, rule, { membersMax: 3 }).classes).toEqual([]);
  });
});

describe('the linkage attack that the source names', () => {
  it.each([1, 2017])('succeeds on naive local releases, and fails on ours: seed %i', (seed) => {
    const { naive, ours } = linkageAttack({ seed });
    expect(naive.targets).toBeGreaterThan(100);
    expect(naive.disclosed / naive.targets).toBeGreaterThan(0.2);
    expect(ours).toMatchObject({ disclosed: 0, singledOut: 0 });
    // Not because nothing comes out.
    expect(ours.published / ours.targets).toBeGreaterThan(0.8);
  });
});
