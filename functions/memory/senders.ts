/** Queues in memory: they keep what was sent, for a test or a simulator to deliver. */

import type { ArmedTick, PeerSender, SelfSender } from '../../lib/ports.ts';
import type { SelfMessage } from '../aws/inbox-message.ts';
import type { InboxSender } from '../validator/ports.ts';

/** A body on its way to a peer. */
export interface SentToPeer {
  peer: string;
  body: string;
  group: string;
  deduplicationId: string;
}

export class MemoryPeerSender implements PeerSender {
  readonly sent: SentToPeer[] = [];

  async send(
    peer: string,
    body: string,
    options: { group: string; deduplicationId: string },
  ): Promise<void> {
    this.sent.push({ peer, body, ...options });
  }
}

/** What a replica asked of its own timer queue. */
export type SentToTimer =
  | { kind: 'tick'; ledger: string; due: number; delaySeconds: number }
  | { kind: 'catch-up'; ledger: string; fromHeight: number; toHeight: number };

export class MemorySelfSender implements SelfSender {
  readonly sent: SentToTimer[] = [];

  async tick(ledger: string, tick: ArmedTick): Promise<void> {
    this.sent.push({ kind: 'tick', ledger, ...tick });
  }

  async catchUp(ledger: string, request: { fromHeight: number; toHeight: number }): Promise<void> {
    this.sent.push({ kind: 'catch-up', ledger, ...request });
  }
}

/** Drops a second wake under the same `wakeSeq`, as the FIFO queue does. */
export class MemoryInboxSender implements InboxSender {
  readonly sent: SelfMessage[] = [];
  readonly #wakes = new Set<string>();

  async wake(ledger: string, wakeSeq: number): Promise<void> {
    const key = `${ledger}#${wakeSeq}`;
    if (this.#wakes.has(key)) return;
    this.#wakes.add(key);
    this.sent.push({ kind: 'wake', ledger });
  }

  async send(message: SelfMessage): Promise<void> {
    this.sent.push(structuredClone(message));
  }
}
