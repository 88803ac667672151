/**
 * A conversation of replicas as text: commands, then what is said. Each block of a file in
 * `test/traces` is some commands, a line of dashes, and the lines that come out.
 */
import { contextOf } from '../../lib/pbft/verify.ts';
import { selection } from '../../lib/pbft/selection.ts';
import type { ReplicaState } from '../../lib/pbft/state.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import type { Message } from '../../lib/wire/messages.ts';
import { leaderOf } from '../../lib/wire/validators.ts';
import { type Flight, type Machine, Machines } from './machines.ts';

const divider = '----';

/** The file as it should be: what people wrote, and what comes out now. */
export async function replay(text: string): Promise<string> {
  const conversation = new Conversation();
  const blocks: string[] = [];
  for (const block of text.trim().split(/\n{2,}/)) {
    const lines = block.split('\n');
    const end = lines.indexOf(divider);
    if (end < 0) {
      blocks.push(block);
      continue;
    }
    const commands = lines.slice(0, end);
    const out = await conversation.run(commands.filter((line) => !line.startsWith('#')));
    blocks.push([...commands, divider, ...out].join('\n'));
  }
  return `${blocks.join('\n\n')}\n`;
}

class Conversation {
  #network = new Machines(['va', 'vb', 'vc', 'vd']);
  #out: string[] = [];
  /** Deliveries of the same thing to several, not yet written. */
  #open: { from: string; to: string[]; what: string } | null = null;
  readonly #kept = new Map<string, Machine>();

  constructor() {
    this.#listen();
  }

  async run(commands: readonly string[]): Promise<string[]> {
    this.#out = [];
    for (const command of commands) await this.#do(command.trim().split(/\s+/));
    this.#close();
    return this.#out;
  }

  async #do([verb = '', ...words]: string[]): Promise<void> {
    const network = this.#network;
    const [first = '', second = ''] = words;
    switch (verb) {
      case 'network': {
        const at = words.indexOf('seats');
        const [ids, seats] = at < 0 ? [words, words] : [words.slice(0, at), words.slice(at + 1)];
        this.#network = new Machines(ids, {}, seats);
        return this.#listen();
      }
      case 'submit':
        return network.submit(first, second);
      case 'deliver':
        return first ? this.#deliverSome(first) : network.deliverAll();
      case 'drop':
        return this.#drop(first);
      case 'pass':
        return network.pass(Number.parseInt(first, 10) * 1_000);
      case 'tick':
        return network.tick(first, second === 'scheduled');
      case 'down':
      case 'up':
        network.machine(first).isUp = verb === 'up';
        return;
      case 'cut':
        for (const pair of this.#pairs(first)) network.cut.add(pair);
        return;
      case 'heal':
        return network.cut.clear();
      case 'key':
        return network.giveKey(first, second === 'none' ? null : Number(second));
      case 'keep':
        this.#kept.set(first, structuredClone(network.machine(first)));
        return;
      case 'restore':
        Object.assign(network.machine(first), this.#kept.get(first));
        return;
      case 'leaves-out':
        network.machine(first).leavesOut.add(second);
        return;
      case 'lies':
        return this.#lie(first, words.slice(1));
      case 'state':
        for (const machine of network.all.values()) this.#say(stateLine(network, machine));
        return;
      default:
        throw new Error(`no command ${verb}`);
    }
  }

  /** `va>vb`, with `*` for everybody. */
  #pairs(text: string): string[] {
    const [from = '', to = ''] = text.split('>');
    const ids = [...this.#network.all.keys()];
    const every = (one: string): string[] => (one === '*' ? ids : [one]);
    return every(from).flatMap((a) => every(to).map((b) => `${a}>${b}`));
  }

  #isOn(pairs: readonly string[], flight: Flight): boolean {
    return flight.kind === 'message' && pairs.includes(`${flight.from}>${flight.to}`);
  }

  async #deliverSome(text: string): Promise<void> {
    const pairs = this.#pairs(text);
    while (await this.#network.deliverNext((flight) => this.#isOn(pairs, flight)));
  }

  #drop(text: string): void {
    const { flights } = this.#network;
    const pairs = this.#pairs(text);
    const lost = flights.filter((flight) => this.#isOn(pairs, flight));
    for (const flight of lost) {
      flights.splice(flights.indexOf(flight), 1);
      this.#write(flight, true);
    }
  }

