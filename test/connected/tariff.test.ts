/** What an insurer pays: deductible, co-payment, share, yearly limit; to the cent. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Policies,
  policiesSchema,
  settleCodes,
  type Tariff,
  tariffSchema,
  withPolicy,
} from '../../lib/connected/tariff.ts';

const tariff: Tariff = {
  format: 'carequorum-tariff-1',
  name: 'test',
  currency: 'EUR',
  estimateDays: 30,
  plans: {
    basic: { deductible: 10_000, copay: 500, coinsurancePercent: 20, outOfPocketMax: 30_000 },
  },
  prices: [
    { system: 'cpt', code: '77427', price: 25_000 },
    { system: 'atc', code: 'L02BA01', price: 150 },
  ],
};
const policies = (deductibleMet = 0, outOfPocketMet = 0): Policies => ({
  format: 'carequorum-policies-1',
  policies: [{ handle: 'P-1', plan: 'basic', deductibleMet, outOfPocketMet }],
});
const line = (code = '77427', charge: number | null = null, units = 1) => ({
  ...{ system: code === '77427' ? 'cpt' : 'atc', code, units, charge },
});
const ask = (lines = [line()], change = {}) => ({
  ...{ kind: 'claim' as const, policy: 'P-1', currency: 'EUR', lines, ...change },
});

describe('settleCodes', () => {
  it('takes co-payment, then deductible, then the share, line after line', () => {
    const settled = settleCodes({ tariff, policies: policies() }, ask([line(), line()]));
    // 250: 5 + 100 + a fifth of 145. Then 250: 5 + 0 + a fifth of 245, up to the limit of 300.
    expect(settled.lines).toEqual([
      { reason: 'covered', allowed: 25_000, patientPays: 13_400, insurerPays: 11_600 },
      { reason: 'covered', allowed: 25_000, patientPays: 5_400, insurerPays: 19_600 },
    ]);
    expect(settled).toMatchObject({ decision: 'accepted', patientPays: 18_800 });
    expect(settled.policy).toMatchObject({ deductibleMet: 10_000, outOfPocketMet: 18_800 });
  });

  it('never takes more of a patient than is left of the yearly limit', () => {
    const book = { tariff, policies: policies(10_000, 29_000) };
    expect(settleCodes(book, ask()).patientPays).toBe(1_000);
    expect(settleCodes({ tariff, policies: policies(10_000, 30_000) }, ask()).patientPays).toBe(0);
  });

  it('allows no more than is charged, and no more than the tariff', () => {
    const book = { tariff, policies: policies(10_000) };
    expect(settleCodes(book, ask([line('77427', 20_000)])).lines[0]).toMatchObject({
      ...{ reason: 'covered', allowed: 20_000 },
    });
    const above = settleCodes(book, ask([line('77427', 40_000)]));
    expect(above).toMatchObject({ decision: 'reduced', lines: [{ reason: 'above-tariff' }] });
    expect(above.lines[0]?.allowed).toBe(25_000);
  });

  it('denies what it does not know: code, policy, plan, currency', () => {
    const book = { tariff, policies: policies() };
    expect(settleCodes(book, ask([line('99999', 700)]))).toMatchObject({
      ...{ decision: 'denied', patientPays: 700, lines: [{ reason: 'not-covered' }] },
    });
    expect(settleCodes(book, ask([line(), line('99999')])).decision).toBe('reduced');
    for (const change of [{ policy: 'P-2' }, { currency: 'USD' }]) {
      const settled = settleCodes(book, ask([line()], change));
      expect(settled).toMatchObject({ decision: 'denied', policy: null });
    }
    expect(settleCodes(book, ask([line()], { kind: 'estimate' })).decision).toBe('estimated');
  });

  it('divides what is allowed, whatever is asked and whatever was used before', () => {
    const cents = fc.integer({ min: 0, max: 1_000_000 });
    const lines = fc.array(
      fc.record({
        ...{ system: fc.constantFrom('cpt', 'atc'), code: fc.constantFrom('77427', 'L02BA01') },
        ...{ units: fc.integer({ min: 1, max: 100 }), charge: fc.option(cents) },
      }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(lines, cents, cents, (wanted, deductibleMet, outOfPocketMet) => {
        const book = { tariff, policies: policies(deductibleMet, outOfPocketMet) };
        const estimate = settleCodes(book, ask(wanted, { kind: 'estimate' }));
        const claim = settleCodes(book, ask(wanted));
        expect(estimate.lines).toEqual(claim.lines);
        for (const { reason, allowed, patientPays, insurerPays } of claim.lines) {
          if (reason === 'not-covered') expect(insurerPays).toBe(0);
          else expect(patientPays + insurerPays).toBe(allowed);
        }
        const left = Math.max(0, 30_000 - outOfPocketMet);
        const covered = claim.lines.filter(({ reason }) => reason !== 'not-covered');
        const paid = covered.reduce((sum, one) => sum + one.patientPays, 0);
        expect(paid).toBeLessThanOrEqual(left);
        const book2 = withPolicy(book.policies, claim.policy!).policies[0]!;
        expect(book2.outOfPocketMet).toBe(outOfPocketMet + paid);
      }),
    );
  });
});

it('the sample tariff and policies of the project are of their formats', () => {
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(join(import.meta.dirname, '../../config', name), 'utf8'));
  expect(tariffSchema.parse(read('tariff.example.json')).prices.length).toBeGreaterThan(5);
  expect(policiesSchema.parse(read('policies.example.json')).policies).not.toHaveLength(0);
});
