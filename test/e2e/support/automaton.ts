/** Searches bytes for many patterns in one pass (Aho and Corasick 1975). */

/** Told of each pattern, by its index, and the offset of its first byte. */
export type OnMatch = (pattern: number, at: number) => void;

export class Automaton {
  /** Row of each byte: bytes of no pattern share row 0. */
  readonly #classOf = new Uint16Array(256);
  readonly #classes: number;
  /** Next state by `state * classes + class`. */
  readonly #next: Int32Array;
  /** Patterns that end in a state, those that end in a suffix of it included. */
  readonly #ends = new Map<number, number[]>();
  readonly #isEnd: Uint8Array;
  readonly #lengths: number[];

  constructor(patterns: readonly Uint8Array[]) {
    this.#classes = this.#classify(patterns);
    const statesMax = patterns.reduce((sum, pattern) => sum + pattern.length, 1);
    this.#next = new Int32Array(statesMax * this.#classes);
    this.#isEnd = new Uint8Array(statesMax);
    this.#lengths = patterns.map((pattern) => pattern.length);
    const states = this.#addAll(patterns);
    this.#link(states);
  }

  search(bytes: Uint8Array, onMatch: OnMatch): void {
    const next = this.#next;
    const classOf = this.#classOf;
    const classes = this.#classes;
    const isEnd = this.#isEnd;
    let state = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      state = next[state * classes + (classOf[bytes[at] as number] as number)] as number;
      if (isEnd[state] === 0) continue;
      for (const pattern of this.#ends.get(state) ?? []) {
        onMatch(pattern, at + 1 - (this.#lengths[pattern] as number));
      }
    }
  }

  #classify(patterns: readonly Uint8Array[]): number {
    let classes = 1;
    for (const pattern of patterns) {
      for (const byte of pattern) {
        if (this.#classOf[byte] !== 0) continue;
        this.#classOf[byte] = classes;
        classes += 1;
      }
    }
    return classes;
  }

  /** The tree of all patterns; gives the number of its states. */
  #addAll(patterns: readonly Uint8Array[]): number {
    let states = 1;
    for (const [index, pattern] of patterns.entries()) {
      let state = 0;
      for (const byte of pattern) {
        const cell = state * this.#classes + (this.#classOf[byte] as number);
        if (this.#next[cell] === 0) {
          this.#next[cell] = states;
          states += 1;
        }
        state = this.#next[cell] as number;
      }
      this.#ends.set(state, [...(this.#ends.get(state) ?? []), index]);
    }
    return states;
  }

  /** Fills missing edges with those of the longest suffix, breadth first. */
  #link(states: number): void {
    const suffixOf = new Int32Array(states);
    const queue: number[] = [];
    for (let row = 0; row < this.#classes; row += 1) {
      const child = this.#next[row] as number;
      if (child !== 0) queue.push(child);
    }
    for (let head = 0; head < queue.length; head += 1) {
      const state = queue[head] as number;
      const suffix = suffixOf[state] as number;
      const ends = [...(this.#ends.get(state) ?? []), ...(this.#ends.get(suffix) ?? [])];
      if (ends.length > 0) this.#ends.set(state, ends);
      this.#isEnd[state] = ends.length > 0 ? 1 : 0;
      for (let row = 0; row < this.#classes; row += 1) {
        const cell = state * this.#classes + row;
        const child = this.#next[cell] as number;
        const fallback = this.#next[suffix * this.#classes + row] as number;
        if (child === 0) {
          this.#next[cell] = fallback;
        } else {
          suffixOf[child] = fallback;
          queue.push(child);
        }
      }
    }
  }
}
