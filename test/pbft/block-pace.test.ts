/** How a leader learns how much its network executes in time. */
import { describe, expect, it } from 'vitest';
import { BlockPace, PACED_FIRST, PACED_MIN } from '../../lib/pbft/block-pace.ts';

const TIMEOUT_MS = 4_000;

/** Blocks as large as the pace lets them be, on machines that take so long for each transaction. */
function afterBlocks(count: number, msEach: number, pace = new BlockPace()): BlockPace {
  let now = 0;
  for (let block = 0; block < count; block += 1) {
    const { size } = pace;
    pace.built(`${block}`, size, now);
    now += size * msEach;
    pace.decided(`${block}`, now, TIMEOUT_MS);
  }
  return pace;
}

describe('BlockPace', () => {
  it('comes to blocks that take a quarter of the time-out', () => {
    expect(afterBlocks(8, 1).size).toBe(1_000);
    expect(afterBlocks(8, 2).size).toBe(500);
  });

  it('halves at most, and doubles at most, by one block', () => {
    expect(afterBlocks(1, 40).size).toBe(PACED_FIRST / 2);
    expect(afterBlocks(1, 0.01).size).toBe(2 * PACED_FIRST);
  });

  it('goes no lower than what a block costs whatever is in it', () => {
    expect(afterBlocks(20, 1_000).size).toBe(PACED_MIN);
  });

  it('does not grow by a block that was not full', () => {
    const pace = new BlockPace();
    pace.built('small', 3, 0);
    pace.decided('small', 2, TIMEOUT_MS);
    expect(pace.size).toBe(PACED_FIRST);
  });

  it('learns nothing from a block of another leader, nor of one that was given up', () => {
    const pace = new BlockPace();
    pace.decided('other', 90_000, TIMEOUT_MS);
    pace.built('mine', PACED_FIRST, 0);
    pace.decided('other', 90_000, TIMEOUT_MS);
    pace.decided('mine', 90_000, TIMEOUT_MS);
    expect(pace.size).toBe(PACED_FIRST);
  });
});