  /** `lies va prepare 1.0[x] v0 to vb vc`, or `propose` in the place of `prepare`. */
  #lie(from: string, [phase = '', name = '', inView = '', , ...to]: string[]): void {
    const network = this.#network;
    const state = network.state(from);
    const view = Number(inView.slice(1));
    const body = /\[(.*)\]/.exec(name)?.[1]?.split(',') ?? [];
    const header: BlockHeader = network.blockOf(from, body);
    const context = contextOf(state, header.height);
    const sign = (kind: 'prepare' | 'commit') =>
      network.signed(
        { phase: kind, height: header.height, view, hash: headerHash(header), validator: from },
        context,
      );
    const message: Message =
      phase === 'propose'
        ? { type: 'pre-prepare', header, transactions: body, vote: sign('prepare') }
        : { type: 'vote', vote: sign(phase === 'commit' ? 'commit' : 'prepare') };
    network.inject(from, to, message);
  }

  #listen(): void {
    this.#network.listener = {
      flight: (flight, isLost) => this.#write(flight, isLost),
      said: (line) => this.#say(`    ${line}`),
    };
  }

  #write(flight: Flight, isLost: boolean): void {
    if (flight.kind === 'fetch') {
      const { to, fromHeight, toHeight } = flight;
      return this.#say(`    ${to} fetches ${fromHeight}…${toHeight}`);
    }
    const { from, to, message } = flight;
    const what = `${describe(this.#network, message)}${isLost ? '  (lost)' : ''}`;
    if (this.#open?.from === from && this.#open.what === what) {
      this.#open.to.push(to);
      return;
    }
    this.#close();
    this.#open = { from, to: [to], what };
  }

  #say(line: string): void {
    this.#close();
    this.#out.push(line);
  }

  #close(): void {
    if (!this.#open) return;
    const { from, to, what } = this.#open;
    this.#open = null;
    this.#out.push(`${from} → ${to.join(' ')}  ${what}`);
  }
}

/** What a message says, in a few words; blocks are `height.view[requests]`. */
function describe(network: Machines, message: Message): string {
  switch (message.type) {
    case 'forward':
      return `forward ${message.transactions.join(' ')}`;
    case 'pre-prepare': {
      const { vote, transactions } = message;
      const body = transactions ? ' with its body' : '';
      return `pre-prepare ${network.blockName(vote.hash)} in v${vote.view}${body}`;
    }
    case 'vote': {
      const { phase, hash, view } = message.vote;
      return `${phase} ${network.blockName(hash)} in v${view}`;
    }
    case 'view-change': {
      const { view, head, prepared } = message.viewChange;
      const { hash, view: at } = prepared?.certificate ?? { hash: null, view: 0 };
      const held = hash ? `prepared ${network.blockName(hash)} in v${at}` : 'nothing prepared';
      return `view-change v${view}: head ${head.header.height}, ${held}`;
    }
    case 'new-view': {
      const { view, viewChanges } = message.newView;
      const by = viewChanges.map(({ vote }) => vote.validator).join(' ');
      const { height, prepared } = selection(viewChanges);
      const bound = prepared ? network.blockName(prepared.certificate.hash) : 'nothing';
      return `new-view v${view} of ${by}: head ${height}, bound to ${bound}`;
    }
    case 'status': {
      const { height, view, changing, wanted } = message;
      const mark = changing ? '?' : '';
      const wants = wanted ? ` wants ${network.blockName(wanted)}` : '';
      return `status: head ${height}, v${view}${mark}${wants}`;
    }
    case 'decided': {
      const body = message.transactions ? ' with its body' : '';
      return `decided ${network.blockName(message.certificate.hash)}${body}`;
    }
  }
}

/** One line for each replica: `?` marks a view that was asked for and not entered. */
function stateLine(network: Machines, { id, state, waiting, isUp }: Machine): string {
  const { head, view, changing, slot } = state;
  const marks = roleOf(state, isUp);
  const parts = [
    `${id}  head ${head.header.height}  v${view}${changing ? '?' : ''}${marks ? `  ${marks}` : ''}`,
  ];
  if (slot.proposal) parts.push(`proposal ${network.blockName(slot.proposal.hash)}`);
  if (slot.prepared) {
    const { hash, view: at } = slot.prepared.certificate;
    parts.push(`prepared ${network.blockName(hash)} in v${at}`);
  }
  if (slot.wanted) parts.push(`wants ${network.blockName(slot.wanted)}`);
  if (waiting.length > 0) parts.push(`waits ${waiting.join(' ')}`);
  const suspended = state.validators.filter((seat) => seat.suspended).map((seat) => seat.id);
  if (suspended.length > 0) parts.push(`suspended ${suspended.join(' ')}`);
  return parts.join('  ');
}

function roleOf(state: ReplicaState, isUp: boolean): string {
  if (!isUp) return 'down';
  if (state.halted) return 'halted';
  if (state.learner) return 'learner';
  const leader = leaderOf(state.validators, state.view, state.leaderOffset).id;
  return leader === state.self && !state.changing ? 'leads' : '';
}
