/** One simulated run: everything that it holds, and what is checked while it runs. */
import { CaseLedgers } from './case-ledgers.ts';
import { Agenda } from './agenda.ts';
import { Adversary } from './adversary.ts';
import { type Checker, checkers } from './checkers/index.ts';
import { shortName } from './describe.ts';
import type { EventOf, SimEvent } from './events.ts';
import { CheckFailure } from './failure.ts';
import { FaultPlan } from './fault-plan.ts';
import { Links } from './links.ts';
import { type SimNetwork, startTime } from './network.ts';
import { ledger, SimNode } from './node.ts';
import { observe } from './observe.ts';
import type { Profile } from './profiles.ts';
import { pickOne } from './random.ts';
import type { SentVote } from './sent.ts';
import { genesisJournal, type JournalEntry } from './tables.ts';
import { scheduleTimeline } from './timeline.ts';
import { Trace } from './trace.ts';
import type { Certificate } from '../../lib/wire/vote.ts';
import { faultyMax, quorumSize, type ValidatorSet } from '../../lib/wire/validators.ts';
import { scheduleWorkload, type Submitted } from './workload.ts';

export interface WorldOptions {
  network: SimNetwork;
  profile: Profile;
  seed: number;
  suppressed: readonly string[];
  onEvent?: ((event: SimEvent) => void) | undefined;
}

/** A replica is the first one that has prepared or decided at a height and view, or asked for the view. */
export interface Moment {
  kind: 'prepared' | 'decided' | 'asked';
  height: number;
  view: number;
}

/** The five-minute schedule. */
const scheduleMs = 300_000;
/** What is committed at a height governs the second one after it. */
export const activationDelay = 2;

export class World {
  readonly network: SimNetwork;
  readonly profile: Profile;
  readonly plan: FaultPlan;
  readonly agenda = new Agenda(startTime);
  readonly trace = new Trace();
  readonly links: Links;
  readonly ids: readonly string[];
  readonly f: number;
  /** Instances by name. */
  readonly nodes = new Map<string, SimNode>();
  /** By compact form. */
  readonly submitted = new Map<string, Submitted>();
  /** Replicas that lost their memory: they follow without voting until they are back. */
  readonly follows = new Set<SimNode>();
  /** Height of the head at which a validator that had lost its memory was back. */
  readonly backAt = new Map<string, number>();
  /** The incarnation of a validator whose votes it has forgotten while its keys stayed. */
  readonly forgotten = new Map<string, number>();
  /** The latest incarnation under which a validator has voted. */
  readonly #votedUnder = new Map<string, number>();
  /** By height: who votes on it, as the block of two heights before says. */
  readonly sets = new Map<number, ValidatorSet>();
  readonly checkers: readonly Checker[];
  readonly cases: CaseLedgers;
  /** Faults that wait for a certain write of some honest replica. */
  readonly watchers = new Set<(node: SimNode, entry: JournalEntry) => void>();
  /** As `watchers`, of moments in the protocol. */
  readonly moments = new Set<(node: SimNode, moment: Moment) => void>();
  /** Blocks that faulty leaders made beside the ones that they showed, by either hash. */
  readonly alternatives: Adversary['alternatives'] = new Map();
  steps = 0;
  /** When the world healed; null while there is trouble. */
  healedAt: number | null = null;
  /** When all was well after healing; null before. */
  liveAt: number | null = null;
  /** When every transaction was committed somewhere; null before. */
  servedAt: number | null = null;
  readonly #passed = new Set<string>();
  readonly #faulty = new Set<string>();
  #failure: CheckFailure | null = null;
  readonly #onEvent: ((event: SimEvent) => void) | undefined;

  private constructor(options: WorldOptions) {
    this.network = options.network;
    this.profile = options.profile;
    this.plan = new FaultPlan(options.seed, options.suppressed);
    this.ids = options.network.validators.map((one) => one.id);
    this.f = faultyMax(this.ids.length);
    this.#onEvent = options.onEvent;
    this.links = new Links(this);
    this.cases = new CaseLedgers(this);
    this.checkers = checkers.map((make) => make(this));
  }

  static async start(options: WorldOptions): Promise<World> {
    const world = new World(options);
    const { ids, f } = world;
    for (const id of ids) {
      const node = await world.addInstance(id, id);
      await node.install(genesisJournal(world.network, id, 0));
    }
    world.#tell({ type: 'start', validators: ids, f, quorum: quorumSize(ids.length) }, '');
    world.#corrupt();
    scheduleTimeline(world);
    scheduleWorkload(world);
    world.cases.schedule();
    world.#scheduleTicks();
    return world;
  }

  all(): SimNode[] {
    return [...this.nodes.values()];
  }

  /** The instances of a validator: two where it runs twice. */
  instances(id: string): SimNode[] {
    return this.all().filter((one) => one.id === id);
  }

  async addInstance(id: string, name: string): Promise<SimNode> {
    const node = new SimNode(this, id, name);
    await node.keyring.install();
    node.honest = !this.#faulty.has(id);
    this.nodes.set(name, node);
    return node;
  }

