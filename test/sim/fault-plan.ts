/**
 * Which faults happen. Each has an id of its own and draws from a stream named by it, so that
 * one can be left out (by the shrinker, or a replay file) while the others stay as they are.
 */
import { namedRandom, type SeededRandom } from './random.ts';

export class FaultPlan {
  /** Ids of faults that took effect, in order. */
  readonly occurred: string[] = [];
  readonly #seed: number;
  readonly #suppressed: ReadonlySet<string>;
  readonly #kinds: ReadonlySet<string>;
  #healed = false;

  /** `suppressed` holds ids, and whole kinds as `kind:*`. */
  constructor(seed: number, suppressed: readonly string[]) {
    this.#seed = seed;
    this.#suppressed = new Set(suppressed);
    this.#kinds = new Set(
      suppressed.filter((one) => one.endsWith(':*')).map((one) => one.slice(0, -2)),
    );
  }

  /** The stream of a decision that is no fault (delays, workload, batch times). */
  random(name: string): SeededRandom {
    return namedRandom(this.#seed, name);
  }

  /** Whether the fault `kind:key` happens; its own stream of randomness if it does. */
  happens(kind: string, key: string, probability: number): SeededRandom | null {
    return this.#healed ? null : this.lies(kind, key, probability);
  }

  /** As `happens`, but of a faulty replica, which stays faulty after the world has healed. */
  lies(kind: string, key: string, probability: number): SeededRandom | null {
    if (probability <= 0) return null;
    const id = `${kind}:${key}`;
    const random = namedRandom(this.#seed, id);
    if (!random.chance(probability)) return null;
    return this.#take(kind, id) ? random : null;
  }

  /** A fault, or a step of the workload, that is certain unless it is left out. */
  certain(kind: string, key: string): boolean {
    return this.#take(kind, `${kind}:${key}`);
  }

  /** No fault of the environment happens from now on. */
  heal(): void {
    this.#healed = true;
  }

  #take(kind: string, id: string): boolean {
    if (this.#kinds.has(kind) || this.#suppressed.has(id)) return false;
    this.occurred.push(id);
    return true;
  }
}

/** The kind of a fault id. */
export function kindOf(id: string): string {
  return id.slice(0, id.indexOf(':'));
}
