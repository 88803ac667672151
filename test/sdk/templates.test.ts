/** Templates: each can be granted, and says when it ends. */
import { describe, expect, it } from 'vitest';
import { flawOf } from '../../lib/chaincode/terms.ts';
import { rightsOfRole } from '../../lib/chaincode/roles.ts';
import { categoryName } from '../../sdk/categories.ts';
import { grantTemplates, templateNamed, templateTimes } from '../../sdk/templates.ts';

const at = (text: string): number => Date.parse(text);

describe('templates of grants', () => {
  it('have names of their own, in the form of a word', () => {
    const names = grantTemplates.map((one) => one.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) {
      expect(name).toMatch(/^[a-z][a-z-]{2,40}$/);
      expect(templateNamed(name)?.name).toBe(name);
    }
    expect(templateNamed('nothing')).toBeNull();
  });

  it.each(grantTemplates.map((one) => [one.name, one] as const))(
    '%s can be granted',
    (_name, one) => {
      const now = at('2026-08-31T10:00:00Z');
      const { until, dataFrom = null } = templateTimes(one, now);
      const { rights, categories, purposes, anonymise } = one;
      const terms = {
        ...{ rights: [...rights], categories: [...categories], purposes: [...purposes] },
        ...{ from: now, until, dataFrom, dataUntil: null, study: null },
        anonymise: anonymise ?? null,
      };
      expect(flawOf(terms)).toBeNull();
      expect(categories.map(categoryName)).toEqual(categories);
      expect(rights.every((right) => rightsOfRole('doctor').includes(right))).toBe(true);
      expect(anonymise !== undefined).toBe(rights.includes('share'));
      expect(until - now).toBeLessThan(367 * 86_400_000);
    },
  );

  it('count calendar months, to the last day of a shorter one', () => {
    const six = templateNamed('radiation-oncology-team')!;
    expect(templateTimes(six, at('2026-08-31T10:00:00Z')).until).toBe(at('2027-02-28T10:00:00Z'));
    expect(templateTimes(six, at('2026-11-15T00:00:00Z')).until).toBe(at('2027-05-15T00:00:00Z'));
    const recent = templateNamed('recent-results')!;
    expect(templateTimes(recent, at('2026-01-31T00:00:00Z'))).toEqual({
      until: at('2026-02-07T00:00:00Z'),
      dataFrom: '2025-10',
    });
  });
});
