/** Replica state and readers' head in memory, with the same fence as the table's. */

import type { CommittedHead, HeadReader, ReplicaStore, StoredReplica } from '../../lib/ports.ts';
import { copyPlain } from './copy.ts';

interface Entry {
  version: number;
  state: Uint8Array;
  head: CommittedHead;
}

export class MemoryReplicaStore implements ReplicaStore, HeadReader {
  readonly #entries = new Map<string, Entry>();
  readonly #wakes = new Map<string, number>();
  readonly #listed = new Set<string>();

  async load(ledger: string): Promise<StoredReplica | null> {
    const entry = this.#entries.get(ledger);
    return entry ? { version: entry.version, state: entry.state.slice() } : null;
  }

  async version(ledger: string): Promise<number | null> {
    return this.#entries.get(ledger)?.version ?? null;
  }

  async save(
    ledger: string,
    expected: number | null,
    state: Uint8Array,
    head: CommittedHead,
  ): Promise<boolean> {
    const version = this.#entries.get(ledger)?.version ?? null;
    if (version !== expected) return false;
    const next = { version: (version ?? 0) + 1, state: state.slice(), head: copyPlain(head) };
    this.#entries.set(ledger, next);
    return true;
  }

  async list(ledger: string, isActive: boolean): Promise<void> {
    if (isActive) this.#listed.add(ledger);
    else this.#listed.delete(ledger);
  }

  async listed(): Promise<string[]> {
    return [...this.#listed].sort();
  }

  async raiseWake(ledger: string): Promise<number> {
    const next = (this.#wakes.get(ledger) ?? 0) + 1;
    this.#wakes.set(ledger, next);
    return next;
  }

  async head(ledger: string): Promise<CommittedHead | null> {
    const entry = this.#entries.get(ledger);
    return entry ? copyPlain(entry.head) : null;
  }

  async wakeSeq(ledger: string): Promise<number> {
    return this.#wakes.get(ledger) ?? 0;
  }
}
