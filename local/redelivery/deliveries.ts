// Which messages of a batch are to come once more, and copies that come late and out of order.
import type { SQSRecord } from 'aws-lambda';

/** A message of one group, as it is sent again. */
export interface Copy {
  readonly group: string;
  readonly body: string;
}

/** Begins the deduplication ids of copies, which are not copied themselves. */
export const COPY_PREFIX = 'copy.';

/** What of a batch was delivered how often. */
export interface Deliveries {
  /** Delivered for the first time: the queue is told that these failed. */
  readonly first: readonly SQSRecord[];
  /** Delivered again by the queue. */
  readonly again: readonly SQSRecord[];
  /** Copies, sent anew. */
  readonly copies: readonly SQSRecord[];
}

export function deliveriesOf(records: readonly SQSRecord[]): Deliveries {
  const copies = records.filter(isCopy);
  const originals = records.filter((record) => !isCopy(record));
  return {
    first: originals.filter((record) => received(record) === 1),
    again: originals.filter((record) => received(record) > 1),
    copies,
  };
}

/** Holds messages back, and gives them out so many at a time, the latest first. */
export class HeldBack {
  readonly #size: number;
  #held: Copy[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** What is to be sent now. */
  add(records: readonly SQSRecord[]): Copy[] {
    const due: Copy[] = [];
    for (const { body, attributes } of records) {
      this.#held.push({ group: attributes.MessageGroupId ?? '', body });
      if (this.#held.length < this.#size) continue;
      due.push(...this.#held.reverse());
      this.#held = [];
    }
    return due;
  }
}

function received({ attributes }: SQSRecord): number {
  return Number(attributes.ApproximateReceiveCount);
}

function isCopy({ attributes }: SQSRecord): boolean {
  return attributes.MessageDeduplicationId?.startsWith(COPY_PREFIX) ?? false;
}