  /** Counts a validator among the faulty; false where that would be more than f. */
  makeFaulty(id: string): boolean {
    if (!this.#faulty.has(id) && this.#faulty.size >= this.f) return false;
    this.#faulty.add(id);
    for (const node of this.instances(id)) node.honest = false;
    return true;
  }

  /** Its ledger table goes back while its keys stay: what it voted with them is forgotten. */
  forget(node: SimNode): void {
    const present = node.keyring.keys?.incarnation ?? 0;
    if ((this.#votedUnder.get(node.id) ?? -1) < present) return;
    this.forgotten.set(node.id, present);
    this.follows.delete(node);
  }

  isFaulty(id: string): boolean {
    return this.#faulty.has(id);
  }

  honest(): SimNode[] {
    return this.all().filter((one) => one.honest);
  }

  /** Who votes on a height; undefined where nobody has committed what says so. */
  setAt(height: number): ValidatorSet | undefined {
    return height > activationDelay ? this.sets.get(height) : this.network.genesis.validators;
  }

  /** Votes of the very step in which a validator came back left before it was judged again. */
  isJudged(validator: string, height: number): boolean {
    const isNewlyBack = (this.backAt.get(validator) ?? -1) >= height - 1;
    return !this.isFaulty(validator) && !isNewlyBack;
  }

  committedAnywhere(compact: string): boolean {
    return this.all().some((one) => one.honest && one.observed.executed.has(compact));
  }

  fail(checker: string, message: string): never {
    // Production code survives a send that fails, so the first failure is kept and told again.
    this.#failure ??= new CheckFailure(checker, message);
    throw this.#failure;
  }

  /** Throws what a checker said in the middle of a step. */
  rethrow(): void {
    if (this.#failure) throw this.#failure;
  }

  emit(node: SimNode, event: EventOf): void {
    // A fault may be what makes the replica count as faulty; it is told as the last of its events.
    if (this.#onEvent && (node.honest || event.type === 'fault')) this.#tell(event, node.id);
  }

  /** After each step of a replica: what it has done since, and what must hold. */
  async afterStep(node: SimNode): Promise<void> {
    this.steps += 1;
    this.rethrow();
    if (!node.honest && !this.follows.has(node)) await this.#noticeLearner(node);
    if (!node.honest && !this.follows.has(node)) return;
    await observe(this, node);
    await this.cases.observe(node);
    if (this.follows.has(node)) await this.#welcome(node);
  }

  /**
   * A restored replica that has noticed what it forgot is as one that lost its key. A learner that
   * was restored has noticed nothing: it may yet vote, with the keys of its forgotten votes.
   */
  async #noticeLearner(node: SimNode): Promise<void> {
    if (node.adversary || this.instances(node.id).length > 1) return;
    const state = await node.state();
    const forgotten = this.forgotten.get(node.id);
    if (!state?.learner || (forgotten !== undefined && state.forgot !== forgotten)) return;
    this.follows.add(node);
  }

  /** It votes again, under a new incarnation that the ledger knows: it is judged as all others. */
  async #welcome(node: SimNode): Promise<void> {
    const state = await node.state();
    if (!state || state.learner) return;
    // What was stored before the loss may say that it votes: with keys that are gone.
    if (state.session === null || state.session !== node.keyring.keys?.incarnation) return;
    // Under these keys it cast votes that it knows nothing of.
    if (state.session <= (this.forgotten.get(node.id) ?? -1)) return;
    node.trace('is back');
    this.backAt.set(node.id, state.head.header.height);
    this.follows.delete(node);
    this.#faulty.delete(node.id);
    node.honest = true;
  }

  /** After each write of an honest replica: what readers see now. */
  async afterWrite(node: SimNode, entry: JournalEntry, result: unknown): Promise<void> {
    if (isOfCase(entry)) {
      for (const one of this.checkers) await one.onCaseWrite?.(node, entry, result);
      return;
    }
    for (const watch of [...this.watchers]) watch(node, entry);
    if (entry.method === 'putCertified') {
      const { height, view } = entry.args[3] as Certificate;
      this.#atMoment(node, { kind: 'decided', height, view });
    }
    for (const one of this.checkers) await one.onWrite?.(node, entry, result);
  }

  /** A sender went beyond its quota at a replica: only a faulty one may. */
  cutOff(at: SimNode, senderId: string): void {
    const sender = this.honest().find((one) => one.sender('inbox').startsWith(`${senderId}:`));
    at.trace(`cuts off ${senderId}`);
    if (sender && at.honest)
      this.fail('blame', `${at.name} cut off ${sender.name}, which is honest`);
  }

  sendLeft(node: SimNode, deduplicationId: string): void {
    for (const one of this.checkers) one.onSend?.(node, deduplicationId);
  }

  /** A vote left a replica that runs the production code, be it one of the faulty. */
  voteLeft(node: SimNode, sent: SentVote, of: string = ledger): void {
    if (of !== ledger) {
      if (node.honest) for (const one of this.checkers) one.onCaseVote?.(node, of, sent);
      return;
    }
    const { phase, height, view } = sent.vote;
    const incarnation = node.keyring.keys?.incarnation ?? 0;
    this.#votedUnder.set(node.id, Math.max(incarnation, this.#votedUnder.get(node.id) ?? -1));
    if (phase === 'commit') this.#atMoment(node, { kind: 'prepared', height, view });
    if (phase === 'view-change') this.#atMoment(node, { kind: 'asked', height, view });
    for (const one of this.checkers) {
      one.onOwnVote?.(node, sent.vote);
      if (node.honest) one.onVote?.(node, sent);
    }
  }

  /** Around each step of a replica that runs the production code. */
  async aroundStep(node: SimNode, step: () => Promise<void>): Promise<void> {
    const looks: (() => Promise<void>)[] = [];
    for (const one of node.adversary ? [] : this.checkers) {
      const look = await one.beforeStep?.(node);
      if (look) looks.push(look);
    }
    await step();
    for (const look of looks) await look();
  }

  /** A vote that no earlier one is the same as: told after the step, in its place. */
  tellVote(node: SimNode, sent: SentVote): void {
    if (this.#onEvent) node.unsaid.push(sent);
  }

  /** Every fault of the environment ends; faulty replicas stay faulty. */
  async heal(): Promise<void> {
    this.trace.line(this.agenda.now, '·', 'the world heals');
    this.healedAt = this.agenda.now;
    this.plan.heal();
    this.links.cuts.clear();
    this.links.groups.clear();
    this.watchers.clear();
    this.moments.clear();
    for (const node of this.all()) {
      node.armed = [];
      node.skewMs = 0;
      node.reachable = true;
      if (!node.up) node.start();
    }
  }

  /** Validators that have a seat, as the replica that is furthest sees it. */
  members(): readonly string[] {
    const furthest = this.honest().reduce((best, one) =>
      one.observed.height > best.observed.height ? one : best,
    );
    const { members } = furthest.observed;
    return members === '' ? this.ids : members.split(' ');
  }

  /** Whom liveness is promised: honest members, and those who are to follow. */
  judged(): SimNode[] {
    const members = this.members();
    return [...this.honest(), ...this.follows].filter((one) => members.includes(one.id));
  }

  /** Replicas that are to come back by themselves: a suspended one waits for its operators. */
  awaited(): SimNode[] {
    const suspended = new Set(this.honest().flatMap((one) => [...one.observed.suspended]));
    const members = this.members();
    return [...this.follows].filter((one) => members.includes(one.id) && !suspended.has(one.id));
  }

  /** Whether every honest replica holds every transaction, at one head. */
  isLive(): boolean {
    const judged = this.judged();
    if (this.profile.laterTransactions > 0 && this.awaited().length > 0) return false;
    const heights = new Set(judged.map((one) => one.observed.height));
    if (heights.size > 1) return false;
    for (const compact of this.submitted.keys()) {
      if (!judged.every((one) => one.observed.executed.has(compact))) return false;
    }
    return true;
  }

  /** Notes when the last transaction of the workload has been committed by an honest replica. */
  noteServed(): void {
    if (this.servedAt !== null) return;
    for (const compact of this.submitted.keys()) if (!this.committedAnywhere(compact)) return;
    this.servedAt = this.agenda.now;
  }

  /** Only the first time: messages are said again. Each replica asks for views by itself. */
  #atMoment(node: SimNode, moment: Moment): void {
    const who = moment.kind === 'asked' ? node.name : '';
    const name = Object.values(moment).join(' ') + who;
    if (this.#passed.has(name)) return;
    this.#passed.add(name);
    for (const watch of [...this.moments]) watch(node, moment);
  }

  #tell(event: EventOf, replica: string): void {
    this.#onEvent?.({ at: this.agenda.now - startTime, replica, ...event });
  }

  /** Up to f replicas that do what the profile's strategies say. */
  #corrupt(): void {
    const { strategies } = this.profile;
    if (strategies.length === 0) return;
    const random = this.plan.random('who is faulty');
    const count = 1 + random.below(this.f);
    for (let index = 0; index < count; index += 1) {
      // Often the first leader: who never leads can do little harm.
      const first = random.chance(0.5) ? this.ids[0] : undefined;
      const id = first ?? pickOne(random, this.ids);
      const chosen = [pickOne(random, strategies), pickOne(random, strategies)];
      if (!this.plan.certain('faulty', shortName(id)) || !this.makeFaulty(id)) continue;
      const node = this.nodes.get(id);
      if (!node || node.adversary) continue;
      node.adversary = new Adversary(node, [...new Set(chosen)]);
      node.trace(`is faulty: ${[...new Set(chosen)].join(' and ')}`);
    }
  }

  #scheduleTicks(): void {
    for (const id of this.ids) {
      const offset = this.plan.random(`schedule ${id}`).below(60_000);
      const speak = async (): Promise<void> => {
        for (const node of this.instances(id)) await node.scheduled();
        this.agenda.add(this.agenda.now + scheduleMs, speak);
      };
      this.agenda.add(startTime + this.profile.troubleMs + 120_000 + offset, speak);
    }
  }
}

/** Every store is told its ledger first. */
function isOfCase({ args }: JournalEntry): boolean {
  return typeof args[0] === 'string' && args[0] !== ledger;
}
