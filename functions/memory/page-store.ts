/** Pages of the state tree in memory. */

import type { PageStore } from '../../lib/ports.ts';

export class MemoryPageStore implements PageStore {
  readonly #pages = new Map<string, Uint8Array>();

  async getPages(ledger: string, ids: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return ids.map((id) => this.#pages.get(`${ledger}#${id}`)?.slice());
  }

  async putPages(
    ledger: string,
    pages: readonly { id: string; bytes: Uint8Array }[],
  ): Promise<void> {
    for (const { id, bytes } of pages) this.#pages.set(`${ledger}#${id}`, bytes.slice());
  }
}
