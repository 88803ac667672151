/** The rule of a case: what it decides early stays decided, whoever votes afterwards. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CaseRule, isVoter, outcomeOf } from '../../lib/chaincode/case-rule.ts';

const rule: CaseRule = {
  ...{ voters: 'doctors', quorumPercent: 50, majority: 'half', votingMs: 60_000 },
  otherwise: 'attending',
};
const rules = fc.record<CaseRule>({
  voters: fc.constant('doctors'),
  quorumPercent: fc.integer({ min: 1, max: 100 }),
  majority: fc.constantFrom('half', 'two-thirds', 'all'),
  votingMs: fc.constant(60_000),
  otherwise: fc.constant('attending'),
});

describe('outcomeOf', () => {
  it.each<[string, Partial<CaseRule>, number[], number, boolean, object]>([
    ['one of one', {}, [1, 0], 1, false, { status: 'decided', option: 0 }],
    ['nobody yet', {}, [0, 0], 3, false, { status: 'open' }],
    ['nobody at all', {}, [0, 0], 3, true, { status: 'undecided', reason: 'quorum' }],
    ['half of four, while two are left', {}, [2, 0], 4, false, { status: 'open' }],
    ['more than half of four', {}, [0, 3], 4, false, { status: 'decided', option: 1 }],
    ['two to one at the end', {}, [2, 1], 4, true, { status: 'decided', option: 0 }],
    ['a tie of all', {}, [2, 2], 4, false, { status: 'undecided', reason: 'tie' }],
    ['a tie at the end', {}, [1, 1], 4, true, { status: 'undecided', reason: 'tie' }],
    ['below the quorum', {}, [1, 0], 4, true, { status: 'undecided', reason: 'quorum' }],
    ['at the quorum', {}, [2, 0], 4, true, { status: 'decided', option: 0 }],
    ['most, and not half', {}, [3, 2, 2], 7, true, { status: 'undecided', reason: 'majority' }],
    ['two thirds', { majority: 'two-thirds' }, [4, 2], 6, true, { status: 'decided', option: 0 }],
    [
      'below two thirds',
      { majority: 'two-thirds' },
      [3, 2],
      5,
      true,
      { status: 'undecided', reason: 'majority' },
    ],
    ['all who voted', { majority: 'all' }, [3, 0], 4, true, { status: 'decided', option: 0 }],
    ['all who voted so far', { majority: 'all' }, [3, 0], 4, false, { status: 'open' }],
    ['not all', { majority: 'all' }, [3, 1], 4, true, { status: 'undecided', reason: 'majority' }],
  ])('%s', (_what, change, tallies, electors, isOver, expected) => {
    expect(outcomeOf({ ...rule, ...change }, tallies, { electors, isOver })).toEqual(expected);
  });

  it('never decides early what later votes would change', () => {
    fc.assert(
      fc.property(
        rules,
        fc.array(fc.nat({ max: 6 }), { minLength: 2, maxLength: 4 }),
        fc.array(fc.nat({ max: 3 }), { maxLength: 12 }),
        fc.nat({ max: 12 }),
        (one, tallies, later, silent) => {
          const cast = tallies.reduce((sum, count) => sum + count, 0);
          const electors = cast + later.length + silent;
          const early = outcomeOf(one, tallies, { electors, isOver: false });
          if (cast < electors && early.status !== 'decided') {
            expect(early).toEqual({ status: 'open' });
            return;
          }
          const final = [...tallies];
          for (const option of later) final[option % final.length]! += 1;
          if (electors > 0)
            expect(outcomeOf(one, final, { electors, isOver: true })).toEqual(early);
        },
      ),
    );
  });

  it('decides for an option only that nobody else has as many votes for', () => {
    fc.assert(
      fc.property(rules, fc.array(fc.nat({ max: 9 }), { minLength: 2 }), (one, tallies) => {
        const electors = tallies.reduce((sum, count) => sum + count, 0);
        const found = outcomeOf(one, tallies, { electors, isOver: true });
        if (found.status !== 'decided') return;
        const others = tallies.filter((_, option) => option !== found.option);
        expect(Math.max(...others)).toBeLessThan(tallies[found.option]!);
      }),
    );
  });
});

it.each([
  ['doctors', ['doctor']],
  ['clinicians', ['doctor', 'nurse', 'pharmacist']],
  ['everybody', ['doctor', 'nurse', 'pharmacist', 'patient']],
] as const)('lets %s vote', (voters, roles) => {
  const all = ['doctor', 'nurse', 'pharmacist', 'patient'] as const;
  expect(all.filter((role) => isVoter({ ...rule, voters }, role))).toEqual(roles);
});
