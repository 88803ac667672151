/**
 * One run of the inbox function: it may be paused, die or be refused at any write or send. A dead
 * or paused run waits for a promise; the engine, not the production code, notices.
 */
import type { QueueMessage } from './queue.ts';

/** What the engine hears from a run. */
export type Signal =
  | { kind: 'done' }
  | { kind: 'failed'; error: unknown }
  | { kind: 'paused'; forMs: number; visibleInMs: number }
  | { kind: 'died'; visibleInMs: number };

export class Invocation {
  readonly batch: readonly QueueMessage[];
  /** Never answers; of each run its own, as what waits for it is kept as long as it is. */
  readonly #forever = new Promise<never>(() => undefined);
  /** Writes and sends so far. */
  writes = 0;
  #dead = false;
  #gate: Promise<void> | null = null;
  #open: (() => void) | null = null;
  #tell: ((signal: Signal) => void) | null = null;
  #said: Signal[] = [];

  constructor(batch: readonly QueueMessage[]) {
    this.batch = batch;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Begins the work; its end is one of the signals. */
  start(work: Promise<unknown>): void {
    work.then(
      () => this.#say({ kind: 'done' }),
      (error: unknown) => this.#say({ kind: 'failed', error }),
    );
  }

  /** The next thing that the run says. */
  next(): Promise<Signal> {
    const said = this.#said.shift();
    if (said) return Promise.resolve(said);
    return new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  /** The process is gone: no operation of it ever answers again. */
  die(visibleInMs: number): Promise<never> {
    if (!this.#dead) {
      this.#dead = true;
      this.#say({ kind: 'died', visibleInMs });
    }
    return this.#forever;
  }

  /** Stops at an operation until `resume`; every other operation of the run waits with it. */
  pause(forMs: number, visibleInMs: number): Promise<void> {
    if (!this.#gate) {
      this.#gate = new Promise((resolve) => {
        this.#open = resolve;
      });
      this.#say({ kind: 'paused', forMs, visibleInMs });
    }
    return this.#gate;
  }

  resume(): void {
    const open = this.#open;
    this.#gate = null;
    this.#open = null;
    open?.();
  }

  /** To be awaited before each operation: null where nothing holds the run up. */
  held(): Promise<void> | null {
    return this.#dead ? this.#forever : this.#gate;
  }

  #say(signal: Signal): void {
    const tell = this.#tell;
    this.#tell = null;
    if (tell) tell(signal);
    else this.#said.push(signal);
  }
}
