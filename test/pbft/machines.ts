/**
 * Several `apply` machines that talk to each other, without storage, queues and real keys: what a
 * paper means by "replicas". Messages are checked as in production, with made-up signatures.
 */
import { apply } from '../../lib/pbft/apply.ts';
import type { Input } from '../../lib/pbft/input.ts';
import type { Output } from '../../lib/pbft/output.ts';
import { peersOf, upcomingOf, withSession } from '../../lib/pbft/seats.ts';
import { initialState, type ReplicaState } from '../../lib/pbft/state.ts';
import { forwardToLeader } from '../../lib/pbft/timers.ts';
import { contextOf, isRelevant, verifyMessage } from '../../lib/pbft/verify.ts';
import { equalBytes, toHex, utf8 } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { appendToFrontier, frontierRoot } from '../../lib/ledger/merkle.ts';
import type { Governed } from '../../lib/wire/governed.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import type { Message } from '../../lib/wire/messages.ts';
import { defaultParameters, type Parameters, parametersHash } from '../../lib/wire/parameters.ts';
import type { SessionCertificate } from '../../lib/wire/session.ts';
import { leaderOf, type Validator, validatorsHash } from '../../lib/wire/validators.ts';
import { type Certificate, type UnsignedVote, type Vote } from '../../lib/wire/vote.ts';
import { type VoteContext, voteSigningBytes } from '../../lib/wire/vote.ts';

type OutputOf<T extends Output['type']> = Extract<Output, { type: T }>;

/** On its way to one replica: a message, or blocks that it fetches. */
export type Flight = { to: string } & (
  | { kind: 'message'; from: string; message: Message }
  | { kind: 'fetch'; fromHeight: number; toHeight: number }
);

export interface Machine {
  readonly id: string;
  state: ReplicaState;
  /** Requests that wait here, in the order in which they came. */
  waiting: string[];
  /** Handed to the leader of this view already. */
  handedOn: { view: number; requests: Set<string> };
  /** Bodies by header hash: a body is a list of requests. */
  bodies: Map<string, string[]>;
  /** Committed blocks by height. */
  blocks: Map<number, { header: BlockHeader; certificate: Certificate; body: string[] }>;
  /** Requests that it never puts into a block of its own. */
  leavesOut: Set<string>;
  isUp: boolean;
}

export const start = 1_000_000;
const zero = new Uint8Array(32);

export const nameOf = (index: number): string => `v${String.fromCharCode(97 + index)}`;

/** Anybody could make these; the machines that are honest make their own alone. */
export function madeUpSignature(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const half = taggedHash('made-up', key, bytes);
  return new Uint8Array([...half, ...half]);
}

const verify = async (key: Uint8Array, bytes: Uint8Array, signature: Uint8Array) =>
  equalBytes(signature, madeUpSignature(key, bytes));

export const keyOf = (id: string, incarnation: number): Uint8Array =>
  new Uint8Array([...taggedHash('key', utf8(`${id}/${incarnation}`)), ...new Uint8Array(33)]);

export function seatOf(id: string, incarnation = 0): Validator {
  return { id, kmsKey: keyOf(id, 1_000 + incarnation), incarnation, suspended: false };
}

export function sessionOf(id: string, incarnation: number): SessionCertificate {
  const key = keyOf(id, incarnation);
  const lasting = { purpose: 'vote' as const, fromHeight: 0, untilHeight: 2 ** 40 };
  const body = { network: 'made-up', validator: id, incarnation, key, ...lasting };
  return { body, signature: new Uint8Array(64) };
}

/** What requests do to the set: `suspend-va`, `rejoin-va` and `replace-va-by-ve`. */
export function governedAfter(before: Governed, body: readonly string[]): Governed | null {
  let { validators } = before;
  const change = (id: string, make: (seat: Validator) => Validator): void => {
    validators = validators.map((seat) => (seat.id === id ? make(seat) : seat));
  };
  for (const request of body) {
    const [verb, id = '', , other = ''] = request.split('-');
    if (verb === 'suspend') change(id, (seat) => ({ ...seat, suspended: true }));
    if (verb === 'rejoin') change(id, (seat) => seatOf(id, seat.incarnation + 1));
    if (verb === 'replace') change(id, () => seatOf(other));
  }
  if (validators === before.validators) return null;
  const sessions = validators.map((seat) => sessionOf(seat.id, seat.incarnation));
  return { ...before, validators, sessions };
}

