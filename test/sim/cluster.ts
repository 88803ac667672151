/**
 * A whole network in memory: the production step over seeded queues, a virtual clock and
 * in-memory tables. Checkers run after every step.
 */
import type { ArmedTick } from '../../lib/ports.ts';
import { MemoryBlockStore, MemoryFetchedStore } from '../../functions/memory/block-store.ts';
import { MemoryMempool } from '../../functions/memory/mempool.ts';
import { MemoryPageStore } from '../../functions/memory/page-store.ts';
import { MemoryReplicaStore } from '../../functions/memory/replica-store.ts';
import { decodeInboxMessage } from '../../functions/aws/inbox-message.ts';
import { initialReplicaState } from '../../functions/validator/replica/initial.ts';
import { decodeRecord, encodeRecord } from '../../functions/validator/replica/record.ts';
import {
  type StepLog,
  type StepPorts,
  type ValidatorRuntime,
  VerifiedTransactions,
} from '../../functions/validator/runtime.ts';
import { step, type StepEvent } from '../../functions/validator/step.ts';
import { genesisWrites } from '../../lib/chaincode/genesis-state.ts';
import { toHex } from '../../lib/crypto/bytes.ts';
import { verifyP256 } from '../../lib/crypto/p256.ts';
import { genesisHeader } from '../../lib/ledger/genesis-header.ts';
import { limits } from '../../lib/limits.ts';
import { PageCache } from '../../lib/ledger/page-cache.ts';
import { updateTree } from '../../lib/ledger/state-tree.ts';
import { headerHash } from '../../lib/wire/header.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import type { Envelope } from '../../lib/wire/messages.ts';
import { pendingOf } from '../../lib/pbft/fair-order.ts';
import type { ReplicaState } from '../../lib/pbft/state.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import type { TestNetwork } from '../support/network.ts';
import { crashing, CrashError, type CrashSwitch } from './faults.ts';
import { type SeededRandom, seededRandom } from './random.ts';

interface Delivery {
  ledger: string;
  at: number;
  order: number;
  to: string;
  event: StepEvent;
  sender: string;
}

export interface SimOptions {
  seed: number;
  /** Chances per message between validators. */
  loss?: number;
  duplication?: number;
  delayMsMax?: number;
  /** Whether messages of one sender may overtake each other. */
  reorder?: boolean;
}

export interface SimNode {
  id: string;
  runtime: ValidatorRuntime;
  ports: StepPorts & {
    replicas: MemoryReplicaStore;
    blocks: MemoryBlockStore;
    mempool: MemoryMempool;
  };
  crash: CrashSwitch;
  up: boolean;
  logs: StepLog[];
}

export const startTime = 1_700_000_100_000;

export class Cluster {
  readonly nodes = new Map<string, SimNode>();
  readonly random: SeededRandom;
  readonly network: TestNetwork;
  now = startTime;
  steps = 0;
  readonly options: SimOptions;
  readonly #queue: Delivery[] = [];
  #order = 0;
  readonly #lastArrival = new Map<string, number>();
  /** Header hash by height, as first committed anywhere. */
  readonly committed = new Map<number, string>();
  readonly #committedOfCases = new Map<string, Map<number, string>>();
  /** Cuts: messages from a to b are lost while `a>b` is in the set. */
  readonly cut = new Set<string>();
  /** What a faulty validator sends in the place of an envelope; null where all are honest. */
  tamper: ((from: string, to: string, envelope: Envelope) => Promise<Envelope[]>) | null = null;
  /** A faulty validator's own replica is not judged. */
  readonly faulty = new Set<string>();
  /** Bytes of the largest record that any replica stored. */
  largestState = 0;
  ticks = 0;

  constructor(network: TestNetwork, options: SimOptions) {
    this.network = network;
    this.options = options;
    this.random = seededRandom(options.seed);
  }

  static async start(network: TestNetwork, options: SimOptions): Promise<Cluster> {
    const cluster = new Cluster(network, options);
    for (const { id } of network.validators) await cluster.#addNode(id);
    return cluster;
  }

  node(id: string): SimNode {
    const node = this.nodes.get(id);
    if (!node) throw new Error(`no node ${id}`);
    return node;
  }

