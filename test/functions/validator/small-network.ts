/** Four validators with keyrings of their own, queues and tables in memory, as `inbox` runs them. */
import type { ArmedTick } from '../../../lib/ports.ts';
import { decodeInboxMessage } from '../../../functions/aws/inbox-message.ts';
import { MemoryBlockStore, MemoryFetchedStore } from '../../../functions/memory/block-store.ts';
import { MemoryGenesisStore } from '../../../functions/memory/genesis-store.ts';
import { MemoryKeyringStore } from '../../../functions/memory/keyring-store.ts';
import { MemoryMempool } from '../../../functions/memory/mempool.ts';
import { MemoryPageStore } from '../../../functions/memory/page-store.ts';
import { MemoryReplicaStore } from '../../../functions/memory/replica-store.ts';
import { MemoryInboxSender } from '../../../functions/memory/senders.ts';
import { httpHandler } from '../../../functions/aws/http.ts';
import { operationsOf } from '../../../functions/validator/api/operations.ts';
import { ApiRuntime } from '../../../functions/validator/api/runtime.ts';
import { routes } from '../../../functions/validator/routes.ts';
import { SetBook } from '../../../functions/validator/set-book.ts';
import { fetchSnapshot } from '../../../functions/validator/snapshot-worker.ts';
import { callApi } from '../call.ts';
import { backfill } from '../../../functions/validator/backfill.ts';
import type { BlockRange } from '../../../functions/validator/catch-up.ts';
import { computeGenesisBlock } from '../../../functions/validator/genesis-block.ts';
import { GenesisRecovery } from '../../../functions/validator/genesis-recovery.ts';
import { initialiseReplica } from '../../../functions/validator/install-genesis.ts';
import { Keyring, renewKeyring } from '../../../functions/validator/keyring.ts';
import { bringMainState } from '../../../functions/validator/main-state-worker.ts';
import { openSigner, Rejoin } from '../../../functions/validator/rejoin.ts';
import { decodeRecord } from '../../../functions/validator/replica/record.ts';
import {
  type StepLog,
  type ValidatorRuntime,
  VerifiedTransactions,
} from '../../../functions/validator/runtime.ts';
import { step, type StepEvent } from '../../../functions/validator/step.ts';
import { signJws } from '../../../lib/crypto/jws.ts';
import { thumbprint, verifyP256 } from '../../../lib/crypto/p256.ts';
import { randomId } from '../../../lib/crypto/random.ts';
import { PageCache } from '../../../lib/ledger/page-cache.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import { type Genesis, parseGenesis, type SignedGenesis } from '../../../lib/wire/genesis.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../../lib/wire/transaction.ts';
import { makeDocument, makeParty, NETWORK, NOW, type Party } from '../validator-api/fixture.ts';
import { signDocument } from '../validator-api/fixture.ts';

const IDS = ['north', 'east', 'south', 'west'] as const;

/** What survives a process: tables and keys. */
export class Tables {
  readonly genesis = new MemoryGenesisStore();
  readonly pages = new MemoryPageStore();
  readonly replicas = new MemoryReplicaStore();
  readonly blocks = new MemoryBlockStore();
  readonly mempool = new MemoryMempool();
  readonly fetched = new MemoryFetchedStore();
}

export interface Node {
  readonly party: Party;
  readonly tables: Tables;
  readonly runtime: ValidatorRuntime | null;
  readonly open: Keyring;
  readonly rejoin: Rejoin;
  readonly recovery: GenesisRecovery;
}

interface Delivery {
  at: number;
  /** Of an event; an envelope names its own. */
  ledger: string;
  to: string;
  body: string | StepEvent;
}

export class SmallNetwork {
  readonly genesis: Genesis;
  readonly parties: readonly Party[];
  readonly nodes = new Map<string, Node>();
  readonly logs: (StepLog & { at: string })[] = [];
  /** Why replicas do not come back by themselves. */
  readonly reasons: string[] = [];
  now = NOW;
  /** From so many lacking blocks on, a snapshot is fetched through the APIs of the peers. */
  snapshotFrom = Infinity;
  #queue: Delivery[] = [];

  private constructor(parties: readonly Party[], signed: SignedGenesis) {
    this.parties = parties;
    this.genesis = parseGenesis(signed.document);
  }

  static async start(): Promise<SmallNetwork> {
    const parties = await Promise.all(IDS.map(makeParty));
    const signed = await signDocument(parties, await makeDocument(parties));
    const network = new SmallNetwork(parties, signed);
    const { genesis } = network;
    const block = await computeGenesisBlock(genesis);
    for (const party of parties) {
      const tables = new Tables();
      await tables.genesis.save(signed);
      const self = party.id;
      await initialiseReplica(tables, { genesis, block, self, hasForgotten: false });
      await network.boot(party, tables);
    }
    return network;
  }

