/** Virtual time: what happens next, in order of time and then of being asked for. */

export type Action = () => void | Promise<void>;

interface Item {
  at: number;
  order: number;
  run: Action;
}

/** A binary heap; ties keep the order in which they were added, so that a run repeats. */
export class Agenda {
  readonly #heap: Item[] = [];
  #order = 0;
  now: number;

  constructor(startTime: number) {
    this.now = startTime;
  }

  /** Adds an action; one in the past happens now. */
  add(at: number, run: Action): void {
    this.#order += 1;
    const item = { at: Math.max(at, this.now), order: this.#order, run };
    const heap = this.#heap;
    let index = heap.push(item) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(item, heap[parent] as Item)) break;
      heap[index] = heap[parent] as Item;
      index = parent;
    }
    heap[index] = item;
  }

  nextAt(): number | null {
    return this.#heap[0]?.at ?? null;
  }

  /** Does what comes next; false when nothing is left at or before `until`. */
  async step(until: number): Promise<boolean> {
    const first = this.#heap[0];
    if (!first || first.at > until) return false;
    this.#removeFirst();
    this.now = first.at;
    const running = first.run();
    if (running) await running;
    return true;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Item;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right] as Item, heap[child] as Item)) child = right;
      if (!isBefore(heap[child] as Item, last)) break;
      heap[index] = heap[child] as Item;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
