/**
 * A faulty replica: the production code with its real key, and strategies that change what it
 * sends, what it reads, and what it does by itself. It holds no key but its own.
 */
import { encodePeerMessage } from '../../functions/aws/inbox-message.ts';
import type { StepPorts } from '../../functions/validator/runtime.ts';
import { toHex } from '../../lib/crypto/bytes.ts';
import { contextOf } from '../../lib/pbft/verify.ts';
import type { ReplicaState } from '../../lib/pbft/state.ts';
import type { BlockHeader } from '../../lib/wire/header.ts';
import type { Envelope } from '../../lib/wire/messages.ts';
import { type UnsignedVote, type Vote, voteSigningBytes } from '../../lib/wire/vote.ts';
import { InjectedError } from './failure.ts';
import type { HowSent } from './links.ts';
import { ledger, type SimNode } from './node.ts';
import type { Sending } from './queue.ts';
import type { SeededRandom } from './random.ts';
import { readSent, type SentEnvelope } from './sent.ts';
import { strategies, type Strategy, type StrategyName } from './strategies.ts';
import type { JournalEntry } from './tables.ts';

/** A block that a faulty leader made beside another of the same height and view. */
export interface Alternative {
  header: BlockHeader;
  hash: Uint8Array;
  transactions: string[];
}

const heardMax = 64;
const actMs = 700;

export class Adversary {
  readonly node: SimNode;
  /** Shared by all faulty replicas: by the hash of either block, the other one. */
  readonly alternatives: Map<string, Alternative>;
  /** What it was sent, newest last: bodies with the ids under which they came. */
  readonly heard: Sending[] = [];
  readonly #strategies: readonly Strategy[];
  #decisions = 0;

  constructor(node: SimNode, names: readonly StrategyName[]) {
    this.node = node;
    this.alternatives = node.world.alternatives;
    this.#strategies = names.map((name) => strategies[name](this));
    if (this.#strategies.some((one) => 'act' in one)) this.#actLater();
  }

  get peers(): string[] {
    return this.node.world.ids.filter((id) => id !== this.node.id);
  }

  /** Whether it does this now: a fault with an id of its own, also after healing. */
  decides(kind: StrategyName, probability: number): SeededRandom | null {
    this.#decisions += 1;
    const { plan } = this.node.world;
    return plan.lies(kind, `${this.node.short}#${this.#decisions}`, probability);
  }

  /** The same choice whenever it is asked for. */
  chooses(what: string): SeededRandom {
    return this.node.world.plan.random(`${this.node.name} ${what}`);
  }

  async send(to: string, body: string, how: HowSent, sent: SentEnvelope): Promise<void> {
    let envelopes: Envelope[] = [sent.envelope];
    for (const strategy of this.#strategies) {
      if (!strategy.rewrite) continue;
      const next: Envelope[] = [];
      for (const one of envelopes) next.push(...(await strategy.rewrite(to, one)));
      envelopes = next;
    }
    const delayMs = Math.max(0, ...this.#strategies.map((one) => one.delayMs?.() ?? 0));
    for (const [index, envelope] of envelopes.entries()) {
      const text = envelope === sent.envelope ? body : encodePeerMessage(envelope);
      const own = index === 0 ? how : { ...how, deduplicationId: this.node.freshId() };
      this.post(to, text, own, delayMs);
    }
  }

  /** Puts a body on its way; whether it arrives is the links' business. */
  post(to: string, body: string, how: Partial<HowSent> = {}, delayMs = 0): void {
    const { world } = this.node;
    const full = { group: ledger, deduplicationId: this.node.freshId(), ...how };
    world.agenda.add(world.agenda.now + delayMs, async () => {
      try {
        await world.links.transmit(this.node, to, body, full);
      } catch (error) {
        if (!(error instanceof InjectedError)) throw error;
      }
    });
  }

  postEnvelope(to: string, envelope: Partial<Envelope> & Pick<Envelope, 'messages'>): void {
    const genesisHash = this.node.world.network.genesis.hash;
    const full = { genesisHash, ledger, from: this.node.id, ...envelope };
    this.post(to, encodePeerMessage(full));
  }

  /** Whether it takes what came into its inbox; a note to itself it always does. */
  takes({ body }: Pick<Sending, 'body'>): boolean {
    if (!this.#strategies.some((one) => 'takes' in one) || !body.startsWith('peer:')) return true;
    try {
      const { envelope } = readSent(body);
      return this.#strategies.every((one) => one.takes?.(envelope) ?? true);
    } catch {
      return true;
    }
  }

  hear(sending: Sending): void {
    this.heard.push(sending);
    if (this.heard.length > heardMax) this.heard.shift();
  }

  /** Envelopes that it heard; what cannot be read is passed over. */
  heardEnvelopes(): Envelope[] {
    return this.heard
      .filter(({ body, sender }) => body.startsWith('peer:') && sender.includes('hospital-'))
      .flatMap(({ body }) => {
        try {
          return [readSent(body).envelope];
        } catch {
          return [];
        }
      });
  }

  read(entry: JournalEntry, found: unknown): unknown {
    let value = found;
    for (const strategy of this.#strategies) value = strategy.read?.(entry, value) ?? value;
    return value;
  }

  /** Whether its `api` gives out this block. */
  servesBlocks(height: number): boolean {
    return this.chooses(`serves ${height}`).chance(0.5);
  }

  async state(): Promise<ReplicaState | null> {
    return this.node.state();
  }

  /** Signs whatever it is asked, as itself. */
  async sign(vote: Omit<UnsignedVote, 'validator'>): Promise<Vote> {
    const state = await this.state();
    const { phase, height, view, hash } = vote;
    const unsigned = { phase, height, view, hash };
    const validator = this.node.id;
    if (!state) return { ...unsigned, validator, signature: new Uint8Array(64) };
    const bytes = voteSigningBytes(contextOf(state, height), unsigned);
    return { ...unsigned, validator, signature: await this.node.keys.vote.sign(bytes) };
  }

  /** Reads its tables as the production code would, without faults. */
  get ports(): StepPorts {
    return this.node.tables as unknown as StepPorts;
  }

  pair(one: Alternative, other: Alternative): void {
    this.alternatives.set(toHex(one.hash), other);
    this.alternatives.set(toHex(other.hash), one);
  }

  #actLater(): void {
    const { agenda } = this.node.world;
    agenda.add(agenda.now + actMs, async () => {
      for (const strategy of this.#strategies) await strategy.act?.();
      this.#actLater();
    });
  }
}
