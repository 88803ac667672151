/** Blocks, where their transactions are, and their events, in memory. */

import { toHex } from '../../lib/crypto/bytes.ts';
import type { StoredLink } from '../../lib/ledger/stored-link.ts';
import type { BlockBody, BlockStore, TransactionLocation } from '../../lib/ports.ts';
import type { HistoryNode, StoredHistoryNode } from '../../lib/ledger/history-tree.ts';
import type { BlockHeader } from '../../lib/wire/header.ts';
import type { Certificate } from '../../lib/wire/vote.ts';
import type { BlockEvent, EventStore, FetchedBlock, FetchedStore } from '../validator/ports.ts';
import { copyPlain } from './copy.ts';

type Certified = { header: BlockHeader; certificate: Certificate };

export class MemoryBlockStore implements BlockStore, EventStore {
  readonly #bodies = new Map<string, BlockBody>();
  readonly #certified = new Map<string, Certified>();
  readonly #links = new Map<string, Map<number, StoredLink>>();
  readonly #locations = new Map<string, Map<string, TransactionLocation>>();
  readonly #events = new Map<string, BlockEvent[]>();
  readonly #history = new Map<string, Uint8Array>();

  async stageBody(
    ledger: string,
    height: number,
    headerHash: Uint8Array,
    body: BlockBody,
    transactionIds: readonly string[],
  ): Promise<void> {
    this.#bodies.set(keyOf(ledger, toHex(headerHash)), copyPlain(body));
    for (const [index, id] of transactionIds.entries()) {
      const key = keyOf(ledger, id);
      const locations = this.#locations.get(key) ?? new Map<string, TransactionLocation>();
      locations.set(toHex(headerHash), { headerHash: headerHash.slice(), height, index });
      this.#locations.set(key, locations);
    }
  }

  async body(ledger: string, headerHash: Uint8Array): Promise<BlockBody | null> {
    return copyPlain(this.#bodies.get(keyOf(ledger, toHex(headerHash))) ?? null);
  }

  async putCertified(
    ledger: string,
    header: BlockHeader,
    _headerHash: Uint8Array,
    certificate: Certificate,
  ): Promise<void> {
    this.#certified.set(keyOf(ledger, header.height), copyPlain({ header, certificate }));
  }

  async certified(ledger: string, height: number): Promise<Certified | null> {
    return copyPlain(this.#certified.get(keyOf(ledger, height)) ?? null);
  }

  async putLink(ledger: string, link: StoredLink): Promise<void> {
    const links = this.#links.get(ledger) ?? new Map<number, StoredLink>();
    links.set(link.fromHeight, copyPlain(link));
    this.#links.set(ledger, links);
  }

  async links(ledger: string): Promise<StoredLink[]> {
    const links = [...(this.#links.get(ledger)?.values() ?? [])];
    return copyPlain(links.sort((a, b) => a.fromHeight - b.fromHeight));
  }

  async putHistory(ledger: string, nodes: readonly StoredHistoryNode[]): Promise<void> {
    for (const { level, index, hash } of nodes) {
      this.#history.set(keyOf(ledger, `${level}/${index}`), hash.slice());
    }
  }

  async history(
    ledger: string,
    nodes: readonly HistoryNode[],
  ): Promise<(Uint8Array | undefined)[]> {
    return nodes.map(({ level, index }) =>
      this.#history.get(keyOf(ledger, `${level}/${index}`))?.slice(),
    );
  }

  async locations(ledger: string, transactionId: string): Promise<TransactionLocation[]> {
    return copyPlain([...(this.#locations.get(keyOf(ledger, transactionId))?.values() ?? [])]);
  }

  async stageEvents(
    ledger: string,
    headerHash: Uint8Array,
    events: readonly BlockEvent[],
  ): Promise<void> {
    this.#events.set(keyOf(ledger, toHex(headerHash)), copyPlain([...events]));
  }

  async events(ledger: string, headerHash: Uint8Array): Promise<BlockEvent[]> {
    return copyPlain(this.#events.get(keyOf(ledger, toHex(headerHash))) ?? []);
  }
}

export class MemoryFetchedStore implements FetchedStore {
  readonly #blocks = new Map<string, FetchedBlock>();
  readonly #work = new Map<string, { version: number; bytes: Uint8Array }>();

  async put(ledger: string, height: number, block: FetchedBlock): Promise<void> {
    this.#blocks.set(keyOf(ledger, height), copyPlain(block));
  }

  async get(ledger: string, height: number): Promise<FetchedBlock | null> {
    return copyPlain(this.#blocks.get(keyOf(ledger, height)) ?? null);
  }

  async work(ledger: string, name: string): Promise<{ version: number; bytes: Uint8Array } | null> {
    return structuredClone(this.#work.get(keyOf(ledger, name)) ?? null);
  }

  async saveWork(
    ledger: string,
    name: string,
    expected: number | null,
    bytes: Uint8Array,
  ): Promise<boolean> {
    const key = keyOf(ledger, name);
    if ((this.#work.get(key)?.version ?? null) !== expected) return false;
    this.#work.set(key, { version: (expected ?? 0) + 1, bytes: bytes.slice() });
    return true;
  }
}

function keyOf(ledger: string, rest: string | number): string {
  return `${ledger}#${rest}`;
}
