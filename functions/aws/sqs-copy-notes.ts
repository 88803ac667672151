/** Notes to the replicator: there may be something to copy or to delete. They carry nothing. */

import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';

/** What SQS delays at most, seconds. */
const DELAY_SECONDS_MAX = 900;

export interface CopyNotes {
  /** After so many milliseconds, a quarter of an hour at most. */
  send(delayMs: number): Promise<void>;
}

export function sqsCopyNotes(client: SQSClient, queueUrl: string): CopyNotes {
  return {
    async send(delayMs) {
      const delaySeconds = Math.min(DELAY_SECONDS_MAX, Math.max(0, Math.ceil(delayMs / 1_000)));
      await client.send(
        new SendMessageCommand({
          QueueUrl: queueUrl,
          MessageBody: 'look',
          DelaySeconds: delaySeconds,
        }),
      );
    },
  };
}

/**
 * Notes of a process that commits blocks: one for all blocks of a while. What is committed after
 * a note was sent and before it is due is seen by it too, as the ledger is read then.
 */
export class GatheredNotes {
  readonly #notes: CopyNotes;
  readonly #now: () => number;
  readonly #gatherMs: number;
  #dueAt = -Infinity;

  constructor(notes: CopyNotes, now: () => number, gatherMs: number) {
    this.#notes = notes;
    this.#now = now;
    this.#gatherMs = gatherMs;
  }

  async committed(): Promise<void> {
    const now = this.#now();
    if (now < this.#dueAt) return;
    await this.#notes.send(this.#gatherMs);
    this.#dueAt = now + this.#gatherMs;
  }
}
