/** Submitted ids in memory. */

import type { SubmissionIndex } from '../validator/ports.ts';

export class MemorySubmissionIndex implements SubmissionIndex {
  readonly #issuedAt = new Map<string, number>();

  async put(ledger: string, entries: readonly { id: string; issuedAt: number }[]): Promise<void> {
    for (const { id, issuedAt } of entries) this.#issuedAt.set(`${ledger}#${id}`, issuedAt);
  }

  async issuedAt(ledger: string, id: string): Promise<number | null> {
    return this.#issuedAt.get(`${ledger}#${id}`) ?? null;
  }
}
