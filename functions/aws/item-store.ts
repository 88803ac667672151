/** A table of small values with versions: what the services of membership and records keep. */

/** Partition and sort key. */
export interface ItemKey {
  pk: string;
  sk: string;
}

export interface StoredItem {
  sk: string;
  /** Counts the writes of this item, from 1. */
  version: number;
  /** Plain data as `lib/wire/codec.ts` takes it; its reader checks it against a schema. */
  value: unknown;
}

/** One write of a transaction: `expected` is the version that is there, null for none. */
export interface ItemChange {
  key: ItemKey;
  expected: number | null;
  value: unknown;
}

/** Reads are consistent; a write that answers false has changed nothing. */
export interface ItemStore {
  get(key: ItemKey): Promise<StoredItem | null>;
  /** Items of a partition by sort key: with this prefix, from the one after `after` on. */
  list(pk: string, page: { prefix?: string; after?: string; limit: number }): Promise<StoredItem[]>;
  /** Writes only where nothing is. `ttlSeconds` (since 1970) lets the table forget it. */
  insert(key: ItemKey, value: unknown, ttlSeconds?: number): Promise<boolean>;
  replace(key: ItemKey, expected: number, value: unknown): Promise<boolean>;
  /** Writes items that nobody reads before another one names them. Keys differ. */
  stage(entries: readonly { key: ItemKey; value: unknown; ttlSeconds?: number }[]): Promise<void>;
  remove(keys: readonly ItemKey[]): Promise<void>;
  /** All changes, at most 100, or none. */
  transact(changes: readonly ItemChange[]): Promise<boolean>;
}
