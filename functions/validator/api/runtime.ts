/** What the operations of a validator's API run on, and what a warm process remembers. */

import { type CaseLedger, caseLedger } from '../../../lib/chaincode/case-ledger.ts';
import { readerOf } from '../../../lib/chaincode/draft.ts';
import { ChaincodeError } from '../../../lib/chaincode/errors.ts';
import { caseGenesisHeader } from '../../../lib/ledger/case-genesis.ts';
import { type BlockHeader, headerHash } from '../../../lib/wire/header.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { PageCache } from '../../../lib/ledger/page-cache.ts';
import type { PageReader } from '../../../lib/ledger/state-tree.ts';
import { TreeView } from '../../../lib/ledger/state-view.ts';
import type {
  BlockStore,
  CommittedHead,
  HeadReader,
  Mempool,
  PageStore,
  ReplicaStore,
} from '../../../lib/ports.ts';
import { parseGenesis, type Genesis, type SignedGenesis } from '../../../lib/wire/genesis.ts';
import { HttpError } from '../../aws/problems.ts';
import { computeGenesisBlock, type GenesisBlock } from '../genesis-block.ts';
import type { Keyring } from '../keyring.ts';
import { replicaSummary, type ReplicaSummary } from '../replica/summary.ts';
import type { EventStore, FetchedStore, GenesisStore, InboxSender } from '../ports.ts';

/** Decoded pages of the state tree that a process keeps, bytes. */
const CACHE_BYTES_MAX = 128 * 1024 * 1024;
/** The whole record is large: how long what it says of the replica is kept, milliseconds. */
const SUMMARY_MS = 1_000;

export interface ApiPorts {
  readonly replicas: ReplicaStore & HeadReader;
  readonly blocks: BlockStore & EventStore;
  readonly pages: PageStore;
  readonly mempool: Mempool;
  readonly genesis: GenesisStore;
  readonly fetched: Pick<FetchedStore, 'work'>;
  readonly inbox: InboxSender;
}

export interface ApiDeps {
  readonly network: string;
  readonly validator: string;
  /** RFC 7638 thumbprint of the operator who may start this validator. */
  readonly operatorKey: string;
  /** Base URL of this API, as others reach it. */
  readonly apiUrl: string;
  readonly ports: ApiPorts;
  readonly keyring: Keyring;
  /** Public half of the institution's KMS key, 65 bytes. */
  readonly kmsKey: () => Promise<Uint8Array>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/** A ledger of a network that runs: its genesis, and the head that an answer is pinned to. */
export interface RunningNetwork {
  readonly genesis: Genesis;
  readonly signed: SignedGenesis;
  readonly ledger: string;
  readonly head: CommittedHead;
  /** Head of the main ledger: it says who is who. */
  readonly main: CommittedHead;
  /** Of a case ledger. */
  readonly ofCase: OfCase | null;
}

/** A case ledger as the main one has it. */
export interface OfCase {
  readonly found: CaseLedger;
  /** Height 0. */
  readonly first: BlockHeader;
  /** Whether this validator's replica of it has begun. */
  readonly isStarted: boolean;
}

export class ApiRuntime {
  readonly deps: ApiDeps;
  readonly cache = new PageCache(CACHE_BYTES_MAX);
  /** When the last note to make keys was sent. */
  bootstrapAskedAt = -Infinity;
  #genesis: { genesis: Genesis; signed: SignedGenesis } | null = null;
  /** State of height 0, computed once. */
  #genesisBlock: GenesisBlock | null = null;
  #summary: { readAt: number; summary: ReplicaSummary } | null = null;

  constructor(deps: ApiDeps) {
    this.deps = deps;
  }

  /** Throws `not_initialised` before genesis. */
  async network(): Promise<RunningNetwork> {
    const [known, head] = await Promise.all([
      this.installedGenesis(),
      this.deps.ports.replicas.head(MAIN_LEDGER),
    ]);
    if (known === null || head === null) {
      throw new HttpError('not_initialised', 'Its operators have to install one', {
        retryAfterSeconds: 2,
      });
    }
    return { ...known, ledger: MAIN_LEDGER, head, main: head, ofCase: null };
  }

  /** The main ledger, or a case ledger that it knows. Throws `unknown_case` as well. */
  async ledger(ledger: string): Promise<RunningNetwork> {
    return this.ledgerOf(await this.network(), ledger);
  }

  /** As `ledger`, beside a main ledger that was read already. */
  async ledgerOf(network: RunningNetwork, ledger: string): Promise<RunningNetwork> {
    if (ledger === MAIN_LEDGER) return network;
    const { main, genesis } = network;
    const found = await caseLedger(readerOf(this.view(main)), ledger);
    if (!found) throw new ChaincodeError('unknown_case');
    const { replicas, blocks } = this.deps.ports;
    const [started, opening] = await Promise.all([
      replicas.head(ledger),
      blocks.certified(MAIN_LEDGER, found.height),
    ]);
    if (!opening) {
      throw new HttpError('history_missing', 'Ask another validator', { retryAfterSeconds: 5 });
    }
    const first = caseGenesisHeader(genesis, ledger, opening.header);
    const headOfNone = { height: 0, headerHash: headerHash(first), header: first };
    const head = started ?? { ...headOfNone, certificate: null, votedHeight: 0 };
    return { ...network, ledger, head, ofCase: { found, first, isStarted: started !== null } };
  }

  /** Verified when it was installed; only we can write it. */
  async installedGenesis(): Promise<{ genesis: Genesis; signed: SignedGenesis } | null> {
    if (this.#genesis === null) {
      const signed = await this.deps.ports.genesis.load();
      if (signed !== null) this.#genesis = { genesis: parseGenesis(signed.document), signed };
    }
    return this.#genesis;
  }

  /** How the replica is, at most a second old; null before genesis. */
  async replica(): Promise<ReplicaSummary | null> {
    const now = this.deps.clock();
    if (this.#summary === null || now - this.#summary.readAt >= SUMMARY_MS) {
      const stored = await this.deps.ports.replicas.load(MAIN_LEDGER);
      if (stored === null) return null;
      this.#summary = { readAt: now, summary: replicaSummary(stored.state) };
    }
    return this.#summary.summary;
  }

  /** Of the installed genesis. */
  async genesisBlock(genesis: Genesis): Promise<GenesisBlock> {
    this.#genesisBlock ??= await computeGenesisBlock(genesis);
    return this.#genesisBlock;
  }

  reader(ledger: string = MAIN_LEDGER): PageReader {
    const { pages } = this.deps.ports;
    return { pages: (ids) => pages.getPages(ledger, ids) };
  }

  /** Committed state of the main ledger at a head. */
  view(head: CommittedHead): TreeView {
    return new TreeView(baseOf(head), this.reader(), { cache: this.cache });
  }

  /** Committed state of a ledger. Pages are named without it: only the main one's are kept. */
  viewOf({ ledger, head }: Pick<RunningNetwork, 'ledger' | 'head'>): TreeView {
    if (ledger === MAIN_LEDGER) return this.view(head);
    return new TreeView(baseOf(head), this.reader(ledger));
  }
}

export function baseOf({ height, header }: CommittedHead): { height: number; root: Uint8Array } {
  return { height, root: header.stateRoot };
}
