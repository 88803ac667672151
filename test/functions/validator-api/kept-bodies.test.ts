/** Bodies of blocks are read once for many receipts, and what was not found is looked for again. */
import { describe, expect, it } from 'vitest';
import { withKeptBodies } from '../../../functions/validator/api/kept-bodies.ts';
import type { BlockBody } from '../../../lib/ports.ts';

const hash = (number: number): Uint8Array => new Uint8Array(32).fill(number);
const bodyOf = (name: string): BlockBody => ({ transactions: [name], results: [] });

/** A store that notes what was read; `answers` says what is found, or thrown, one after another. */
function storeOf(...answers: readonly (BlockBody | null | Error)[]) {
  const left = [...answers];
  const reads: string[] = [];
  const store = withKeptBodies({
    body(ledger: string, headerHash: Uint8Array) {
      reads.push(`${ledger} ${headerHash[0]}`);
      const answer = left.shift() ?? null;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  });
  return { store, reads };
}

describe('kept bodies', () => {
  it('are read once, also when asked for at the same time', async () => {
    const { store, reads } = storeOf(bodyOf('a'));
    const found = await Promise.all([store.body('main', hash(1)), store.body('main', hash(1))]);
    expect([...found, await store.body('main', hash(1))]).toEqual(Array(3).fill(bodyOf('a')));
    expect(reads).toEqual(['main 1']);
  });

  it('are told apart by ledger and hash', async () => {
    const { store, reads } = storeOf(bodyOf('a'), bodyOf('b'), bodyOf('c'));
    expect(await store.body('main', hash(1))).toEqual(bodyOf('a'));
    expect(await store.body('main', hash(2))).toEqual(bodyOf('b'));
    expect(await store.body('case', hash(1))).toEqual(bodyOf('c'));
    expect(reads).toEqual(['main 1', 'main 2', 'case 1']);
  });

  it('are looked for again where none was found or reading failed', async () => {
    const { store, reads } = storeOf(null, new Error('throttled'), bodyOf('a'));
    expect(await store.body('main', hash(1))).toBeNull();
    await expect(store.body('main', hash(1))).rejects.toThrow('throttled');
    expect(await store.body('main', hash(1))).toEqual(bodyOf('a'));
    expect(reads).toHaveLength(3);
  });

  it('are few', async () => {
    const { store, reads } = storeOf(...Array.from({ length: 7 }, (_, i) => bodyOf(String(i))));
    for (let number = 1; number <= 5; number += 1) await store.body('main', hash(number));
    await store.body('main', hash(5));
    expect(reads).toHaveLength(5);
    await store.body('main', hash(1));
    expect(reads).toHaveLength(6);
  });
});
