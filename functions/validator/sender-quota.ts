/**
 * What each account may send to an inbox: counted by SQS `SenderId` in warm memory, by the time at
 * which SQS took the messages, so that a backlog is never held against an honest peer.
 */
import type { SQSRecord } from 'aws-lambda';
import { limits } from '../../lib/limits.ts';

/** Content that nobody can take counts as so many messages. */
const MALFORMED_WEIGHT = 10;
/** Only peers' roles may send; a role's name changes when it is made anew. */
const SENDERS_MAX = 256;

/** An account that went beyond its quota just now. */
export interface CutOff {
  readonly senderId: string;
  readonly messages: number;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

interface Account {
  /** Number of the window that is counted. */
  window: number;
  messages: number;
  bytes: number;
  cutOffUntil: number;
}

/** Role id or account as SQS names it: what stands before the colon is the same for all sessions. */
export function senderOf(record: SQSRecord): string {
  return record.attributes.SenderId.split(':')[0] ?? '';
}

export class SenderQuota {
  readonly #own: ReadonlySet<string>;
  readonly #now: () => number;
  readonly #accounts = new Map<string, Account>();
  /** Accounts cut off since they were last asked for. */
  #fresh: CutOff[] = [];

  /** `own` are exempt: the validator's roles, and its account. */
  constructor(own: readonly string[], now: () => number) {
    this.#own = new Set(own);
    this.#now = now;
  }

  /** Splits what is read from what is acknowledged unread. */
  admit(records: readonly SQSRecord[]): { read: SQSRecord[]; unread: SQSRecord[] } {
    const read: SQSRecord[] = [];
    const unread: SQSRecord[] = [];
    const batchBytes = new Map<string, number>();
    for (const record of records) {
      const sender = senderOf(record);
      const bytes = (batchBytes.get(sender) ?? 0) + record.body.length;
      batchBytes.set(sender, bytes);
      const isRead =
        this.#own.has(sender) ||
        (this.#count(record, sender) && bytes <= limits.inboxBatchBytesPerSenderMax);
      (isRead ? read : unread).push(record);
    }
    return { read, unread };
  }

  /** What was read turned out to be malformed. */
  malformed(record: SQSRecord): void {
    const sender = senderOf(record);
    const account = this.#accounts.get(sender);
    if (account) this.#add(sender, account, MALFORMED_WEIGHT - 1, 0);
  }

  /** Each cut-off once, for the alarm. */
  takeCutOffs(): CutOff[] {
    const taken = this.#fresh;
    this.#fresh = [];
    return taken;
  }

  /** False while the sender is cut off, from the message on that is too much. */
  #count(record: SQSRecord, sender: string): boolean {
    const { SentTimestamp: sent, ApproximateReceiveCount: received } = record.attributes;
    const window = Math.floor(Number(sent) / limits.inboxWindowMs);
    const account = this.#account(sender);
    if (this.#now() < account.cutOffUntil) return false;
    if (window > account.window) Object.assign(account, { window, messages: 0, bytes: 0 });
    // A step that failed is no fault of the sender.
    if (received !== '1') return true;
    return this.#add(sender, account, 1, record.body.length);
  }

  #add(senderId: string, account: Account, messages: number, bytes: number): boolean {
    account.messages += messages;
    account.bytes += bytes;
    const isWithin =
      account.messages <= limits.inboxMessagesPerSenderMax &&
      account.bytes <= limits.inboxBytesPerSenderMax;
    if (isWithin || this.#now() < account.cutOffUntil) return isWithin;
    const until = this.#now() + limits.inboxCutOffMs;
    this.#fresh.push({ senderId, messages: account.messages, bytes: account.bytes, until });
    Object.assign(account, { messages: 0, bytes: 0, cutOffUntil: until });
    return false;
  }

  #account(sender: string): Account {
    const known = this.#accounts.get(sender);
    if (known) return known;
    const account = { window: 0, messages: 0, bytes: 0, cutOffUntil: 0 };
    const first = this.#accounts.keys().next().value;
    if (this.#accounts.size >= SENDERS_MAX && first !== undefined) this.#accounts.delete(first);
    this.#accounts.set(sender, account);
    return account;
  }
}
