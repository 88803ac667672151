/** Fast reading of canonical CBOR; whatever is not canonical, or not plain, it leaves unread. */
import { PLAIN_DEPTH_MAX } from './cbor-writer.ts';

/** Below this length a loop over characters is faster than the platform's decoder. */
const SHORT_TEXT = 24;
const BOM = 0xfeff;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Says that the bytes are for the library to judge: bad, not canonical, or not plain. */
export const unread = Symbol('unread');

/**
 * The value of `bytes` if they are what the writer makes of it, to the byte: shortest heads, keys in
 * strictly rising order, UTF-8 without fault, nothing behind.
 */
export function readPlain(bytes: Uint8Array): unknown {
  const reader = new PlainReader(bytes);
  const value = reader.value(0);
  return reader.at === bytes.length ? value : unread;
}

class PlainReader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    // A slice of a `Buffer` would share its memory.
    const { buffer, byteOffset, length, constructor } = bytes;
    this.#bytes = constructor === Uint8Array ? bytes : new Uint8Array(buffer, byteOffset, length);
  }

  value(depth: number): unknown {
    const first = this.#bytes[this.at];
    if (first === undefined || depth > PLAIN_DEPTH_MAX) return unread;
    if (first >= 0xe0) return this.#simple(first);
    const argument = this.#argument();
    if (argument < 0) return unread;
    const major = first >> 5;
    if (major === 0) return argument;
    if (major === 1) return argument < Number.MAX_SAFE_INTEGER ? -1 - argument : unread;
    // Every item takes a byte or more: a length beyond the end is bad.
    if (argument > this.#bytes.length - this.at) return unread;
    if (major === 2) return this.#take(argument).slice();
    if (major === 3) return this.#text(argument);
    if (major === 4) return this.#array(argument, depth);
    if (major === 5) return this.#map(argument, depth);
    return unread;
  }

  #simple(first: number): unknown {
    this.at += 1;
    if (first === 0xf6) return null;
    if (first === 0xf5) return true;
    if (first === 0xf4) return false;
    return unread;
  }

  /** The argument of the head at hand; −1 where it is cut off, not the shortest, or not safe. */
  #argument(): number {
    const minor = (this.#bytes[this.at] as number) & 0x1f;
    this.at += 1;
    if (minor < 24) return minor;
    if (minor > 27) return -1;
    const size = 1 << (minor - 24);
    if (this.at + size > this.#bytes.length) return -1;
    let argument = 0;
    for (let i = 0; i < size; i += 1) {
      argument = argument * 256 + (this.#bytes[this.at + i] as number);
    }
    this.at += size;
    const least = size === 1 ? 24 : 2 ** (4 * size);
    return argument >= least && argument <= Number.MAX_SAFE_INTEGER ? argument : -1;
  }

  #take(length: number): Uint8Array {
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  #text(length: number): string | typeof unread {
    if (length <= SHORT_TEXT) {
      const short = this.#shortText(length);
      if (short !== null) return short;
    }
    try {
      const text = decoder.decode(this.#take(length));
      return text.charCodeAt(0) === BOM ? unread : text;
    } catch {
      return unread;
    }
  }

  /** Null, and nothing read, where a character is not ASCII. */
  #shortText(length: number): string | null {
    let text = '';
    for (let i = this.at; i < this.at + length; i += 1) {
      const code = this.#bytes[i] as number;
      if (code > 0x7f) return null;
      text += String.fromCharCode(code);
    }
    this.at += length;
    return text;
  }

  #array(length: number, depth: number): unknown {
    const values: unknown[] = [];
    for (let i = 0; i < length; i += 1) {
      const value = this.value(depth + 1);
      if (value === unread) return unread;
      values.push(value);
    }
    return values;
  }

  #map(length: number, depth: number): unknown {
    const map: Record<string, unknown> = {};
    let [from, until] = [this.at, this.at];
    for (let i = 0; i < length; i += 1) {
      const start = this.at;
      const key = this.#key();
      if (key === unread || (i > 0 && !this.#isRising(from, until, start))) return unread;
      [from, until] = [start, this.at];
      const value = this.value(depth + 1);
      if (value === unread) return unread;
      map[key] = value;
    }
    return map;
  }

  #key(): string | typeof unread {
    const first = this.#bytes[this.at];
    if (first === undefined || first >> 5 !== 3) return unread;
    const length = this.#argument();
    if (length < 0 || length > this.#bytes.length - this.at) return unread;
    const key = this.#text(length);
    return key === '__proto__' || key === '/' ? unread : key;
  }

  /** Whether the key before, at `from` … `until`, sorts before the one that begins at `start`. */
  #isRising(from: number, until: number, start: number): boolean {
    const bytes = this.#bytes;
    const shared = Math.min(until - from, this.at - start);
    for (let i = 0; i < shared; i += 1) {
      const [before, after] = [bytes[from + i] as number, bytes[start + i] as number];
      if (before !== after) return before < after;
    }
    return until - from < this.at - start;
  }
}
