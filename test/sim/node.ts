/**
 * One simulated account: tables, inbox, timers and processes around the production step. What
 * may go wrong at an operation goes wrong here.
 */
import type { ArmedTick } from '../../lib/ports.ts';
import type { SQSRecord } from 'aws-lambda';
import { encodeSelfMessage, type SelfMessage } from '../../functions/aws/inbox-message.ts';
import { encodeTimerMessage, type TimerMessage } from '../../functions/aws/timer-message.ts';
import { readBatch } from '../../functions/validator/inbox-batch.ts';
import { SenderQuota } from '../../functions/validator/sender-quota.ts';
import { decodeRecord } from '../../functions/validator/replica/record.ts';
import { openSigner, Rejoin } from '../../functions/validator/rejoin.ts';
import {
  type StepLog,
  type StepPorts,
  type ValidatorRuntime,
  VerifiedTransactions,
} from '../../functions/validator/runtime.ts';
import { FencedOutError, step, type StepEvent } from '../../functions/validator/step.ts';
import { handleTimer, type TimerEvent } from '../../functions/validator/timer-handler.ts';
import { toBase64url, toHex, utf8 } from '../../lib/crypto/bytes.ts';
import { hmacSha256 } from '../../lib/crypto/hash.ts';
import { PageCache } from '../../lib/ledger/page-cache.ts';
import type { ReplicaState } from '../../lib/pbft/state.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import type { TestValidator } from '../support/network.ts';
import type { Adversary } from './adversary.ts';
import { fetchBlocks } from './catch-up.ts';
import { describeEvent, shortName } from './describe.ts';
import { CheckFailure, InjectedError } from './failure.ts';
import { Invocation } from './invocation.ts';
import { OpenedKeys, SimKeyring } from './keyring.ts';
import type { SeededRandom } from './random.ts';
import { FifoQueue, type QueueMessage } from './queue.ts';
import { emptyTables, type JournalEntry, type Tables, tablesOf, write } from './tables.ts';
import type { SentVote } from './sent.ts';
import type { World } from './world.ts';

export const ledger = 'main';
/** Bytes of decoded pages that a process keeps. */
const cacheBytesMax = 4 * 1024 * 1024;
const batchMessagesMax = 10;
/** What only looks: everything else counts as a write or a send. */
const reads = new Set(
  'load version head listed wakeSeq body certified links history locations events getPages next has get'.split(
    ' ',
  ),
);

/** A fault that waits for a certain write or send of this account. */
export interface ArmedFault {
  id: string;
  kind: 'crash' | 'stall';
  /** Writes and sends until it strikes. */
  remaining: number;
  /** Whether the operation still takes effect. */
  after: boolean;
  /** How long a stalled run stands still, and when its messages are given to another. */
  forMs: number;
  visibleInMs: number;
}

/** A Lambda environment: warm memory, and the run that it is busy with. */
interface Process {
  runtime: ValidatorRuntime;
  /** What senders may take of it: counted in its memory. */
  quota: SenderQuota;
  opened: OpenedKeys;
  rejoin: Rejoin;
  invocation: Invocation | null;
  /** Height of the main ledger here as its step on a case ledger began; null while it does none. */
  mainAtStep: number | null;
}

/** What was seen of an honest replica so far. */
export interface Observed {
  height: number;
  view: number;
  changing: boolean;
  learner: boolean;
  suspended: Set<string>;
  incarnations: Map<string, number>;
  members: string;
  /** Compact transactions that its ledger holds, and those of them that had no effect. */
  executed: Set<string>;
  refused: Set<string>;
}

function nothingObserved(): Observed {
  return {
    height: 0,
    view: 0,
    changing: false,
    learner: false,
    suspended: new Set(),
    incarnations: new Map(),
    members: '',
    executed: new Set(),
    refused: new Set(),
  };
}

