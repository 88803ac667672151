/**
 * Replay protection in authenticated state: a signing key uses each nonce once.
 *
 * Digests of used (key, nonce) pairs are kept by the window of `expiresAt` and by shard. Two
 * transactions that are valid at one moment expire less than a window apart, so that a
 * transaction is looked for in its own window and the two beside it. A window that is over holds
 * expired transactions only, which are refused anyway, and is deleted shard by shard.
 */
import { z } from 'zod';
import { concatBytes, equalBytes, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import type { StateView } from '../ledger/state-view.ts';
import { limits } from '../limits.ts';
import { encodeCbor } from '../wire/codec.ts';
import { bytesField } from '../wire/fields.ts';
import type { Transaction } from '../wire/transaction.ts';
import { chaincodeBounds } from './bounds.ts';
import type { Cell } from './cells.ts';
import { readerOf, type Write } from './draft.ts';
import { keys } from './keys.ts';

/** How far the clock of a signer may be ahead: an accepted `expiresAt` lies so much later. */
const CLOCK_SKEW_MS_MAX = 60_000;
export const seenWindowMs = limits.validityMsMax + CLOCK_SKEW_MS_MAX;

const DIGEST_BYTES = 16;
const SHARDS = 4_096;
const BITMAP_BYTES = SHARDS / 8;
const SHARD_BYTES_MAX = DIGEST_BYTES * chaincodeBounds.seenShardMax;
const NOTHING = new Uint8Array();

type Signed = Pick<Transaction, 'signer' | 'nonce' | 'expiresAt'>;

/** Where the use of a nonce is kept. */
interface Place {
  digest: Uint8Array;
  shard: number;
  window: number;
}

const shardSchema = bytesField(SHARD_BYTES_MAX).refine(
  (bytes) => bytes.length % DIGEST_BYTES === 0,
);
const bitmapSchema = bytesField(BITMAP_BYTES).refine((bytes) => bytes.length === BITMAP_BYTES);
/** Windows that hold anything, ascending. */
const cursorSchema = z.array(z.int().min(0)).max(chaincodeBounds.seenWindowsMax);

const cursorCell: Cell<number[]> = { key: keys.seenCursor, schema: cursorSchema };
const shardCell = (window: number, shard: number): Cell<Uint8Array> => ({
  key: keys.seen(window, shard),
  schema: shardSchema,
});
const bitmapCell = (window: number): Cell<Uint8Array> => ({
  key: keys.seenShards(window),
  schema: bitmapSchema,
});

/**
 * Whether the signing key has used this nonce in a transaction that could still be valid. Also
 * true where the shard can hold no more: the sender then signs anew with another nonce.
 */
export async function wasSeen(view: StateView, transaction: Signed): Promise<boolean> {
  const reader = readerOf(view);
  const { digest, shard, window } = placeOf(transaction);
  for (const near of windowsBeside(window)) {
    const used = await reader.get(shardCell(near, shard));
    if (!used) continue;
    if (holds(used, digest)) return true;
    if (near === window && used.length >= SHARD_BYTES_MAX) return true;
  }
  return false;
}

/** The writes that record an included transaction, COMMITTED or INVALID alike. */
export async function recordSeen(view: StateView, transaction: Signed): Promise<Write[]> {
  const reader = readerOf(view);
  const { digest, shard, window } = placeOf(transaction);
  const used = await reader.get(shardCell(window, shard));
  const writes = [put(shardCell(window, shard), concatBytes(used ?? NOTHING, digest))];
  if (used) return writes;
  const bitmap = (await reader.get(bitmapCell(window))) ?? new Uint8Array(BITMAP_BYTES);
  writes.push(put(bitmapCell(window), flipped(bitmap, [shard])));
  const windows = (await reader.get(cursorCell)) ?? [];
  if (!windows.includes(window)) {
    writes.push(
      put(
        cursorCell,
        [...windows, window].sort((a, b) => a - b),
      ),
    );
  }
  return writes;
}

/**
 * The writes that delete shards of windows that are over at block time: once in a block, after
 * its transactions. The more windows are over, the more is deleted, so what is kept is bounded.
 */
export async function pruneSeen(view: StateView, time: number): Promise<Write[]> {
  const reader = readerOf(view);
  const windows = (await reader.get(cursorCell)) ?? [];
  const over = windows.filter((window) => isOver(window, time));
  const writes: Write[] = [];
  let left = chaincodeBounds.seenPrunedMax * over.length;
  let done = 0;
  for (const window of over) {
    const bitmap = (await reader.get(bitmapCell(window))) ?? new Uint8Array(BITMAP_BYTES);
    const held = shardsOf(bitmap);
    const shards = held.slice(0, left);
    left -= shards.length;
    writes.push(...shards.map((shard) => ({ key: keys.seen(window, shard), value: null })));
    if (shards.length < held.length) {
      if (shards.length > 0) writes.push(put(bitmapCell(window), flipped(bitmap, shards)));
      break;
    }
    writes.push({ key: keys.seenShards(window), value: null });
    done += 1;
  }
  if (done > 0) writes.push(put(cursorCell, windows.slice(done)));
  return writes;
}

/** The state keys that `wasSeen` reads. */
export function seenKeys(transaction: Signed): string[] {
  const { shard, window } = placeOf(transaction);
  return windowsBeside(window).map((near) => keys.seen(near, shard));
}

const places = new WeakMap<Signed, Place>();

/** Computed once: a request is looked for at each check, and then recorded. */
function placeOf(transaction: Signed): Place {
  const known = places.get(transaction);
  if (known) return known;
  const place = computePlace(transaction);
  places.set(transaction, place);
  return place;
}

/** A patient signs with the owner key; one-time keys are not what a nonce is counted for. */
function computePlace({ signer, nonce, expiresAt }: Signed): Place {
  const kid = signer.kind === 'key' ? signer.kid : signer.ownerKid;
  const hash = taggedHash('seen', utf8(kid), utf8(nonce));
  const shard = ((hash[0] as number) << 4) | ((hash[1] as number) >> 4);
  const digest = hash.subarray(hash.length - DIGEST_BYTES);
  return { digest, shard, window: Math.floor(expiresAt / seenWindowMs) };
}

function windowsBeside(window: number): number[] {
  return [window - 1, window, window + 1].filter((one) => one >= 0);
}

function isOver(window: number, time: number): boolean {
  return (window + 1) * seenWindowMs <= time;
}

function holds(used: Uint8Array, digest: Uint8Array): boolean {
  for (let at = 0; at < used.length; at += DIGEST_BYTES) {
    if (equalBytes(used.subarray(at, at + DIGEST_BYTES), digest)) return true;
  }
  return false;
}

/** A copy of the bitmap with these bits turned over. */
function flipped(bitmap: Uint8Array, shards: readonly number[]): Uint8Array {
  const out = Uint8Array.from(bitmap);
  for (const shard of shards) out[shard >> 3] = (out[shard >> 3] as number) ^ (1 << (shard & 7));
  return out;
}

function shardsOf(bitmap: Uint8Array): number[] {
  const shards: number[] = [];
  for (let shard = 0; shard < SHARDS; shard += 1) {
    if (((bitmap[shard >> 3] as number) >> (shard & 7)) & 1) shards.push(shard);
  }
  return shards;
}

function put<T>(cell: Cell<T>, value: T): Write {
  return { key: cell.key, value: encodeCbor(cell.schema.parse(value)) };
}
