/** The state tree against a plain map; proofs, versions, page format and corruption. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { LedgerError } from '../../lib/ledger/errors.ts';
import { PageCache } from '../../lib/ledger/page-cache.ts';
import { bitAt, stateKeyHash, stateLeafHash } from '../../lib/ledger/state-hash.ts';
import { stateNodeHash, stateValueHash } from '../../lib/ledger/state-hash.ts';
import {
  emptyRoot,
  pageId,
  proveKeys,
  type ProvenEntry,
  readKeys,
  type StateWrite,
  type TreeBase,
  type TreeOptions,
  updateTree,
  verifyStateProof,
} from '../../lib/ledger/state-tree.ts';
import { limits } from '../../lib/limits.ts';
import { decodeCbor, encodeCbor } from '../../lib/wire/codec.ts';
import { MemoryPages } from './memory-pages.ts';

/** Keys whose hashes share their first 16 bits in groups of three, found by brute force. */
const collidingKeys = findColliding(16, 4, 3);
const keyPool = [...Array.from({ length: 40 }, (_, i) => `key/${i}`), ...collidingKeys];

const writeArbitrary = fc.record({
  key: fc.constantFrom(...keyPool),
  value: fc.oneof(
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes)),
  ),
});
const blocksArbitrary = fc.array(fc.array(writeArbitrary, { maxLength: 25 }), {
  minLength: 1,
  maxLength: 8,
});

type Model = Map<string, Uint8Array>;

/** The tree as its definition says, recomputed from nothing. */
function modelRoot(model: Model): Uint8Array {
  const leaves = [...model].map(([key, value]) => ({ keyHash: stateKeyHash(key), value }));
  const root = (within: typeof leaves, depth: number): Uint8Array => {
    const only = within[0];
    if (!only) return emptyRoot;
    if (within.length === 1) return stateLeafHash(only.keyHash, stateValueHash(only.value));
    return stateNodeHash(
      root(
        within.filter((leaf) => bitAt(leaf.keyHash, depth) === 0),
        depth + 1,
      ),
      root(
        within.filter((leaf) => bitAt(leaf.keyHash, depth) === 1),
        depth + 1,
      ),
    );
  };
  return root(leaves, 0);
}

async function runBlocks(
  blocks: readonly (readonly StateWrite[])[],
  options: TreeOptions,
  pages = new MemoryPages(),
): Promise<{ pages: MemoryPages; versions: { base: TreeBase; model: Model }[] }> {
  const versions: { base: TreeBase; model: Model }[] = [];
  let base: TreeBase | null = null;
  let model: Model = new Map();
  for (const [height, writes] of blocks.entries()) {
    const update = await updateTree(base, height, writes, pages, options);
    pages.put(update.pages);
    model = new Map(model);
    for (const { key, value } of writes) {
      if (value) model.set(key, value);
      else model.delete(key);
    }
    base = { height, root: update.root };
    versions.push({ base, model });
  }
  return { pages, versions };
}

function findColliding(bits: number, groups: number, perGroup: number): string[] {
  const byPrefix = new Map<string, string[]>();
  const found: string[][] = [];
  for (let i = 0; found.length < groups; i += 1) {
    const key = `collide/${i}`;
    const prefix = toHex(stateKeyHash(key)).slice(0, bits / 4);
    const group = [...(byPrefix.get(prefix) ?? []), key];
    byPrefix.set(prefix, group);
    if (group.length === perGroup) found.push(group);
  }
  return found.flat();
}