  /** What `api` does: store, read `wakeSeq`, wake. */
  async submit(id: string, compacts: readonly string[]): Promise<void> {
    const node = this.node(id);
    const parsed = compacts.map(parseTransaction);
    const ledger = parsed[0]?.ledger ?? MAIN_LEDGER;
    await node.ports.mempool.submit(
      ledger,
      parsed.map((one) => pendingOf(one, this.now)),
    );
    this.wake(id, ledger);
  }

  /** Tells a validator that its mempool holds something new. */
  wake(id: string, ledger = MAIN_LEDGER): void {
    this.#post(id, id, { kind: 'wake' }, 1, ledger);
  }

  /** Delivers until nothing is left or virtual time is over; answers the virtual end time. */
  async run(untilMs: number): Promise<void> {
    while (this.#queue.length > 0) {
      this.#queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const first = this.#queue[0];
      if (!first || first.at > untilMs) break;
      this.now = Math.max(this.now, first.at);
      await this.#deliver(first.to, first.ledger);
    }
    this.now = Math.max(this.now, untilMs);
  }

  async state(id: string, ledger = MAIN_LEDGER): Promise<ReplicaState> {
    const stored = await this.node(id).ports.replicas.load(ledger);
    if (!stored) throw new Error('no replica');
    return decodeRecord(stored.state).state;
  }

  async heights(): Promise<number[]> {
    const states = await Promise.all([...this.nodes.keys()].map((id) => this.state(id)));
    return states.map((state) => state.head.header.height);
  }

  stop(id: string): void {
    this.node(id).up = false;
  }

  /** Comes back with a cold process: nothing warm, tables as they were. */
  restart(id: string): void {
    const node = this.node(id);
    node.up = true;
    node.runtime.warm.clear();
    this.#post(id, id, { kind: 'tick', due: null }, 1);
  }

  /** What the five-minute schedule does at every validator. */
  scheduleAll(ledger = MAIN_LEDGER): void {
    for (const id of this.nodes.keys()) this.#post(id, id, { kind: 'tick', due: null }, 1, ledger);
  }

  post(from: string, to: string, event: StepEvent): void {
    this.#post(from, to, event, 1);
  }

