/** A client learns how long the network takes, and asks and spreads accordingly. */
import { describe, expect, it } from 'vitest';
import { Pace } from '../../sdk/pace.ts';

function paceAfter(...times: readonly number[]): Pace {
  const pace = new Pace();
  for (const ms of times) pace.took(ms);
  return pace;
}

const many = (ms: number): number[] => Array.from({ length: 40 }, () => ms);

describe('the pace of a client', () => {
  it('asks a quick network at once, in a call that waits', () => {
    expect(new Pace().headStartMs).toBe(0);
    expect(paceAfter(...many(300)).headStartMs).toBe(0);
  });

  it('leaves a transaction alone for most of what a busy network takes', () => {
    const { headStartMs } = paceAfter(...many(2_000));
    expect(headStartMs).toBeGreaterThan(1_500);
    expect(headStartMs).toBeLessThan(1_700);
  });

  it('follows when the network is quick again', () => {
    expect(paceAfter(...many(3_000), ...many(200)).headStartMs).toBe(0);
  });

  it('never waits long before it asks, and never long before it asks another validator', () => {
    const slow = paceAfter(...many(60_000));
    expect(slow.headStartMs).toBe(5_000);
    expect(slow.spreadMs).toBe(10_000);
  });

  it('gives another validator the transaction later where all of them are busy', () => {
    expect(new Pace().spreadMs).toBe(2_500);
    expect(paceAfter(...many(3_000)).spreadMs).toBeGreaterThan(5_500);
  });
});