describe('state tree', () => {
  it('equals a map at every version, whatever the page size and cache', async () => {
    await fc.assert(
      fc.asyncProperty(
        blocksArbitrary,
        fc.constantFrom(256, 1024, limits.treePageBytesMax),
        fc.boolean(),
        async (blocks, pageBytes, isCached) => {
          const cache = isCached ? new PageCache(4096) : undefined;
          const { pages, versions } = await runBlocks(blocks, { pageBytes, cache });
          for (const { base, model } of versions) {
            expect(toHex(base.root)).toBe(toHex(modelRoot(model)));
            const values = await readKeys(base, keyPool, pages, { cache });
            const expected = keyPool.map((key) => model.get(key) ?? null);
            expect(values).toEqual(expected);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('has one root per state, whatever the order and history', async () => {
    await fc.assert(
      fc.asyncProperty(blocksArbitrary, fc.infiniteStream(fc.nat()), async (blocks, order) => {
        const { versions } = await runBlocks(blocks, {});
        const last = versions.at(-1);
        const writes = [...(last?.model ?? [])].map(([key, value]) => ({ key, value }));
        const ranked = writes.map((write) => ({ write, rank: order.next().value as number }));
        ranked.sort((a, b) => a.rank - b.rank);
        const fresh = ranked.map(({ write }) => write);
        const update = await updateTree(null, 3, fresh, new MemoryPages());
        expect(toHex(update.root)).toBe(toHex(last?.base.root ?? emptyRoot));
      }),
      { numRuns: 40 },
    );
  });

  it('proves presence and absence of every key at every version', async () => {
    await fc.assert(
      fc.asyncProperty(blocksArbitrary, async (blocks) => {
        const { pages, versions } = await runBlocks(blocks, { pageBytes: 512 });
        for (const { base, model } of versions.slice(-2)) {
          for (const { key, value, proof } of await proveKeys(base, keyPool, pages)) {
            expect(value).toEqual(model.get(key) ?? null);
            expect(verifyStateProof(base.root, key, value, proof)).toBe(true);
            const isPresent = value !== null;
            expect(verifyStateProof(base.root, key, null, proof)).toBe(!isPresent);
            const claimed = isPresent ? new Uint8Array([...value, 1]) : new Uint8Array(0);
            expect(verifyStateProof(base.root, key, claimed, proof)).toBe(false);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('stores again what becomes the root, and nothing where nothing is left', async () => {
    const pages = new MemoryPages();
    const [a, b] = ['a', 'b'].map((key) => ({ key, value: utf8(key) })) as [StateWrite, StateWrite];
    const one = await updateTree(null, 0, [a, b], pages);
    pages.put(one.pages);
    const same = await updateTree({ height: 0, root: one.root }, 1, [a], pages);
    pages.put(same.pages);
    expect(toHex(same.root)).toBe(toHex(one.root));
    expect(same.pages.map(({ id }) => id)).toEqual([pageId(1, one.root, 0)]);
    const base = { height: 1, root: same.root };
    expect(await readKeys(base, ['a', 'b'], pages)).toEqual([utf8('a'), utf8('b')]);
    const lone = await updateTree(base, 2, [{ key: 'b', value: null }], pages);
    pages.put(lone.pages);
    expect(await readKeys({ height: 2, root: lone.root }, ['a', 'b'], pages)).toEqual([
      utf8('a'),
      null,
    ]);
    const none = await updateTree(
      { height: 2, root: lone.root },
      3,
      [{ key: 'a', value: null }],
      pages,
    );
    expect(none).toEqual({ root: emptyRoot, pages: [] });
    expect(await readKeys({ height: 3, root: emptyRoot }, ['a'], pages)).toEqual([null]);
  });

  it('takes the later of two writes of a key', async () => {
    const twice = [utf8('1'), utf8('2')].map((value) => ({ key: 'k', value }));
    const { root } = await updateTree(null, 0, twice, new MemoryPages());
    const once = await updateTree(null, 0, twice.slice(1), new MemoryPages());
    expect(toHex(root)).toBe(toHex(once.root));
  });

  it('reads a block of keys in as many round trips as levels, and none when warm', async () => {
    const cache = new PageCache(64 * 1024 * 1024);
    const keys = Array.from({ length: 3000 }, (_, i) => `many/${i}`);
    const writes = keys.map((key) => ({ key, value: utf8(key) }));
    const { pages, versions } = await runBlocks([writes], { cache });
    const base = (versions[0] as { base: TreeBase }).base;
    await readKeys(base, keys, pages, { cache });
    expect(pages.roundTrips).toBe(0);
    await readKeys(base, keys, pages);
    expect(pages.roundTrips).toBeLessThanOrEqual(5);
  });

  it('bounds pages but for one large value, and keeps values up to the limit', async () => {
    const pages = new MemoryPages();
    const large = new Uint8Array(limits.stateValueBytesMax).fill(7);
    const writes = [
      { key: 'large', value: large },
      ...Array.from({ length: 2000 }, (_, i) => ({ key: `k${i}`, value: new Uint8Array(100) })),
    ];
    const update = await updateTree(null, 0, writes, pages);
    pages.put(update.pages);
    const over = update.pages.filter(({ bytes }) => bytes.length > limits.treePageBytesMax);
    expect(over.length).toBe(1);
    expect(over[0]?.bytes.length).toBeLessThan(
      limits.stateValueBytesMax + limits.treePageBytesMax + 200,
    );
    const base = { height: 0, root: update.root };
    expect(await readKeys(base, ['large'], pages)).toEqual([large]);
  });

  it.each([
    ['bad_key', { key: '', value: null }],
    ['bad_key', { key: 'é'.repeat(257), value: null }],
    ['bad_key', { key: '\ud800', value: null }],
    ['value_too_large', { key: 'k', value: new Uint8Array(limits.stateValueBytesMax + 1) }],
  ])('refuses with %s', async (code, write) => {
    const update = updateTree(null, 0, [write], new MemoryPages());
    await expect(update).rejects.toMatchObject({ name: 'LedgerError', code });
  });

  it('refuses a height that does not follow', async () => {
    const update = updateTree({ height: 4, root: emptyRoot }, 4, [], new MemoryPages());
    await expect(update).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('hashes exactly as tagged hashes', () => {
    const [a, b] = [taggedHash('a'), taggedHash('b')];
    expect(toHex(stateKeyHash('é'))).toBe(toHex(taggedHash('state-key', utf8('é'))));
    expect(toHex(stateValueHash(a))).toBe(toHex(taggedHash('state-value', a)));
    expect(toHex(stateNodeHash(a, b))).toBe(toHex(taggedHash('state-node', a, b)));
    expect(toHex(stateLeafHash(a, b))).toBe(toHex(taggedHash('state-leaf', a, b)));
  });
});

describe('state proofs', () => {
  const present = keyPool.slice(0, 50);
  const absent = [...keyPool.slice(50), 'never', 'written'];

  async function proven(): Promise<{ root: Uint8Array; entries: ProvenEntry[] }> {
    const writes = present.map((key) => ({ key, value: utf8(`value of ${key}`) }));
    const { pages, versions } = await runBlocks([writes], {});
    const base = (versions[0] as { base: TreeBase }).base;
    return { root: base.root, entries: await proveKeys(base, [...present, ...absent], pages) };
  }

  it('fail with any one bit changed', async () => {
    const { root, entries } = await proven();
    const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
      const copy = bytes.slice();
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
      return copy;
    };
    fc.assert(
      fc.property(fc.nat(entries.length - 1), fc.nat(), fc.nat(255), (n, at, bit) => {
        const { key, value, proof } = entries[n] as ProvenEntry;
        const level = at % proof.siblings.length;
        const siblings = proof.siblings.map((one, i) => (i === level ? flip(one, bit) : one));
        const verify = (r: Uint8Array, k: string, p: typeof proof) =>
          verifyStateProof(r, k, value, p);
        expect(verify(root, key, proof)).toBe(true);
        expect(verify(flip(root, bit), key, proof)).toBe(false);
        expect(verify(root, key, { ...proof, siblings })).toBe(false);
        expect(verify(root, key, { ...proof, siblings: proof.siblings.slice(1) })).toBe(false);
        expect(verify(root, key, { ...proof, siblings: proof.siblings.slice(0, -1) })).toBe(false);
        const longer = [...proof.siblings, emptyRoot];
        expect(verify(root, key, { ...proof, siblings: longer })).toBe(false);
        const { other } = proof;
        if (!other) return;
        const bent = { ...proof, other: { ...other, keyHash: flip(other.keyHash, bit) } };
        expect(verify(root, key, bent)).toBe(false);
        const wrong = { ...proof, other: { ...other, valueHash: flip(other.valueHash, bit) } };
        expect(verify(root, key, wrong)).toBe(false);
        expect(verify(root, key, { ...proof, other: null })).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('never prove that a present key is absent, with the pieces of any other proof', async () => {
    const { root, entries } = await proven();
    const others = entries.flatMap(({ key, value, proof }) => [
      proof.other,
      value && { keyHash: stateKeyHash(key), valueHash: stateValueHash(value) },
    ]);
    const ends = [null, ...others];
    for (const target of present.slice(0, 4)) {
      for (const { proof } of entries.slice(0, 25)) {
        for (let length = 0; length <= proof.siblings.length; length += 1) {
          const siblings = proof.siblings.slice(0, length);
          for (const other of length < 3 ? ends : [null, proof.other]) {
            expect(verifyStateProof(root, target, null, { siblings, other })).toBe(false);
          }
        }
      }
    }
  });

  it('never take an inner node for a leaf or for nothing', async () => {
    const { root, entries } = await proven();
    const { key, value, proof } = entries[0] as ProvenEntry;
    const [left, right] = [proof.siblings[0] as Uint8Array, proof.siblings[1] as Uint8Array];
    const asLeaf = { siblings: [], other: { keyHash: left, valueHash: right } };
    expect(verifyStateProof(root, key, null, asLeaf)).toBe(false);
    expect(verifyStateProof(root, key, null, { siblings: [], other: null })).toBe(false);
    expect(verifyStateProof(emptyRoot, key, null, { siblings: [], other: null })).toBe(true);
    expect(verifyStateProof(emptyRoot, key, value, { siblings: [], other: null })).toBe(false);
    const own = { keyHash: stateKeyHash(key), valueHash: stateValueHash(value as Uint8Array) };
    expect(verifyStateProof(root, key, null, { ...proof, other: own })).toBe(false);
    expect(verifyStateProof(root, key, value, { ...proof, other: own })).toBe(false);
    const long = { siblings: new Array<Uint8Array>(257).fill(emptyRoot), other: null };
    expect(verifyStateProof(root, key, null, long)).toBe(false);
    const short = { siblings: [new Uint8Array(31)], other: null };
    expect(verifyStateProof(root, key, null, short)).toBe(false);
  });
});

describe('stored pages', () => {
  const writes = keyPool.map((key) => ({ key, value: utf8(key) }));

  it('are the same for the same base and writes, and name their height and root', async () => {
    const one = await updateTree(null, 5, writes, new MemoryPages(), { pageBytes: 700 });
    const two = await updateTree(null, 5, [...writes].reverse(), new MemoryPages(), {
      pageBytes: 700,
    });
    expect(two).toEqual(one);
    expect(one.pages.length).toBeGreaterThan(3);
    const ids = one.pages.map((_, n) => pageId(5, one.root, n));
    expect(one.pages.map(({ id }) => id)).toEqual(ids);
    expect(ids[0]).toBe(`000000000000005-${toHex(one.root).slice(0, 32)}-0`);
  });

  it('with a byte changed anywhere are refused', async () => {
    const first = await updateTree(null, 1, writes.slice(0, 30), new MemoryPages());
    const pages = new MemoryPages();
    pages.put(first.pages);
    const second = await updateTree({ height: 1, root: first.root }, 300, writes.slice(30), pages, {
      pageBytes: 600,
    });
    pages.put(second.pages);
    const base = { height: 300, root: second.root };
    const expected = await readKeys(base, keyPool, pages);
    const cache = new PageCache(1e6);
    for (const [id, good] of [...pages.stored]) {
      if (id === pageId(1, first.root, 0)) continue;
      for (let at = 0; at < good.length; at += 11) {
        const bad = good.slice();
        bad[at] = (bad[at] as number) ^ 0x11;
        pages.stored.set(id, bad);
        await expectRefused(readKeys(base, keyPool, pages, { cache: new PageCache(1e6) }));
        pages.stored.set(id, good);
      }
      pages.stored.set(id, good);
    }
    expect(await readKeys(base, keyPool, pages, { cache })).toEqual(expected);
  });

  it('with a wrong node under a right page are dropped from the cache', async () => {
    const pages = new MemoryPages();
    const { root, pages: made } = await updateTree(null, 0, writes, pages, { pageBytes: 700 });
    pages.put(made);
    const { id, bytes } = made[1] as { id: string; bytes: Uint8Array };
    const [version, table, entries] = decodeCbor(bytes, 1e6) as [number, Uint8Array, Uint8Array[]];
    const bent = entries.map((entry) =>
      entry.map((byte, i) => (i === entry.length - 1 ? byte ^ 1 : byte)),
    );
    pages.stored.set(id, encodeCbor([version, table, bent]));
    const cache = new PageCache(1e6);
    const base = { height: 0, root };
    const read = () => readKeys(base, keyPool, pages, { cache });
    await expect(read()).rejects.toMatchObject({ code: 'corrupt_page' });
    pages.stored.set(id, bytes);
    expect((await read()).every((value) => value !== null)).toBe(true);
  });

  it('that are missing are named', async () => {
    const read = readKeys({ height: 9, root: taggedHash('x') }, ['k'], new MemoryPages());
    await expect(read).rejects.toMatchObject({ code: 'missing_page' });
  });

  it('stay within the bytes of a cache', async () => {
    const cache = new PageCache(20_000);
    await runBlocks(
      Array.from({ length: 20 }, () => writes),
      { cache, pageBytes: 512 },
    );
    expect(cache.bytes).toBeLessThanOrEqual(cache.bytesMax);
  });
});

async function expectRefused(read: Promise<unknown>): Promise<void> {
  try {
    await read;
  } catch (error) {
    expect(error).toBeInstanceOf(LedgerError);
    expect(['corrupt_page', 'missing_page']).toContain((error as LedgerError).code);
    return;
  }
  throw new Error('a changed page was taken');
}