  async #addNode(id: string): Promise<void> {
    const { genesis, validators } = this.network;
    const keys = validators.find((one) => one.id === id);
    if (!keys) throw new Error(id);
    const logs: StepLog[] = [];
    const crash: CrashSwitch = { remaining: Infinity, after: false, operations: 0 };
    const ports = {
      replicas: new MemoryReplicaStore(),
      blocks: new MemoryBlockStore(),
      pages: new MemoryPageStore(),
      mempool: new MemoryMempool(),
      fetched: new MemoryFetchedStore(),
      peers: {
        send: async (peer: string, body: string): Promise<void> => this.#carry(id, peer, body),
      },
      self: {
        tick: async (ledger: string, { due, delaySeconds }: ArmedTick): Promise<void> => {
          this.ticks += 1;
          this.#post(id, id, { kind: 'tick', due }, delaySeconds * 1000, ledger);
        },
        catchUp: async (ledger: string, wanted: { fromHeight: number; toHeight: number }) =>
          this.#fetch(id, ledger, wanted),
      },
    };
    const runtime: ValidatorRuntime = {
      self: id,
      genesis,
      ports: crashing(ports, crash),
      signer: { ...keys.vote, sign: (bytes) => keys.vote.sign(bytes), incarnation: 0 },
      identity: async () => keys.kms,
      verify: verifyP256,
      clock: () => this.now,
      freshId: () => `id-${this.random.below(2 ** 31)}`,
      log: (event) => logs.push(event),
      warm: new Map(),
      cache: new PageCache(16 * 1024 * 1024),
      verified: new VerifiedTransactions(),
    };
    const state = await updateTree(null, 0, genesisWrites(genesis), {
      pages: async () => [],
    });
    await ports.pages.putPages('main', state.pages);
    const header = genesisHeader(genesis, state.root);
    const hash = headerHash(header);
    const record = initialReplicaState({ genesis, self: id, header, headerHash: hash, session: 0 });
    await ports.replicas.save(
      'main',
      null,
      encodeRecord({ state: record, outbox: [], tick: null }),
      { height: 0, headerHash: hash, header, certificate: null, votedHeight: 0 },
    );
    this.nodes.set(id, { id, runtime, ports, crash, up: true, logs });
  }

  async #carry(from: string, to: string, body: string): Promise<void> {
    if (!this.node(to).up) throw new Error('unreachable');
    if (this.cut.has(`${from}>${to}`)) return;
    const { loss = 0, duplication = 0, delayMsMax = 30 } = this.options;
    const copies = this.random.chance(duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.random.chance(loss)) continue;
      const decoded = decodeInboxMessage(body);
      if (decoded.kind !== 'envelope') throw new Error('not an envelope');
      const { envelope } = decoded;
      const sent = this.tamper ? await this.tamper(from, to, envelope) : [envelope];
      for (const one of sent) {
        const delay = 5 + this.random.below(delayMsMax);
        this.#post(from, to, { kind: 'envelope', envelope: one }, delay, envelope.ledger);
      }
    }
  }

  #post(
    from: string,
    to: string,
    event: StepEvent,
    delayMs: number,
    ledger: string = MAIN_LEDGER,
  ): void {
    const lane = `${from}>${to}:${event.kind}`;
    let at = this.now + delayMs;
    if (!this.options.reorder && event.kind === 'envelope') {
      at = Math.max(at, (this.#lastArrival.get(lane) ?? 0) + 1);
      this.#lastArrival.set(lane, at);
    }
    this.#order += 1;
    this.#queue.push({ ledger, at, order: this.#order, to, event, sender: from });
  }

  /** The catch-up worker: blocks from whichever peer is up. */
  async #fetch(
    id: string,
    ledger: string,
    wanted: { fromHeight: number; toHeight: number },
  ): Promise<void> {
    const node = this.node(id);
    const last = Math.min(wanted.toHeight, wanted.fromHeight + limits.catchUpBlocksMax - 1);
    for (let height = wanted.fromHeight; height <= last; height += 1) {
      for (const peer of this.nodes.values()) {
        const block = peer.up ? await peer.ports.blocks.certified(ledger, height) : null;
        if (!block) continue;
        const body = await peer.ports.blocks.body(ledger, headerHash(block.header));
        if (!body) continue;
        const { transactions } = body;
        await node.ports.fetched.put(ledger, height, { ...block, transactions });
        break;
      }
    }
    const { fromHeight } = wanted;
    this.#post(id, id, { kind: 'fetched', fromHeight, toHeight: last }, 50, ledger);
  }

  /** A run takes up to ten messages that have arrived; a crash leaves them in the queue. */
  async #deliver(to: string, ledger: string): Promise<void> {
    const node = this.node(to);
    const batch = this.#queue
      .filter((one) => one.to === to && one.ledger === ledger && one.at <= this.now)
      .slice(0, 10);
    const forget = (): void => {
      for (const one of batch) this.#queue.splice(this.#queue.indexOf(one), 1);
    };
    if (!node.up) return forget();
    try {
      await step(
        node.runtime,
        ledger,
        batch.map((one) => one.event),
      );
      forget();
    } catch (error) {
      if (!(error instanceof CrashError)) throw error;
      node.runtime.warm.clear();
      node.crash.remaining = Infinity;
      for (const one of batch) one.at = this.now + 1000;
    }
    this.steps += 1;
    await this.#check(node, ledger);
  }

  /** Agreement: no two replicas ever hold different headers at one height. */
  async #check(node: SimNode, ledger: string): Promise<void> {
    if (this.faulty.has(node.id)) return;
    const stored = await node.ports.replicas.load(ledger);
    if (!stored) return;
    this.largestState = Math.max(this.largestState, stored.state.length);
    const state = await this.state(node.id, ledger);
    if (state.halted) throw new Error(`${node.id} halted: ${state.halted}`);
    const { height } = state.head.header;
    const hash = toHex(state.head.hash);
    const committed = ledger === MAIN_LEDGER ? this.committed : this.#ofCase(ledger);
    const first = committed.get(height);
    if (first === undefined) committed.set(height, hash);
    else if (first !== hash) throw new Error(`fork of ${ledger} at ${height}`);
  }

  #ofCase(ledger: string): Map<number, string> {
    const committed = this.#committedOfCases.get(ledger) ?? new Map<number, string>();
    this.#committedOfCases.set(ledger, committed);
    return committed;
  }
}
