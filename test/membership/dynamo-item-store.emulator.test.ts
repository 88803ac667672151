/** `ItemStore` on DynamoDB and in memory: the same conditions, the same order. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dynamoItemStore } from '../../functions/aws/dynamo-item-store.ts';
import type { ItemStore } from '../../functions/aws/item-store.ts';
import { Emulator, ministack, WITHOUT_EMULATOR } from '../functions/aws/emulator.ts';
import { memoryItemStore } from './memory-item-store.ts';

let emulator: Emulator;
beforeAll(async () => {
  if (ministack) emulator = await Emulator.start(ministack);
});
afterAll(async () => {
  if (ministack) await emulator.stop();
});

const key = (pk: string, sk = 'a') => ({ pk, sk });

function contract(make: () => Promise<ItemStore>): void {
  it('inserts once and replaces by version', async () => {
    const store = await make();
    expect(await store.get(key('p'))).toBeNull();
    expect(await store.insert(key('p'), { n: 1, b: Uint8Array.of(1) }, 4_000_000_000)).toBe(true);
    expect(await store.insert(key('p'), { n: 2 })).toBe(false);
    expect(await store.replace(key('p'), 2, { n: 3 })).toBe(false);
    expect(await store.replace(key('p'), 1, { n: 3 })).toBe(true);
    expect(await store.get(key('p'))).toEqual({ sk: 'a', version: 2, value: { n: 3 } });
    expect(await store.replace(key('none'), 1, {})).toBe(false);
  });

  it('writes all of a transaction or nothing', async () => {
    const store = await make();
    await store.insert(key('p'), { n: 1 });
    const changes = (expected: number | null) => [
      { key: key('p'), expected: 1, value: { n: 2 } },
      { key: key('q'), expected, value: { n: 9 } },
    ];
    expect(await store.transact(changes(1))).toBe(false);
    expect((await store.get(key('p')))?.version).toBe(1);
    expect(await store.transact(changes(null))).toBe(true);
    expect(await store.get(key('q'))).toEqual({ sk: 'a', version: 1, value: { n: 9 } });
    expect(await store.transact(changes(null))).toBe(false);
  });

  it('lists a partition in order, by pages and prefix', async () => {
    const store = await make();
    const names = Array.from({ length: 60 }, (_, i) => `${i % 2 ? 'x' : 'y'}#${String(i)}`);
    await store.stage(names.map((sk) => ({ key: key('p', sk), value: { sk } })));
    const sorted = [...names].sort();
    const all = await store.list('p', { limit: 100 });
    expect(all.map((one) => one.sk)).toEqual(sorted);
    const page = await store.list('p', { limit: 10, after: sorted[9] as string });
    expect(page.map((one) => one.sk)).toEqual(sorted.slice(10, 20));
    const some = await store.list('p', { limit: 100, prefix: 'y#' });
    expect(some.map((one) => one.sk)).toEqual(sorted.filter((sk) => sk.startsWith('y#')));
    await store.remove(names.map((sk) => key('p', sk)));
    expect(await store.list('p', { limit: 5 })).toEqual([]);
  });
}

describe('in memory', () => contract(async () => memoryItemStore()));
describe.skipIf(!ministack)(`DynamoDB (${ministack ? 'MiniStack' : WITHOUT_EMULATOR})`, () =>
  contract(async () => dynamoItemStore(await emulator.table())),
);