  node(id: string): Node {
    const node = this.nodes.get(id);
    if (!node) throw new Error(`no node ${id}`);
    return node;
  }

  /** A new process over these tables; the party's keyring is what its session table holds. */
  async boot(party: Party, tables: Tables): Promise<Node> {
    const keyring = { network: NETWORK, validator: party.id, store: party.store, wrap: party.wrap };
    const open = new Keyring({ ...keyring, clock: () => this.now });
    const sender = { send: this.#sender() };
    const recovery = new GenesisRecovery({
      ...{ network: NETWORK, validator: party.id, ports: tables, sender, keyring },
      operatorKey: thumbprint(party.operator.publicKey),
      peers: IDS.filter((id) => id !== party.id),
      kmsKey: () => Promise.resolve(party.kms),
      clock: () => this.now,
      freshId: randomId,
      log: () => undefined,
    });
    const rejoin = new Rejoin({
      renew: (incarnation, kmsKey, seen) => renewKeyring({ ...keyring, kmsKey }, incarnation, seen),
      open,
      log: (reason) => this.reasons.push(reason),
      claimed: async ({ self }) => {
        const { validators } = await this.state(self === 'north' ? 'east' : 'north');
        return validators.find((one) => one.id === self)?.incarnation ?? 0;
      },
    });
    const runtime = (await tables.genesis.load()) && {
      self: party.id,
      genesis: this.genesis,
      ports: {
        ...tables,
        peers: sender,
        self: {
          tick: async (ledger: string, { due, delaySeconds }: ArmedTick) =>
            this.post(party.id, { kind: 'tick', due }, delaySeconds * 1_000, ledger),
          catchUp: async (ledger: string, range: { fromHeight: number; toHeight: number }) =>
            this.#fetch(party.id, { ledger, ...range }),
        },
      },
      signer: await openSigner(open),
      identity: () => Promise.resolve(party.kms),
      verify: verifyP256,
      clock: () => this.now,
      freshId: randomId,
      log: (line: StepLog) => this.logs.push({ ...line, at: party.id }),
      warm: new Map(),
      cache: new PageCache(8 * 1024 * 1024),
      verified: new VerifiedTransactions(),
    };
    const node = { party, tables, runtime, open, rejoin, recovery };
    this.nodes.set(party.id, node);
    return node;
  }

  /** Both tables are emptied and the queue is purged; the KMS key stays. */
  async wipe(id: string): Promise<void> {
    this.#queue = this.#queue.filter(({ to }) => to !== id);
    const store = new MemoryKeyringStore();
    store.identity = `wiped at ${this.now}`;
    await this.boot({ ...this.node(id).party, store }, new Tables());
  }

  post(to: string, body: string | StepEvent, delayMs = 1, ledger = MAIN_LEDGER): void {
    this.#queue.push({ at: this.now + delayMs, ledger, to, body });
  }

  /** A probe of the operator of a validator, given to that validator. */
  async probe(id: string, label: string, ledger = MAIN_LEDGER): Promise<void> {
    const fn = ledger === MAIN_LEDGER ? 'governance.probe' : 'case.probe';
    await this.submit(id, { fn, args: { label } }, ledger);
  }

  /** What the operator of a validator asks for, given to that validator; answers its id. */
  async submit(
    id: string,
    { fn, args }: { fn: string; args: Record<string, string> },
    ledger = MAIN_LEDGER,
  ): Promise<string> {
    const { operator } = this.node(id).party;
    const payload = encodeRequest({
      network: NETWORK,
      ...{ ledger, fn, args },
      nonce: randomId(),
      issuedAt: this.now,
      expiresAt: this.now + 600_000,
    });
    const kid = thumbprint(operator.publicKey);
    const transaction = await signJws({ typ: jwsTypes.transaction, kid }, payload, operator);
    this.post(id, { kind: 'own', transaction }, 1, ledger);
    return parseTransaction(transaction).id;
  }

  /** Delivers what is due until then. */
  async run(forMs: number): Promise<void> {
    const until = this.now + forMs;
    for (;;) {
      this.#queue.sort((a, b) => a.at - b.at);
      const first = this.#queue[0];
      if (!first || first.at > until) break;
      this.#queue.shift();
      this.now = Math.max(this.now, first.at);
      await this.#deliver(first);
    }
    this.now = until;
  }

  async state(id: string, ledger = MAIN_LEDGER): Promise<ReplicaState> {
    const stored = await this.node(id).tables.replicas.load(ledger);
    if (!stored) throw new Error(`${id} has no replica`);
    return decodeRecord(stored.state).state;
  }

  #sender() {
    return async (peer: string, body: string): Promise<void> => this.post(peer, body, 10);
  }

