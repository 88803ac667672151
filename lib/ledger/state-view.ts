/** Views of state: one version of the tree, a block's earlier writes on top, and what was read. */
import { type PageReader, readKeys, type StateWrite, type TreeBase } from './state-tree.ts';
import type { TreeOptions } from './state-tree.ts';

/** All that chaincode sees of state. */
export interface StateView {
  /** The value of a key, undefined where it has none. Callers do not change the bytes. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Loads keys that are read next, where the view can: a hint, which changes no value. */
  prefetch?(keys: readonly string[]): Promise<void>;
}

/** Loads many keys at once, ahead of single reads. */
export interface PrefetchingView extends StateView {
  prefetch(keys: readonly string[]): Promise<void>;
}

/** One committed version of the tree; what was read once is kept for the view's life. */
export class TreeView implements PrefetchingView {
  readonly #base: TreeBase;
  readonly #reader: PageReader;
  readonly #options: TreeOptions;
  readonly #values = new Map<string, Uint8Array | undefined>();

  constructor(base: TreeBase, reader: PageReader, options: TreeOptions = {}) {
    this.#base = base;
    this.#reader = reader;
    this.#options = options;
  }

  /** Keys that are kept, absent ones too. */
  get size(): number {
    return this.#values.size;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    if (!this.#values.has(key)) await this.prefetch([key]);
    return this.#values.get(key);
  }

  /** Reads the keys in as many round trips as the tree has levels. */
  async prefetch(keys: readonly string[]): Promise<void> {
    const missing = [...new Set(keys)].filter((key) => !this.#values.has(key));
    if (missing.length === 0) return;
    const values = await readKeys(this.#base, missing, this.#reader, this.#options);
    missing.forEach((key, i) => this.#values.set(key, values[i] ?? undefined));
  }
}

/** A block under way: earlier writes hide what is below, and are collected. */
export class OverlayView implements StateView {
  readonly #below: StateView;
  readonly #writes = new Map<string, Uint8Array | null>();

  constructor(below: StateView) {
    this.#below = below;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const written = this.#writes.get(key);
    return written === undefined ? this.#below.get(key) : (written ?? undefined);
  }

  /** Loads what no earlier write hides. */
  async prefetch(keys: readonly string[]): Promise<void> {
    await this.#below.prefetch?.(keys.filter((key) => !this.#writes.has(key)));
  }

  /** Puts the writes of one executed transaction on top. */
  apply(writes: readonly StateWrite[]): void {
    for (const { key, value } of writes) this.#writes.set(key, value);
  }

  /** The last write of each key, in the order of the keys' text. */
  writes(): StateWrite[] {
    return [...this.#writes]
      .map(([key, value]) => ({ key, value }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

/** Notes which keys a query reads, absent ones too, so that each can be proven. */
export class RecordingView implements StateView {
  readonly #below: StateView;
  readonly #keys = new Set<string>();

  constructor(below: StateView) {
    this.#below = below;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#keys.add(key);
    return this.#below.get(key);
  }

  /** What is only loaded is not read, so it needs no proof. */
  async prefetch(keys: readonly string[]): Promise<void> {
    await this.#below.prefetch?.(keys);
  }

  /** The keys read, in the order of their first reads. */
  keys(): string[] {
    return [...this.#keys];
  }
}