export class Machines {
  now = start;
  readonly all = new Map<string, Machine>();
  readonly flights: Flight[] = [];
  /** What is said to a reader, in order. */
  readonly said: string[] = [];
  /** Names of blocks by header hash, for people. */
  readonly names = new Map<string, string>();
  /** Told of each delivery and of each thing that is said. */
  listener: { flight(flight: Flight, isLost: boolean): void; said(line: string): void } | null =
    null;
  /** Pairs `va>vb` between which messages are lost. */
  readonly cut = new Set<string>();

  constructor(ids: readonly string[], parameters: Partial<Parameters> = {}, seats = ids) {
    const validators = seats.map((id) => seatOf(id));
    const sessions = validators.map((seat) => sessionOf(seat.id, 0));
    const inForce = { ...defaultParameters, ...parameters };
    const header = genesisHeader(validators, inForce);
    const hash = headerHash(header);
    for (const id of ids) {
      const state = initialState({
        ...{ self: id, ledger: 'main', genesisHash: zero, genesisHeaderHash: hash },
        ...{ leaderOffset: 0, validators, sessions, parameters: inForce, session: 0 },
        head: { header, hash, certificate: null },
        frontier: appendToFrontier([], 0, hash),
      });
      this.all.set(id, {
        ...{ id, state, waiting: [], handedOn: { view: 0, requests: new Set() } },
        ...{ bodies: new Map(), blocks: new Map(), leavesOut: new Set(), isUp: true },
      });
    }
  }

  machine(id: string): Machine {
    const found = this.all.get(id);
    if (!found) throw new Error(`no replica ${id}`);
    return found;
  }

  state(id: string): ReplicaState {
    return this.machine(id).state;
  }

  heights(): number[] {
    return [...this.all.values()].map(({ state }) => state.head.header.height);
  }

  /** A client hands a request to one replica. */
  submit(id: string, request: string): void {
    const machine = this.machine(id);
    this.#keep(machine, [request]);
    this.#handOn(machine);
  }

  tick(id: string, scheduled = false): void {
    const machine = this.machine(id);
    if (!machine.isUp) return;
    this.feed(machine, { type: 'tick', due: scheduled ? null : (machine.state.tickDueAt ?? 0) });
    this.#handOn(machine);
  }

  /** Time passes; each replica that armed a tick gets those that are due, second by second. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    while (this.now < end) {
      this.now = Math.min(end, this.now + 1_000);
      for (const { id, state } of this.all.values()) {
        if (state.tickDueAt !== null && state.tickDueAt <= this.now) this.tick(id);
      }
      await this.deliverAll();
    }
  }

  /** Delivers until nothing is on its way. */
  async deliverAll(): Promise<void> {
    for (let count = 0; this.flights.length > 0; count += 1) {
      if (count > 50_000) throw new Error('they do not stop talking');
      await this.deliverNext();
    }
  }

  async deliverNext(isWanted: (flight: Flight) => boolean = () => true): Promise<Flight | null> {
    const at = this.flights.findIndex(isWanted);
    const [flight] = at < 0 ? [] : this.flights.splice(at, 1);
    if (!flight) return null;
    this.now += 1;
    const machine = this.machine(flight.to);
    const isCut = flight.kind === 'message' && this.cut.has(`${flight.from}>${flight.to}`);
    const isLost = !machine.isUp || isCut;
    this.listener?.flight(flight, isLost);
    if (isLost) return flight;
    if (flight.kind === 'fetch') await this.#fetch(machine, flight.fromHeight, flight.toHeight);
    else await this.#take(machine, flight.from, flight.message);
    this.#handOn(machine);
    return flight;
  }

  /** Something that a faulty replica sends; the keys are at hand. */
  inject(from: string, to: readonly string[], message: Message): void {
    for (const one of to) this.flights.push({ kind: 'message', from, to: one, message });
  }

  /** A vote under the key of a seat, judged by the set that a replica knows for its height. */
  signed(vote: UnsignedVote, context: VoteContext, incarnation = 0): Vote {
    const bytes = voteSigningBytes(context, vote);
    return { ...vote, signature: madeUpSignature(keyOf(vote.validator, incarnation), bytes) };
  }

