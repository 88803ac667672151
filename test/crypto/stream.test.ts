import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutStream, mapInFlight } from '../../lib/crypto/stream.ts';
import { codeOf, sampleBytes, streamOf } from './helpers.ts';

const chunkings = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

describe('cutStream', () => {
  it('cuts any chunking into the same pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(120),
        chunkings,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        async (length, sizes, firstSize, size) => {
          const source = sampleBytes(length);
          const lengths: number[] = [];
          const seen: number[] = [];
          const marks: boolean[] = [];
          const cut = { firstSize, size, buffers: 2 };
          for await (const { bytes, last } of cutStream(streamOf(source, sizes), cut)) {
            lengths.push(bytes.length);
            seen.push(...bytes);
            marks.push(last);
          }
          expect(seen).toEqual([...source]);
          expect(marks.indexOf(true)).toBe(marks.length - 1);
          expect(lengths.slice(0, -1)).toEqual(
            lengths.slice(0, -1).map((_, i) => (i === 0 ? firstSize : size)),
          );
          const end = lengths.at(-1) as number;
          expect(end).toBeLessThanOrEqual(lengths.length === 1 ? firstSize : size);
          expect(end > 0 || length === 0).toBe(true);
        },
      ),
    );
  });

  it('gives one empty piece for nothing, and passes over empty chunks', async () => {
    const nothing = (async function* () {
      yield new Uint8Array(0);
      yield new Uint8Array(0);
    })();
    const pieces = [];
    for await (const piece of cutStream(nothing, { firstSize: 1, size: 1, buffers: 1 })) {
      pieces.push(piece);
    }
    expect(pieces).toEqual([{ bytes: new Uint8Array(0), last: true }]);
  });

  it('keeps a piece good while buffers − 1 more are taken', async () => {
    const source = sampleBytes(1_000);
    const held: { bytes: Uint8Array; copy: Uint8Array }[] = [];
    const cut = { firstSize: 10, size: 10, buffers: 4 };
    for await (const { bytes } of cutStream(streamOf(source, [3]), cut)) {
      held.push({ bytes, copy: new Uint8Array(bytes) });
      for (const piece of held.slice(-3)) expect(piece.bytes).toEqual(piece.copy);
    }
    expect(held).toHaveLength(100);
  });
});

describe('mapInFlight', () => {
  const numbers = async function* (count: number) {
    for (let i = 0; i < count; i += 1) yield i;
  };

  it('keeps order, and never has more in flight than it may', async () => {
    let running = 0;
    let most = 0;
    const results: number[] = [];
    const work = async (n: number): Promise<number> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, (7 * n) % 5));
      running -= 1;
      return n;
    };
    for await (const n of mapInFlight(numbers(30), 4, work)) results.push(n);
    expect(results).toEqual([...Array(30).keys()]);
    expect(most).toBe(4);
  });

  it('throws the first failure in order, after what came before it', async () => {
    const results: number[] = [];
    const work = async (n: number): Promise<number> => {
      if (n >= 3) throw new Error(`failed at ${n}`);
      return n;
    };
    const run = async (): Promise<void> => {
      for await (const n of mapInFlight(numbers(30), 4, work)) results.push(n);
    };
    await expect(run()).rejects.toThrow('failed at 3');
    expect(results).toEqual([0, 1, 2]);
  });

  it('waits for what is running when the reader stops', async () => {
    let running = 0;
    const work = async (n: number): Promise<number> => {
      running += 1;
      await new Promise((resolve) => setTimeout(resolve, 2));
      running -= 1;
      return n;
    };
    for await (const n of mapInFlight(numbers(30), 4, work)) if (n === 5) break;
    expect(running).toBe(0);
  });

  it.each([0, -1, 1.5, Number.NaN, 65])('refuses %d in flight', async (inFlight) => {
    const run = () => mapInFlight(numbers(1), inFlight, async (n) => n).next();
    expect(await codeOf(run)).toBe('invalid_argument');
  });
});