export class SimNode {
  readonly world: World;
  /** The validator. */
  readonly id: string;
  /** The instance: a twin has another name than its validator. */
  readonly name: string;
  readonly keys: TestValidator;
  readonly inbox = new FifoQueue();
  tables: Tables = emptyTables();
  journal: JournalEntry[] = [];
  /** Its session table. */
  readonly keyring: SimKeyring;
  adversary: Adversary | null = null;
  /** False once the replica counts among the f faulty: it is not judged. */
  honest = true;
  up = true;
  /** Whether peers can send into its inbox. */
  reachable = true;
  skewMs = 0;
  armed: ArmedFault[] = [];
  observed = nothingObserved();
  /** Whether tables were put in the place of others: what clients handed in may be lost. */
  lostMempool = false;
  /** Votes that left since events were last told. */
  unsaid: SentVote[] = [];
  /** Of the set that votes on its head + 1. */
  validatorsHash: Uint8Array;
  readonly #ids: SeededRandom;
  readonly #delays: SeededRandom;
  readonly #secret: Uint8Array;
  /** Senders whose notes to itself count. */
  readonly #own: readonly string[];
  #processes: Process[] = [];
  #operations = 0;
  #pollAt: number | null = null;
  #busyUntil = 0;

  constructor(world: World, id: string, name: string) {
    const keys = world.network.validators.find((one) => one.id === id);
    if (!keys) throw new RangeError(id);
    this.world = world;
    this.id = id;
    this.name = name;
    this.keys = keys;
    this.keyring = new SimKeyring(world.network, id, name);
    this.validatorsHash = validatorsHash(world.network.genesis.validators);
    this.#ids = world.plan.random(`ids ${name}`);
    this.#delays = world.plan.random(`delays ${name}`);
    this.#secret = utf8(`wake secret of ${name}`);
    this.#own = [this.sender('api').split(':')[0] ?? ''];
  }

  get short(): string {
    return shortName(this.name);
  }

  get now(): number {
    return this.world.agenda.now + this.skewMs;
  }

  /** Puts tables in the place of the present ones: a restore, a wipe, or the first install. */
  async install(journal: readonly JournalEntry[]): Promise<void> {
    this.lostMempool = this.journal.length > 0;
    this.journal = [...journal];
    this.tables = await tablesOf(journal);
    this.#processes = this.#processes.filter((one) => one.invocation !== null);
    this.observed = nothingObserved();
  }

