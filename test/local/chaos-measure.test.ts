/** What a chaos command counts, and when it calls the end good. */
import { describe, expect, it } from 'vitest';
import {
  codesText,
  heldLoad,
  heldText,
  type Judged,
  miscounted,
  recoveryMs,
  verdictOf,
} from '../../local/chaos/measure.ts';
import type { Receipt } from '../../local/lib/load.ts';

const receipt = (submittedAt: number, receivedAt: number): Receipt => ({ submittedAt, receivedAt });
/** A receipt each 200 ms, none from 2,000 to 5,000. */
const receipts = [
  ...Array.from({ length: 10 }, (_, index) => receipt(index * 200 - 100, index * 200)),
  receipt(1_950, 5_000),
  receipt(2_100, 5_050),
  ...Array.from({ length: 10 }, (_, index) => receipt(6_000 + index * 200, 6_100 + index * 200)),
];

describe('the load that was held', () => {
  const held = heldLoad(receipts, { start: 0, fault: 2_000, healed: 6_000, end: 8_000 });

  it('is counted before the fault, until it is healed, and after', () => {
    expect(held.before).toEqual({ seconds: 2, committed: 10, perSecond: 5 });
    expect(held.during).toEqual({ seconds: 4, committed: 2, perSecond: 0.5 });
    expect(held.after).toEqual({ seconds: 2, committed: 10, perSecond: 5 });
  });

  it('reads as one line', () => {
    expect(heldText(held, 5)).toBe('5.0/s before, 0.5/s during 4 s, 5.0/s after (asked for 5/s)');
  });

  it('is none where a part has no length', () => {
    const at = { start: 0, fault: 0, healed: 0, end: 0 };
    expect(heldLoad(receipts, at).before.perSecond).toBe(0);
  });
});

describe('the time to recover', () => {
  it('ends with the first receipt of what was submitted after the fault', () => {
    expect(recoveryMs(receipts, 2_000)).toBe(3_050);
  });

  it('is not that of what was under way', () => {
    expect(recoveryMs([receipt(1_950, 2_010)], 2_000)).toBeNull();
  });
});

describe('the verdict', () => {
  const good: Judged = {
    load: {
      ...{ submitted: 9, accepted: 9, committed: 9, errors: {}, tries: { unreachable: 4 } },
      ...{ longestGapMs: 10, seconds: 1 },
    },
    ledger: { lost: 0, faults: [] },
    recoveryMs: 3_000,
    allowed: ['expired'],
  };
  const load = (change: Partial<Judged['load']>): string[] =>
    verdictOf({ ...good, load: { ...good.load, ...change } });

  it('is good where all that was submitted was committed, whoever was tried first', () => {
    expect(verdictOf(good)).toEqual([]);
  });

  it('forgives a failure that the story allows, and no other', () => {
    expect(load({ committed: 7, errors: { expired: 2 } })).toEqual([]);
    expect(load({ committed: 7, errors: { expired: 1, aborted: 1 } })).toEqual([
      '1 transactions failed with aborted',
    ]);
  });

  it('is bad where a transaction has no outcome, or there is none', () => {
    expect(load({ committed: 7 })).toEqual(['2 transactions have no outcome']);
    expect(load({ submitted: 0, committed: 0 })).toEqual(['nothing was committed']);
  });

  it('forgives no answer that did not verify', () => {
    expect(load({ tries: { lied: 1 } })).toEqual(['1 answers of validators did not verify']);
  });

  it('is bad where something is lost, differs, or does not recover', () => {
    const ledger = { lost: 2, faults: ['a and b differ at block 4'] };
    expect(verdictOf({ ...good, ledger, recoveryMs: null })).toEqual([
      'nothing that was submitted after the fault was committed',
      '2 transactions that a validator took are lost',
      'a and b differ at block 4',
    ]);
  });
});

describe('the counts of probes', () => {
  const probes = (hospital: string, counts: number[]) =>
    counts.map((count) => ({ hospital, count }));

  it('are in a row for each hospital, in whatever order receipts came', () => {
    expect(miscounted([...probes('a', [7, 5, 6]), ...probes('b', [1, 2])])).toEqual([]);
    expect(miscounted([])).toEqual([]);
  });

  it('tell of one that was executed twice: the next count is one too high', () => {
    expect(miscounted([...probes('a', [5, 6, 8]), ...probes('b', [1])])).toEqual([
      '3 probes of a raised its count from 5 to 8',
    ]);
  });

  it('tell of two that had the same count', () => {
    expect(miscounted(probes('a', [5, 5]))).toEqual(['2 probes of a raised its count from 5 to 5']);
  });
});

it('counts by code are text', () => {
  expect(codesText({})).toBe('none');
  expect(codesText({ unreachable: 3, expired: 1 })).toBe('3 unreachable, 1 expired');
});