  /** The block that a replica would make of these requests. */
  blockOf(id: string, body: string[], overrides: Partial<BlockHeader> = {}): BlockHeader {
    const { state, bodies } = this.machine(id);
    const header = { ...headerOn(state, body, this.now), proposer: id, ...overrides };
    bodies.set(toHex(headerHash(header)), body);
    this.#name(header, body);
    return header;
  }

  feed(machine: Machine, input: Input): void {
    const { state, outputs } = apply(machine.state, input, this.now);
    machine.state = state;
    for (const output of outputs) this.#perform(machine, output);
  }

  blockName(hash: Uint8Array): string {
    return this.names.get(toHex(hash)) ?? toHex(hash).slice(0, 8);
  }

  /** L18: the key at hand is of this incarnation, or there is none. */
  giveKey(id: string, incarnation: number | null): void {
    const machine = this.machine(id);
    machine.state = withSession(machine.state, incarnation);
  }

  #perform(machine: Machine, output: Output): void {
    switch (output.type) {
      case 'send':
        return this.#send(machine, output);
      case 'sign': {
        const context = contextOf(machine.state, output.vote.height);
        const vote = this.signed(output.vote, context, machine.state.session ?? 0);
        return this.feed(machine, { type: 'signed', vote });
      }
      case 'build':
        return this.#build(machine, output);
      case 'execute':
        return this.#execute(machine, output);
      case 'commit':
        return this.#commit(machine, output);
      case 'forward': {
        const message = {
          type: 'forward' as const,
          transactions: machine.waiting,
          waiting: true as const,
        };
        return this.inject(machine.id, peersOf(machine.state), message);
      }
      case 'catch-up': {
        const { fromHeight, toHeight } = output;
        this.flights.push({ kind: 'fetch', to: machine.id, fromHeight, toHeight });
        return;
      }
      case 'accuse':
        this.#say(`${machine.id} accuses ${output.contradiction.first.validator}`);
        return this.#keep(machine, [`suspend-${output.contradiction.first.validator}`]);
      case 'alarm':
        this.#say(`${machine.id} alarm ${output.code}: ${output.detail}`);
        return;
      case 'tick-at':
        return;
      case 'main-wanted':
        throw new Error('there is no main ledger beside this one');
    }
  }

  #say(line: string): void {
    this.said.push(line);
    this.listener?.said(line);
  }

  #send({ id, state, bodies }: Machine, { to, message, withBody }: OutputOf<'send'>): void {
    const transactions = (withBody && bodies.get(toHex(withBody))) ?? null;
    const hasBody = message.type === 'pre-prepare' || message.type === 'decided';
    const whole = hasBody ? { ...message, transactions } : message;
    this.inject(id, to === 'all' ? peersOf(state) : [to], whole);
  }

  #build(machine: Machine, { height, view }: OutputOf<'build'>): void {
    const { state, waiting, leavesOut } = machine;
    if (state.slot.proposal || state.view !== view) return;
    if (state.head.header.height + 1 !== height) return;
    const body = waiting.filter((request) => !leavesOut.has(request));
    if (body.length === 0) return this.feed(machine, { type: 'built', built: null });
    const header = this.blockOf(machine.id, body);
    const after = governedAfter(upcomingOf(state), body);
    this.feed(machine, { type: 'built', built: { header, hash: headerHash(header), after } });
  }

  #execute(machine: Machine, { header, hash }: OutputOf<'execute'>): void {
    const { state } = machine;
    if (header.height !== state.head.header.height + 1) return;
    const body = machine.bodies.get(toHex(hash));
    if (!body) return this.feed(machine, { type: 'executed', hash, outcome: 'missing' });
    if (!equalBytes(stateRootAfter(state, body), header.stateRoot)) {
      return this.feed(machine, { type: 'executed', hash, outcome: 'mismatch' });
    }
    const after = governedAfter(upcomingOf(state), body);
    this.feed(machine, { type: 'executed', hash, outcome: 'ok', after });
  }

  #commit(machine: Machine, { header, hash, certificate }: OutputOf<'commit'>): void {
    const body = machine.bodies.get(toHex(hash)) ?? [];
    machine.blocks.set(header.height, { header, certificate, body });
    machine.waiting = machine.waiting.filter((request) => !body.includes(request));
    this.#say(`${machine.id} commits ${this.blockName(hash)}`);
    this.#tellOldest(machine);
  }

  async #take(machine: Machine, from: string, message: Message): Promise<void> {
    if (message.type === 'forward') return this.#keep(machine, message.transactions);
    if (!isRelevant(machine.state, message)) return;
    if (!(await verifyMessage(machine.state, from, message, verify))) {
      const { height } = machine.state.head.header;
      const claimed = message.type === 'decided' ? message.header.height : 0;
      if (claimed >= height + 2) this.feed(machine, { type: 'ahead', height: claimed });
      this.#say(`${machine.id} drops ${message.type} of ${from}`);
      return;
    }
    if (message.type === 'pre-prepare' || message.type === 'decided') {
      const { header, transactions } = message;
      if (transactions && equalBytes(bodyRoot(transactions), header.transactionsRoot)) {
        const hash = headerHash(header);
        machine.bodies.set(toHex(hash), transactions);
        this.#name(header, transactions);
        this.feed(machine, { type: 'body', hash });
      }
    }
    this.feed(machine, { type: 'message', from, message });
  }

  async #fetch(machine: Machine, fromHeight: number, toHeight: number): Promise<void> {
    for (let height = fromHeight; height <= toHeight; height += 1) {
      const peers = [...this.all.values()].filter(({ isUp }) => isUp);
      const block = peers.map((peer) => peer.blocks.get(height)).find((one) => one !== undefined);
      if (!block) return;
      const { header, certificate, body: transactions } = block;
      const message: Message = { type: 'decided', header, certificate, transactions };
      await this.#take(machine, machine.id, message);
    }
  }

  #keep(machine: Machine, requests: readonly string[]): void {
    const done = [...machine.blocks.values()].flatMap(({ body }) => body);
    const fresh = requests.filter((one) => !done.includes(one) && !machine.waiting.includes(one));
    machine.waiting = [...machine.waiting, ...fresh];
    this.#tellOldest(machine);
  }

  #tellOldest(machine: Machine): void {
    const { state, waiting } = machine;
    const present = waiting.find((request) => request === state.oldest?.id);
    this.feed(machine, { type: 'pending', oldest: present ?? waiting[0] ?? null });
  }

  /** L2: new requests go to the leader at once. */
  #handOn(machine: Machine): void {
    const { state, waiting } = machine;
    if (machine.handedOn.view !== state.view) {
      machine.handedOn = { view: state.view, requests: new Set() };
    }
    const { requests } = machine.handedOn;
    const fresh = waiting.filter((request) => !requests.has(request));
    const leader = forwardToLeader(state);
    if (leader === null || fresh.length === 0) return;
    for (const request of fresh) requests.add(request);
    this.inject(machine.id, [leader], { type: 'forward', transactions: fresh });
  }

  #name(header: BlockHeader, body: readonly string[]): void {
    const name = `${header.height}.${header.view}[${body.join(' ')}]`;
    this.names.set(toHex(headerHash(header)), name);
  }
}

