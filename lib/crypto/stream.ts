/** Streams of bytes cut into fixed pieces, and work on pieces with several in flight. */

import { CryptoError } from './errors.ts';

/** One piece of a stream; only the last may be shorter than its size, or empty. */
export type Piece = { readonly bytes: Uint8Array; readonly last: boolean };

/** The most pieces that may be in flight at once. */
const IN_FLIGHT_MAX = 64;

/**
 * Cuts `source` into a first piece of `firstSize` bytes and then pieces of `size`. The last is
 * marked, so one piece is held back until more arrives; there is always at least one. Copies go
 * to `buffers` pieces of memory in turn, so a piece is good until `buffers − 1` more were taken.
 * A chunk that covers a piece is not copied: the producer must not write to chunks it gave.
 */
export async function* cutStream(
  source: AsyncIterable<Uint8Array>,
  { firstSize, size, buffers }: { firstSize: number; size: number; buffers: number },
): AsyncGenerator<Piece, void, undefined> {
  const ring: Uint8Array[] = [];
  let copied = 0;
  let wanted = firstSize;
  let full: Uint8Array | undefined;
  let partial: Uint8Array | undefined;
  let filled = 0;
  for await (const chunk of source) {
    let offset = 0;
    while (offset < chunk.length) {
      if (full !== undefined) {
        yield { bytes: full, last: false };
        full = undefined;
        wanted = size;
      }
      const rest = chunk.length - offset;
      if (partial === undefined && rest >= wanted) {
        full = chunk.subarray(offset, offset + wanted);
        offset += wanted;
        continue;
      }
      if (partial === undefined) {
        const slot = copied % buffers;
        ring[slot] ??= new Uint8Array(Math.max(firstSize, size));
        partial = ring[slot].subarray(0, wanted);
        copied += 1;
      }
      const taken = Math.min(rest, wanted - filled);
      partial.set(chunk.subarray(offset, offset + taken), filled);
      filled += taken;
      offset += taken;
      if (filled === wanted) {
        full = partial;
        partial = undefined;
        filled = 0;
      }
    }
  }
  yield { bytes: full ?? partial?.subarray(0, filled) ?? new Uint8Array(0), last: true };
}

/**
 * Runs `work` on each item of `source` with up to `inFlight` at once, and gives the results in
 * order. Memory is bounded by `inFlight` items and results, whatever the length of the source.
 */
export async function* mapInFlight<Item, Result>(
  source: AsyncIterable<Item>,
  inFlight: number,
  work: (item: Item, index: number) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  if (!Number.isInteger(inFlight) || inFlight < 1 || inFlight > IN_FLIGHT_MAX) {
    throw new CryptoError('invalid_argument', `inFlight is not 1 to ${IN_FLIGHT_MAX}`);
  }
  const running: Promise<Result>[] = [];
  let index = 0;
  try {
    for await (const item of source) {
      // The wait comes after the item was made ready, so that no place is empty meanwhile.
      if (running.length >= inFlight) yield await (running.shift() as Promise<Result>);
      const result = work(item, index);
      // Its failure is thrown when its turn comes, and must not count as unhandled until then.
      result.catch(() => undefined);
      running.push(result);
      index += 1;
    }
    while (running.length > 0) yield await (running.shift() as Promise<Result>);
  } finally {
    await Promise.allSettled(running);
  }
}
