/** Queues of peers as a sender sees them: loss, delay, overtaking, cuts. */
import { brief, shortName } from './describe.ts';
import { InjectedError } from './failure.ts';
import type { SimNode } from './node.ts';
import type { SeededRandom } from './random.ts';
import type { World } from './world.ts';
import { readSent, type SentEnvelope } from './sent.ts';

export interface HowSent {
  group: string;
  deduplicationId: string;
}

export class Links {
  /** Cuts that last, each of some links `a>b` of instance names: what a sends to b does not arrive. */
  readonly cuts = new Set<ReadonlySet<string>>();
  /** As one of `cuts`, of validators that run twice: who hears which instance. */
  readonly groups = new Set<string>();
  readonly #world: World;
  readonly #counts = new Map<string, number>();
  readonly #lastArrival = new Map<string, number>();
  readonly #delays: SeededRandom;
  /** What was sent in an earlier age is lost. */
  #age = 0;

  constructor(world: World) {
    this.#world = world;
    this.#delays = world.plan.random('link delays');
  }

  /** What is on its way arrives nowhere. */
  loseAll(): void {
    this.#age += 1;
  }

  isCut(from: SimNode, to: SimNode): boolean {
    const link = `${from.name}>${to.name}`;
    return this.groups.has(link) || this.#isInCut(link);
  }

  #isInCut(link: string): boolean {
    for (const one of this.cuts) if (one.has(link)) return true;
    return false;
  }

  /** What the production code of a validator sends. */
  async send(from: SimNode, to: string, body: string, how: HowSent): Promise<void> {
    const sent = readSent(body);
    if (from.honest) this.#world.sendLeft(from, how.deduplicationId);
    if (!from.adversary) this.#observe(from, sent);
    if (from.adversary) return from.adversary.send(to, body, how, sent);
    return this.transmit(from, to, body, how);
  }

  /** Puts a body on its way; rejects where the sender would be told that it was not taken. */
  async transmit(from: SimNode, to: string, body: string, how: HowSent): Promise<void> {
    for (const target of this.#world.instances(to)) this.#toInstance(from, target, body, how);
  }

  #toInstance(from: SimNode, target: SimNode, body: string, how: HowSent): void {
    const { plan, profile, agenda } = this.#world;
    const link = `${from.name}>${target.name}`;
    const count = (this.#counts.get(link) ?? 0) + 1;
    this.#counts.set(link, count);
    const key = `${from.short}>${target.short}#${count}`;
    const delayMs = 4 + this.#delays.below(profile.delayMsMax);
    if (this.groups.has(link)) return;
    if (!target.reachable || this.#isInCut(link)) throw new InjectedError('unreachable');
    const lost = plan.happens('loss', key, profile.loss);
    if (lost) {
      from.trace(`loses a message to ${target.short}`);
      if (lost.chance(0.5)) throw new InjectedError('not taken');
      return;
    }
    const late = plan.happens('late', key, profile.late);
    const overtaken = profile.reorder > 0 && plan.happens('overtaken', key, profile.reorder);
    let at = agenda.now + delayMs + (late ? 200 + late.below(6_000) : 0);
    if (overtaken) at += 1 + overtaken.below(400);
    else at = Math.max(at, this.#lastArrival.get(link) ?? 0);
    if (!overtaken) this.#lastArrival.set(link, at);
    const sending = { body, ...how, sender: from.sender('inbox') };
    const age = this.#age;
    agenda.add(at, () => {
      if (age === this.#age) target.deliver(sending);
    });
  }

  /** Notes own votes that leave a replica, whoever gets them. */
  #observe(from: SimNode, { votes, envelope }: SentEnvelope): void {
    for (const one of votes) {
      const { vote } = one;
      if (vote.validator !== from.id) continue;
      this.#world.voteLeft(from, one, envelope.ledger);
    }
  }
}

/** Names a vote for messages of checkers. */
export function nameOfVote({ vote }: SentEnvelope['votes'][number]): string {
  const { phase, height, view, hash, validator } = vote;
  return `${shortName(validator)}:${phase} h${height} v${view} ${brief(hash)}`;
}