function genesisHeader(validators: Validator[], parameters: Parameters): BlockHeader {
  const set = validatorsHash(validators);
  return {
    ...{ protocolVersion: 1, ledger: 'main', height: 0, view: 0, proposer: 'va' },
    ...{ previousHash: zero, transactionsRoot: zero, resultsRoot: zero, stateRoot: zero },
    ...{ time: start - 1_000, validatorsHash: set, nextValidatorsHash: set },
    ...{ paramsHash: parametersHash(parameters), historyRoot: zero, pin: null },
  };
}

/** What follows from a head, for these requests. */
function headerOn(state: ReplicaState, body: readonly string[], now: number): BlockHeader {
  const { validators, parameters, view, leaderOffset } = state;
  const { header, hash } = state.head;
  return {
    ...{ protocolVersion: 1, ledger: state.ledger, height: header.height + 1, view },
    proposer: leaderOf(validators, view, leaderOffset).id,
    previousHash: hash,
    ...{ transactionsRoot: bodyRoot(body), resultsRoot: zero },
    stateRoot: stateRootAfter(state, body),
    time: Math.max(now, header.time + 1),
    validatorsHash: validatorsHash(validators),
    nextValidatorsHash: validatorsHash(upcomingOf(state).validators),
    paramsHash: parametersHash(parameters),
    historyRoot: frontierRoot(state.frontier),
    pin: null,
  };
}

function bodyRoot(body: readonly string[]): Uint8Array {
  return taggedHash('body', ...body.map(utf8));
}

function stateRootAfter({ head }: ReplicaState, body: readonly string[]): Uint8Array {
  return taggedHash('state', head.header.stateRoot, ...body.map(utf8));
}
