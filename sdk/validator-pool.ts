/** Which validator to ask next: the one that worked last, then the others; the failing ones rest. */
import type { Clock } from './clock.ts';

export interface ValidatorAddress {
  readonly id: string;
  /** Base URL of its API, without a slash at the end. */
  readonly url: string;
}

/** Who is known: the addresses of one set. */
interface KnownValidators {
  /** Hash of the set, hexadecimal. */
  readonly setHash: string;
  readonly validators: readonly ValidatorAddress[];
}

interface Standing {
  /** Not asked before this time, milliseconds, unless nobody else is left. */
  restsUntil: number;
  failures: number;
}

/** A validator that does not answer is left alone this long at first, doubled each time. */
const REST_BASE_MS = 2_000;
const REST_MAX_MS = 60_000;
/** One that gave a false proof is asked only when nobody else is left. */
const DISTRUST_MS = 600_000;

export class ValidatorPool {
  #known: KnownValidators;
  readonly #clock: Clock;
  readonly #standings = new Map<string, Standing>();
  #preferred: string | null;

  /** `preferred` is asked first; by default the first of the list. */
  constructor(known: KnownValidators, clock: Clock, preferred: string | null = null) {
    this.#known = known;
    this.#clock = clock;
    this.#preferred = preferred;
  }

  get all(): readonly ValidatorAddress[] {
    return this.#known.validators;
  }

  get setHash(): string {
    return this.#known.setHash;
  }

  /** Knows these from now on, and no others; one that moved starts without a past. */
  replace(known: KnownValidators): void {
    for (const { id, url } of this.all) {
      const isSame = known.validators.some((one) => one.id === id && one.url === url);
      if (!isSame) this.#standings.delete(id);
    }
    this.#known = known;
  }

  /** The validator that worked last. */
  get preferred(): string | null {
    return this.#preferred;
  }

  /** All validators, best first: those at work, then the resting by when their rest ends. */
  inOrder(): readonly ValidatorAddress[] {
    const now = this.#clock.now();
    const rank = (one: ValidatorAddress): number =>
      Math.max(this.#standings.get(one.id)?.restsUntil ?? 0, now) +
      (one.id === this.#preferred ? -0.5 : 0);
    const from = Math.max(
      0,
      this.all.findIndex((one) => one.id === this.#preferred),
    );
    const rotated = [...this.all.slice(from), ...this.all.slice(0, from)];
    return rotated.sort((a, b) => rank(a) - rank(b));
  }

  /** How long until this validator may be asked again, milliseconds; 0 when now. */
  restMs(id: string): number {
    return Math.max(0, (this.#standings.get(id)?.restsUntil ?? 0) - this.#clock.now());
  }

  worked(id: string): void {
    this.#standings.delete(id);
    this.#preferred = id;
  }

  failed(id: string): void {
    const failures = (this.#standings.get(id)?.failures ?? 0) + 1;
    const restMs = Math.min(REST_MAX_MS, REST_BASE_MS * 2 ** (failures - 1));
    this.#standings.set(id, { failures, restsUntil: this.#clock.now() + restMs });
  }

  /** It asked to be left alone for a while (429 or 503 with Retry-After). */
  busy(id: string, retryAfterMs: number): void {
    const failures = this.#standings.get(id)?.failures ?? 0;
    this.#standings.set(id, { failures, restsUntil: this.#clock.now() + retryAfterMs });
  }

  /** What it gave does not verify. */
  lied(id: string): void {
    this.#standings.set(id, { failures: 1, restsUntil: this.#clock.now() + DISTRUST_MS });
  }
}
