/** A page store in memory that counts what is read, for tests and measurements. */
import type { PageReader } from '../../lib/ledger/state-tree.ts';

export class MemoryPages implements PageReader {
  readonly stored = new Map<string, Uint8Array>();
  roundTrips = 0;
  pagesRead = 0;

  async pages(ids: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    this.roundTrips += 1;
    this.pagesRead += ids.length;
    return ids.map((id) => this.stored.get(id));
  }

  put(pages: readonly { id: string; bytes: Uint8Array }[]): void {
    for (const { id, bytes } of pages) this.stored.set(id, bytes);
  }
}