  /** Height of its main ledger as the first of the steps on case ledgers began that are under way. */
  get mainAtStep(): number {
    return Math.min(...this.#processes.flatMap((one) => one.mainAtStep ?? []));
  }

  trace(text: string): void {
    this.world.trace.line(this.world.agenda.now, this.short, text);
  }

  /** The replica's state as its table and its warm memory have it; null before genesis. */
  async state(): Promise<ReplicaState | null> {
    const version = await this.tables.replicas.version(ledger);
    if (version === null) return null;
    for (const { runtime } of this.#processes) {
      const warm = runtime.warm.get(ledger);
      if (warm?.version === version) return warm.record.state;
    }
    const stored = await this.tables.replicas.load(ledger);
    return stored && decodeRecord(stored.state).state;
  }

  /** What `api` does with a submission: store, read `wakeSeq`, wake. */
  async submit(compact: string): Promise<void> {
    const { id, ledger: of, issuedAt, expiresAt } = parseTransaction(compact);
    const entry = { id, compact, issuedAt, expiresAt, arrivedAt: this.now };
    await this.perform({ port: 'mempool', method: 'submit', args: [of, [entry]] });
    const wakeSeq = await this.tables.replicas.wakeSeq(of);
    const named = utf8(JSON.stringify([of, wakeSeq]));
    this.note({ kind: 'wake', ledger: of }, toHex(hmacSha256(this.#secret, named)));
  }

  /** A note to itself, as `api` and `timer` send them. */
  note(message: SelfMessage, deduplicationId = this.freshId()): void {
    const body = encodeSelfMessage(message);
    this.deliver({ body, group: message.ledger, deduplicationId, sender: this.sender('api') });
  }

  /** What SQS says of who sent: the account's role and its session. */
  sender(role: 'inbox' | 'api'): string {
    return `AROA-${this.id}-${role}:session`;
  }

  deliver(sending: Parameters<FifoQueue['send']>[1]): void {
    if (this.adversary && !this.adversary.takes(sending)) return;
    const isNew = this.inbox.send(this.world.agenda.now, sending);
    if (this.adversary) this.adversary.hear(sending);
    if (!isNew) this.trace(`queue drops a repeated id of ${shortName(sending.sender)}`);
    this.poke();
  }

  /** The five-minute schedule speaks. */
  async scheduled(): Promise<void> {
    if (this.reachable) await handleTimer(this.#timerDeps(), {} as TimerEvent);
  }

  freshId(): string {
    return toBase64url(Uint8Array.from({ length: 16 }, () => this.#ids.below(256)));
  }

  /** Comes back with cold processes. */
  start(): void {
    this.up = true;
    this.poke();
  }

  stop(): void {
    this.up = false;
    this.dropWarm();
  }

  /** Cold from the next run on; runs under way go on. */
  dropWarm(): void {
    this.#processes = this.#processes.filter((one) => one.invocation !== null);
  }

  /** Sees to it that the inbox is looked at as soon as it may give something. */
  poke(): void {
    const ready = this.inbox.readyAt(this.world.agenda.now);
    if (ready === null || !this.up) return;
    const at = Math.max(ready, this.#busyUntil);
    if (this.#pollAt !== null && this.#pollAt <= at) return;
    this.#pollAt = at;
    this.world.agenda.add(at, () => this.#poll(at));
  }

  async #poll(at: number): Promise<void> {
    if (this.#pollAt !== at) return;
    this.#pollAt = null;
    if (!this.up) return;
    const batch = this.inbox.receive(this.world.agenda.now, batchMessagesMax);
    if (batch.length > 0) {
      this.#busyUntil = this.world.agenda.now + 8 + this.#delays.below(30);
      await this.#invoke(batch);
    }
    this.poke();
  }

  async #invoke(batch: readonly QueueMessage[]): Promise<void> {
    const process = this.#chooseProcess();
    const invocation = new Invocation(batch);
    process.invocation = invocation;
    invocation.start(this.#run(process, batch));
    await this.#follow(process, invocation);
  }

  /** What the Lambda handler does: sort the batch, a step for each ledger, poison acknowledged. */
  async #run(process: Process, batch: readonly QueueMessage[]): Promise<void> {
    const { runtime, quota, opened, rejoin } = process;
    const { batches, poisoned, unread } = readBatch(batch.map(recordOf), this.#own, quota);
    for (const { senderId } of quota.takeCutOffs()) this.world.cutOff(this, senderId);
    for (const [sender, count] of unread) this.trace(`leaves ${count} of ${sender} unread`);
    for (const { reason, senderId } of poisoned) this.trace(`poison of ${senderId}: ${reason}`);
    for (const one of batches) {
      if (one.ledger === ledger) this.trace(`⟵ ${one.events.map(describeEvent).join(' | ')}`);
      if (one.events.length === 0) continue;
      runtime.signer ??= await openSigner(opened);
      if (one.ledger !== ledger) {
        await this.#stepOnCase(process, one.ledger, one.events);
        continue;
      }
      await this.world.aroundStep(this, async () => {
        await step(runtime, one.ledger, one.events);
      });
      await this.#comeBack(runtime, rejoin, one.ledger);
    }
  }

  async #stepOnCase(process: Process, of: string, events: readonly StepEvent[]): Promise<void> {
    process.mainAtStep = (await this.tables.replicas.head(ledger))?.height ?? 0;
    try {
      await step(process.runtime, of, events);
    } finally {
      process.mainAtStep = null;
    }
  }

  /** As the Lambda handler: what fails here is tried again after the next step. */
  async #comeBack(runtime: ValidatorRuntime, rejoin: Rejoin, of: string): Promise<void> {
    try {
      const event = await rejoin.next(runtime, of);
      if (!event) return;
      this.trace('asks to come back');
      await step(runtime, of, [event]);
    } catch (error) {
      const isExpected = error instanceof InjectedError || error instanceof FencedOutError;
      if (!isExpected) throw error;
      this.trace(`cannot come back yet: ${error.name}`);
    }
  }

  /** Goes on until the run ends or is held up; the rest comes later. */
  async #follow(process: Process, invocation: Invocation): Promise<void> {
    const { agenda } = this.world;
    const signal = await invocation.next();
    const { batch } = invocation;
    if (signal.kind === 'paused') {
      this.trace(`stands still for ${signal.forMs} ms`);
      this.inbox.release(batch, agenda.now + signal.visibleInMs);
      agenda.add(agenda.now + signal.visibleInMs, () => this.poke());
      agenda.add(agenda.now + signal.forMs, async () => {
        this.trace('goes on');
        invocation.resume();
        await this.#follow(process, invocation);
      });
      return;
    }
    process.invocation = null;
    if (signal.kind === 'died') {
      this.trace('dies');
      this.#processes = this.#processes.filter((one) => one !== process);
      this.inbox.release(batch, agenda.now + signal.visibleInMs);
    } else if (signal.kind === 'failed') {
      this.#failed(signal.error, batch);
    } else {
      this.#acknowledge(batch);
    }
    await this.world.afterStep(this);
    this.poke();
  }

  #failed(error: unknown, batch: readonly QueueMessage[]): void {
    if (error instanceof CheckFailure) throw error;
    const isExpected = error instanceof InjectedError || error instanceof FencedOutError;
    if (!isExpected && this.honest) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new CheckFailure('no-throw', `${this.name} threw ${text}`);
    }
    this.trace(`fails: ${(error as Error).name}`);
    this.inbox.release(batch, this.world.agenda.now + 50);
  }

  /** The batch leaves the queue, or comes once more as if the deletion had not arrived. */
  #acknowledge(batch: readonly QueueMessage[]): void {
    const { redeliver } = this.world.profile;
    const key = `${this.short}#${batch[0]?.sequence ?? 0}.${batch[0]?.receives ?? 0}`;
    const again = this.world.plan.happens('redeliver', key, redeliver);
    if (again) this.inbox.release(batch, this.world.agenda.now + again.below(5_000));
    else this.inbox.delete(batch);
  }

  /** A warm process that is free; in profiles with overlaps also another, or a cold one. */
  #chooseProcess(): Process {
    const free = this.#processes.filter((one) => one.invocation === null);
    const pick = this.world.profile.otherProcess;
    const other = pick > 0 && this.#delays.chance(pick) ? this.#delays.below(3) : 0;
    const chosen = free[other];
    if (chosen) return chosen;
    const quota = new SenderQuota(this.#own, () => this.now);
    const opened = new OpenedKeys(this.keyring, () => this.now);
    const rejoin = new Rejoin({
      renew: (incarnation, _kmsKey, seen) =>
        this.#attempt(process, 'keyring.renew', () => this.keyring.renewOver(seen, incarnation)),
      open: opened,
      log: (reason) => this.trace(`does not come back: ${reason}`),
    });
    const runtime = this.#newRuntime();
    const idle = { invocation: null, mainAtStep: null };
    const process: Process = { runtime, quota, opened, rejoin, ...idle };
    process.runtime.ports = this.#portsFor(process);
    this.#processes.push(process);
    return process;
  }

  #newRuntime(): ValidatorRuntime {
    const { network } = this.world;
    return {
      self: this.id,
      genesis: network.genesis,
      ports: this.tables as unknown as StepPorts,
      signer: null,
      identity: async () => this.keyring.kms,
      verify: network.verify,
      clock: () => this.now,
      freshId: () => this.freshId(),
      log: (entry) => this.#log(entry),
      warm: new Map(),
      cache: new PageCache(cacheBytesMax),
      verified: new VerifiedTransactions(),
    };
  }

  #log(entry: StepLog): void {
    const { event, ...facts } = entry;
    if (event === 'send_failed') return;
    const plain = Object.values(facts).filter((one) => typeof one !== 'object');
    this.trace(`${event} ${plain.slice(1).join(' ')}`);
  }

  /** The ports of one process: every write or send may go wrong. */
  #portsFor(process: Process): StepPorts {
    const table = (port: keyof Tables): object => {
      const methods: Record<string, (...args: unknown[]) => Promise<unknown>> = {};
      for (const method of methodsOf(this.tables[port])) {
        methods[method] = (...args) =>
          reads.has(method)
            ? this.#read(process, { port, method, args })
            : this.#attempt(process, `${port}.${method}`, () =>
                this.perform({ port, method, args }),
              );
      }
      return methods;
    };
    const timer = (message: TimerMessage, seconds: number): Promise<void> =>
      this.#attempt(process, message.kind, async () => this.#setTimer(message, seconds));
    const ports = {
      replicas: table('replicas'),
      blocks: table('blocks'),
      pages: table('pages'),
      mempool: table('mempool'),
      fetched: table('fetched'),
      peers: {
        send: (to: string, body: string, how: { group: string; deduplicationId: string }) =>
          this.#attempt(process, `send to ${shortName(to)}`, () =>
            this.world.links.send(this, to, body, how),
          ),
      },
      self: {
        tick: (of: string, { due, delaySeconds }: ArmedTick) =>
          timer({ kind: 'tick', ledger: of, due }, delaySeconds),
        catchUp: (of: string, wanted: { fromHeight: number; toHeight: number }) =>
          timer({ kind: 'catch-up', ledger: of, ...wanted }, 0),
      },
    };
    return ports as unknown as StepPorts;
  }

  async #read(process: Process, entry: JournalEntry): Promise<unknown> {
    const held = process.invocation?.held();
    if (held) await held;
    const found = await write(this.tables, entry);
    const { adversary } = this;
    return adversary ? adversary.read(entry, found) : found;
  }

  /** One write or send of a run, with what may befall it before and after. */
  async #attempt<T>(process: Process, what: string, operation: () => Promise<T>): Promise<T> {
    const { invocation } = process;
    const held = invocation?.held();
    if (held) await held;
    if (!invocation) return operation();
    invocation.writes += 1;
    this.#operations += 1;
    const armed = this.#strike();
    if (armed && !armed.after) await this.#suffer(invocation, armed, what);
    await this.#maybeRefused(what, 'refused');
    const result = await operation();
    if (armed?.after) await this.#suffer(invocation, armed, what);
    await this.#maybeRefused(what, 'unanswered');
    const heldNow = invocation.held();
    if (heldNow) await heldNow;
    return result;
  }

  /** Throttled before it took effect, or timed out after it did. */
  async #maybeRefused(what: string, kind: 'refused' | 'unanswered'): Promise<void> {
    const chance = this.world.profile[kind];
    if (chance <= 0) return;
    if (!this.world.plan.happens(kind, `${this.short}#${this.#operations}`, chance)) return;
    this.trace(`${what} is ${kind}`);
    throw new InjectedError(`${what} ${kind}`);
  }

  #strike(): ArmedFault | null {
    const first = this.armed[0];
    if (!first) return null;
    first.remaining -= 1;
    if (first.remaining > 0) return null;
    this.armed.shift();
    return first;
  }

  async #suffer(invocation: Invocation, armed: ArmedFault, what: string): Promise<void> {
    this.trace(`${armed.kind} ${armed.after ? 'after' : 'before'} ${what}`);
    this.world.emit(this, { type: 'fault', id: armed.id });
    if (armed.kind === 'crash') await invocation.die(armed.visibleInMs);
    else await invocation.pause(armed.forMs, armed.visibleInMs);
  }

  /** Does a write, notes it, and lets the checkers see what readers could see now. */
  async perform(entry: JournalEntry): Promise<unknown> {
    const result = await write(this.tables, entry);
    this.journal.push(entry);
    if (this.honest) await this.world.afterWrite(this, entry, result);
    return result;
  }

  #timerDeps(): Parameters<typeof handleTimer>[0] {
    return {
      listed: () => this.tables.replicas.listed(),
      inbox: {
        wake: async () => undefined,
        send: async (message) => this.note(message),
      },
      snapshot: async () => 'none',
      backfill: async () => 'none',
      later: async () => undefined,
      catchUp: async (wanted) => fetchBlocks(this, wanted),
      log: ({ event }) => this.trace(event),
    };
  }

  #setTimer(message: TimerMessage, seconds: number): void {
    const { agenda } = this.world;
    const late = this.#delays.below(message.kind === 'tick' ? 60 : 250);
    const record = { body: encodeTimerMessage(message), messageId: 'timer' } as SQSRecord;
    agenda.add(agenda.now + seconds * 1_000 + late, async () => {
      await handleTimer(this.#timerDeps(), { Records: [record] });
    });
  }
}

function recordOf(message: QueueMessage): SQSRecord {
  return {
    messageId: String(message.sequence),
    body: message.body,
    attributes: {
      MessageGroupId: message.group,
      SenderId: message.sender,
      SentTimestamp: String(message.sentAt),
      ApproximateReceiveCount: String(message.receives),
    },
  } as unknown as SQSRecord;
}

/** Names of the methods of a store, its own and its class's. */
function methodsOf(store: object): string[] {
  const names = new Set<string>();
  for (let at: object | null = store; at && at !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(at)) if (name !== 'constructor') names.add(name);
    at = Reflect.getPrototypeOf(at);
  }
  return [...names];
}
