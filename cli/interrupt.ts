/** Ctrl-C: work that must not be cut in two is finished first; a second Ctrl-C ends at once. */
import { SdkError } from '../sdk/errors.ts';

/** A launcher may pass one Ctrl-C on twice: what follows so soon is the same one. */
const SAME_MS = 750;

export type InterruptOutcome = 'finishing' | 'same' | 'stop' | 'cut';

export class Interrupt {
  readonly #controller = new AbortController();
  readonly #cleanUps = new Set<() => Promise<void>>();
  #protected = 0;
  #requestedAt: number | null = null;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isRequested(): boolean {
    return this.#requestedAt !== null;
  }

  /** Runs work that a first Ctrl-C lets end. */
  async protect<T>(work: () => Promise<T>): Promise<T> {
    this.throwIfRequested('Stopped between two steps; what was done is kept.');
    this.#protected += 1;
    try {
      return await work();
    } finally {
      this.#protected -= 1;
    }
  }

  /** Called between the parts of long work. Throws `aborted`. */
  throwIfRequested(message: string, nextStep = 'Run the same command again.'): void {
    if (this.isRequested) throw new SdkError('aborted', message, { nextStep });
  }

  /** Keeps what has to be removed if the program ends now; call what it gives once it is gone. */
  track(cleanUp: () => Promise<void>): () => void {
    this.#cleanUps.add(cleanUp);
    return () => this.#cleanUps.delete(cleanUp);
  }

  /** A Ctrl-C at `now`, milliseconds; `cut` where it ends work that was to be finished. */
  request(now: number): InterruptOutcome {
    if (this.#requestedAt !== null && now - this.#requestedAt < SAME_MS) return 'same';
    const isFirst = this.#requestedAt === null;
    this.#requestedAt ??= now;
    this.#controller.abort();
    if (this.#protected === 0) return 'stop';
    return isFirst ? 'finishing' : 'cut';
  }

  async cleanUp(): Promise<void> {
    await Promise.allSettled([...this.#cleanUps].map((one) => one()));
  }
}
