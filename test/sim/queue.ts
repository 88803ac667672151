/**
 * A FIFO queue as SQS has it: an id is dropped for five minutes after it was first taken, also
 * once its message is consumed; a group with messages in flight gives out no more of them.
 */

export interface QueueMessage {
  /** Position in the queue: what the queue itself calls the message. */
  sequence: number;
  body: string;
  group: string;
  /** Whose credentials sent it; SQS vouches for that. */
  sender: string;
  sentAt: number;
  receives: number;
}

export interface Sending {
  body: string;
  group: string;
  deduplicationId: string;
  sender: string;
}

export const deduplicationMs = 300_000;
const visibilityMs = 20_000;
const receivesMax = 10;

/** A group whose messages are in flight, until they are deleted or visible again. */
interface Lock {
  until: number;
  sequences: Set<number>;
}

export class FifoQueue {
  #waiting: QueueMessage[] = [];
  readonly #ids = new Map<string, number>();
  readonly #locks = new Map<string, Lock>();
  #sequence = 0;
  /** Messages given up after too many receives. */
  dead = 0;

  /** False where the id was taken less than five minutes ago: SQS says OK all the same. */
  send(now: number, { body, group, deduplicationId, sender }: Sending): boolean {
    const taken = this.#ids.get(deduplicationId);
    if (taken !== undefined && now < taken + deduplicationMs) return false;
    this.#ids.set(deduplicationId, now);
    this.#sequence += 1;
    const { length } = this.#waiting;
    this.#waiting[length] = {
      sequence: this.#sequence,
      body,
      group,
      sender,
      sentAt: now,
      receives: 0,
    };
    return true;
  }

  /** Up to `count` messages in order, of groups without messages in flight; these are locked. */
  receive(now: number, count: number): QueueMessage[] {
    for (const [group, lock] of this.#locks) if (lock.until <= now) this.#locks.delete(group);
    const batch: QueueMessage[] = [];
    const given = new Set<QueueMessage>();
    for (const message of this.#waiting) {
      if (batch.length >= count) break;
      if (this.#locks.has(message.group)) continue;
      if (message.receives >= receivesMax) {
        given.add(message);
        this.dead += 1;
        continue;
      }
      message.receives += 1;
      batch.push({ ...message });
    }
    if (given.size > 0) this.#waiting = this.#waiting.filter((one) => !given.has(one));
    for (const { group, sequence } of batch) {
      const lock = this.#locks.get(group) ?? { until: now + visibilityMs, sequences: new Set() };
      lock.sequences.add(sequence);
      this.#locks.set(group, lock);
    }
    return batch;
  }

  /** Acknowledges what this receive gave; of no effect once it was given to another. */
  delete(batch: readonly QueueMessage[]): void {
    const done = this.#waiting.filter((one) => batch.some((mine) => sameReceive(mine, one)));
    this.#waiting = this.#waiting.filter((one) => !done.includes(one));
    this.#unlock(done);
  }

  /** Visible again at `at`, unless given to another in the meantime. */
  release(batch: readonly QueueMessage[], at: number): void {
    const mine = batch.filter((one) => this.#waiting.some((held) => sameReceive(held, one)));
    for (const { group, sequence } of mine) {
      const lock = this.#locks.get(group);
      if (lock?.sequences.has(sequence)) lock.until = Math.min(lock.until, at);
    }
  }

  /** When `receive` may give something, or null while nothing waits. */
  readyAt(now: number): number | null {
    let ready: number | null = null;
    for (const { group } of this.#waiting) {
      const at = Math.max(now, this.#locks.get(group)?.until ?? now);
      if (ready === null || at < ready) ready = at;
      if (ready === now) break;
    }
    return ready;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** As `PurgeQueue` does: what waits is gone, ids stay taken. */
  purge(): void {
    this.#waiting = [];
    this.#locks.clear();
  }

  #unlock(batch: readonly QueueMessage[]): void {
    for (const { group, sequence } of batch) {
      const lock = this.#locks.get(group);
      if (!lock?.sequences.delete(sequence)) continue;
      if (lock.sequences.size === 0) this.#locks.delete(group);
    }
  }
}

function sameReceive(one: QueueMessage, other: QueueMessage): boolean {
  return one.sequence === other.sequence && one.receives === other.receives;
}
