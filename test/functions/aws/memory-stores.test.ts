import { describe } from 'vitest';
import { MemoryBlockStore, MemoryFetchedStore } from '../../../functions/memory/block-store.ts';
import { MemoryGenesisStore } from '../../../functions/memory/genesis-store.ts';
import { MemoryKeyringStore } from '../../../functions/memory/keyring-store.ts';
import { MemoryMempool } from '../../../functions/memory/mempool.ts';
import { MemoryPageStore } from '../../../functions/memory/page-store.ts';
import { MemoryReplicaStore } from '../../../functions/memory/replica-store.ts';
import {
  blockContract,
  mempoolContract,
  otherContract,
  pageContract,
  replicaContract,
  type Stores,
} from './stores-contract.ts';

const make = async (): Promise<Stores> => ({
  replicas: new MemoryReplicaStore(),
  blocks: new MemoryBlockStore(),
  pages: new MemoryPageStore(),
  fetched: new MemoryFetchedStore(),
  genesis: new MemoryGenesisStore(),
  keyring: new MemoryKeyringStore(),
  mempool: ({ transactionsMax }) => new MemoryMempool(transactionsMax),
});

describe('replica store in memory', () => replicaContract(make));
describe('block store in memory', () => blockContract(make));
describe('page store in memory', () => pageContract(make));
describe('mempool in memory', () => mempoolContract(make));
describe('other stores in memory', () => otherContract(make));
