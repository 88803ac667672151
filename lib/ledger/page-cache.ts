/** A bounded cache of decoded pages, least recently used first; it may outlive a block. */
import type { Page } from './tree-page.ts';

/** With the hashes of its nodes' subtrees, a page takes about three times its stored bytes. */
const PAGE_WEIGHT = 3;

/** Pages are immutable and checked where they are used, so a cache needs no invalidation. */
export class PageCache {
  readonly bytesMax: number;
  #bytes = 0;
  readonly #pages = new Map<string, Page>();

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Memory held, estimated in bytes; at most `bytesMax`. */
  get bytes(): number {
    return this.#bytes;
  }

  get(id: string): Page | undefined {
    const page = this.#pages.get(id);
    if (page) {
      this.#pages.delete(id);
      this.#pages.set(id, page);
    }
    return page;
  }

  put(id: string, page: Page): void {
    this.delete(id);
    this.#pages.set(id, page);
    this.#bytes += page.bytes * PAGE_WEIGHT;
    for (const oldest of this.#pages.keys()) {
      if (this.#bytes <= this.bytesMax) break;
      this.delete(oldest);
    }
  }

  delete(id: string): void {
    const page = this.#pages.get(id);
    if (!page) return;
    this.#pages.delete(id);
    this.#bytes -= page.bytes * PAGE_WEIGHT;
  }
}