  /** As `inbox` does with one message. */
  async #deliver({ to, body, ledger: named }: Delivery): Promise<void> {
    let node = this.node(to);
    const read = typeof body === 'string' ? decodeInboxMessage(body) : null;
    let event: StepEvent;
    if (read?.kind === 'recovery') {
      if (!(await node.recovery.take(read.message))) return;
      node = await this.boot(node.party, node.tables);
      event = { kind: 'tick', due: null };
    } else if (read?.kind === 'envelope') {
      event = read;
    } else {
      event = body as StepEvent;
    }
    const { runtime } = node;
    if (!runtime) {
      return node.recovery.ask(event.kind === 'envelope' ? [event.envelope.from] : []);
    }
    const ledger = event.kind === 'envelope' ? event.envelope.ledger : named;
    await step(runtime, ledger, [event]);
    if (ledger !== MAIN_LEDGER) return;
    const next = await node.rejoin.next(runtime, ledger);
    if (next) await step(runtime, ledger, [next]);
  }

  /** The API of a validator, as its peers reach it. */
  async call(url: string, init: RequestInit = {}): Promise<Response> {
    const { hostname, pathname, search } = new URL(url);
    const { party, tables, open } = this.node(hostname.split('.')[0] ?? '');
    const runtime = new ApiRuntime({
      ...{ network: NETWORK, validator: party.id, apiUrl: `http://${party.id}.test` },
      operatorKey: thumbprint(party.operator.publicKey),
      ports: { ...tables, inbox: new MemoryInboxSender() },
      keyring: open,
      kmsKey: () => Promise.resolve(party.kms.publicKey),
      clock: () => this.now,
      sleep: () => Promise.resolve(),
    });
    const service = { routes, operations: operationsOf(runtime), log: () => undefined };
    const answer = await callApi(httpHandler(service), {
      method: init.method ?? 'GET',
      path: pathname + search,
      headers: init.headers as Record<string, string>,
      text: init.body as string | undefined,
    });
    return new Response(JSON.stringify(answer.body), { status: answer.status });
  }

  /** What the workers of a validator run on. */
  async peerDeps(id: string) {
    const { tables, open } = this.node(id);
    const readKey = await open.openRequestKey();
    if (!readKey) return null;
    const links = await tables.blocks.links('main');
    return {
      ...{ ...tables, genesis: this.genesis, network: NETWORK, ledger: 'main', readKey },
      peers: this.genesis.document.validators.filter((one) => one.id !== id),
      sets: await SetBook.open({ genesis: this.genesis, links }),
      fetch: (input: string | URL | Request, init?: RequestInit) =>
        this.call(input as string, init),
      clock: () => this.now,
      log: () => undefined,
    };
  }

  /** The snapshot worker of a validator. */
  async #fetchSnapshot(id: string): Promise<boolean> {
    const deps = await this.peerDeps(id);
    const head = await this.node(id).tables.replicas.head('main');
    if (!deps || !head) return false;
    const far = { behindMin: this.snapshotFrom, ownHeight: head.height };
    return (await fetchSnapshot({ ...deps, ...far }, this.now + 1)) === 'complete';
  }

  /** The worker that fetches blocks before a snapshot, until it rests. */
  async backfill(id: string): Promise<void> {
    const deps = await this.peerDeps(id);
    if (deps) while ((await backfill(deps, this.now + 1)) === 'again');
  }

  /** The catch-up worker: blocks of whichever peer has them. */
  async #fetch(id: string, range: BlockRange): Promise<void> {
    const { ledger } = range;
    const isFar = range.toHeight - range.fromHeight + 1 >= this.snapshotFrom;
    const isOfMain = ledger === MAIN_LEDGER;
    if (isOfMain && isFar && (await this.#fetchSnapshot(id))) {
      return this.post(id, { kind: 'snapshot' }, 20);
    }
    const { fetched } = this.node(id).tables;
    let toHeight = range.fromHeight - 1;
    for (let height = range.fromHeight; height <= range.toHeight; height += 1) {
      for (const { tables } of this.nodes.values()) {
        const block = await tables.blocks.certified(ledger, height);
        const body = block && (await tables.blocks.body(ledger, headerHash(block.header)));
        if (!block || !body) continue;
        await fetched.put(ledger, height, { ...block, transactions: body.transactions });
        toHeight = height;
        break;
      }
    }
    const { fromHeight } = range;
    const deps = isOfMain ? null : await this.peerDeps(id);
    if (deps) await bringMainState(deps, { ledger, fromHeight, toHeight });
    this.post(id, { kind: 'fetched', fromHeight, toHeight }, 20, ledger);
  }
}
