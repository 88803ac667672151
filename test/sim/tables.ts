/**
 * The tables of one replica: the memory stores, with a journal of every write, so that a table
 * can be restored to any earlier point, cloned, or emptied.
 */
import { MemoryBlockStore, MemoryFetchedStore } from '../../functions/memory/block-store.ts';
import { MemoryMempool } from '../../functions/memory/mempool.ts';
import { MemoryPageStore } from '../../functions/memory/page-store.ts';
import { MemoryReplicaStore } from '../../functions/memory/replica-store.ts';
import { initialReplicaState } from '../../functions/validator/replica/initial.ts';
import { encodeRecord } from '../../functions/validator/replica/record.ts';
import type { SimNetwork } from './network.ts';

export interface Tables {
  replicas: MemoryReplicaStore;
  blocks: MemoryBlockStore;
  pages: MemoryPageStore;
  mempool: MemoryMempool;
  fetched: MemoryFetchedStore;
}

/** One write, as it was called. */
export interface JournalEntry {
  port: keyof Tables;
  method: string;
  args: readonly unknown[];
}

type Methods = Record<string, (...args: readonly unknown[]) => Promise<unknown>>;

export function emptyTables(): Tables {
  return {
    replicas: new MemoryReplicaStore(),
    blocks: new MemoryBlockStore(),
    pages: new MemoryPageStore(),
    mempool: new MemoryMempool(),
    fetched: new MemoryFetchedStore(),
  };
}

/** The tables as these writes left them: values are stored, never shared, so this is a copy. */
export async function tablesOf(journal: readonly JournalEntry[]): Promise<Tables> {
  const tables = emptyTables();
  for (const entry of journal) await write(tables, entry);
  return tables;
}

export function write(tables: Tables, { port, method, args }: JournalEntry): Promise<unknown> {
  const methods = tables[port] as unknown as Methods;
  const called = methods[method];
  if (!called) throw new RangeError(`${port}.${method}`);
  return called.apply(methods, args as unknown[]);
}

/** The writes that install genesis; `session` is the incarnation of the key at hand. */
export function genesisJournal(
  { genesis, start }: SimNetwork,
  self: string,
  session: number | null,
): JournalEntry[] {
  const forgot = session === null ? 0 : null;
  const { header, hash, pages } = start;
  const state = initialReplicaState({ genesis, self, header, headerHash: hash, session, forgot });
  const record = encodeRecord({ state, outbox: [], tick: null });
  const head = { height: 0, headerHash: hash, header, certificate: null, votedHeight: 0 };
  return [
    { port: 'pages', method: 'putPages', args: ['main', pages] },
    { port: 'replicas', method: 'save', args: ['main', null, record, head] },
  ];
}
