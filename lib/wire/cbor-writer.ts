/** Fast canonical CBOR of plain values; of anything else it says so, and the library decides. */

import { compareBytes } from '../crypto/bytes.ts';

/** How deep maps and arrays may nest before the library takes over. */
export const PLAIN_DEPTH_MAX = 64;
/** Map keys whose encoding is kept: names of fields, which are few and short. */
const KEYS_KEPT_MAX = 1_024;
const KEY_KEPT_LENGTH_MAX = 32;
/** Below this length a loop over characters is faster than the platform's encoder. */
const SHORT_TEXT = 32;
const FIRST_BYTES = 4_096;
const NO_BYTES = new Uint8Array(0);
/** A larger buffer than this is not kept for the next value. */
const KEPT_BYTES_MAX = 1_048_576;

const encoder = new TextEncoder();
const keptKeys = new Map<string, Uint8Array>();
let kept = new Uint8Array(FIRST_BYTES);

/** The canonical bytes of `value`, or null where it holds something that is not plain. */
export function writePlain(value: unknown): Uint8Array<ArrayBuffer> | null {
  const writer = new PlainWriter(kept);
  kept = NO_BYTES;
  const isPlain = writer.value(value, 0);
  if (writer.buffer.length <= KEPT_BYTES_MAX) kept = writer.buffer;
  return isPlain ? writer.buffer.slice(0, writer.at) : null;
}

class PlainWriter {
  buffer: Uint8Array<ArrayBuffer>;
  at = 0;

  constructor(buffer: Uint8Array<ArrayBuffer>) {
    this.buffer = buffer;
  }

  /** Writes one value; false where it is not plain. */
  value(value: unknown, depth: number): boolean {
    if (typeof value === 'string') return this.#text(value);
    if (typeof value === 'number') return this.#integer(value);
    if (value === null) return this.#byte(0xf6);
    if (typeof value === 'boolean') return this.#byte(value ? 0xf5 : 0xf4);
    if (typeof value !== 'object' || depth > PLAIN_DEPTH_MAX) return false;
    if (value instanceof Uint8Array) return this.#bytes(value);
    if (Array.isArray(value)) return this.#array(value, depth);
    if (Object.getPrototypeOf(value) !== Object.prototype) return false;
    return this.#map(value as Record<string, unknown>, depth);
  }

  #integer(value: number): boolean {
    if (!Number.isSafeInteger(value)) return false;
    if (value >= 0) this.#head(0x00, value);
    else this.#head(0x20, -1 - value);
    return true;
  }

  #byte(byte: number): true {
    this.#room(1);
    this.buffer[this.at] = byte;
    this.at += 1;
    return true;
  }

  #append(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  #bytes(bytes: Uint8Array): true {
    this.#head(0x40, bytes.length);
    this.#append(bytes);
    return true;
  }

  /** Nearly all text is ASCII: its length in bytes is known before it is written. */
  #text(text: string): true {
    const start = this.at;
    this.#head(0x60, text.length);
    this.#room(text.length);
    const isDone = text.length > SHORT_TEXT ? this.#longText(text) : this.#shortText(text);
    if (isDone) return true;
    this.at = start;
    const bytes = encoder.encode(text);
    this.#head(0x60, bytes.length);
    this.#append(bytes);
    return true;
  }

  /** False where a character takes more than a byte. */
  #longText(text: string): boolean {
    const room = this.buffer.subarray(this.at, this.at + text.length);
    const { read, written } = encoder.encodeInto(text, room);
    this.at += written;
    return read === text.length && written === text.length;
  }

  /** As `longText`, for what a loop writes faster. */
  #shortText(text: string): boolean {
    const { buffer } = this;
    let { at } = this;
    for (let i = 0; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      buffer[at] = code;
      at += 1;
    }
    this.at = at;
    return true;
  }

  #array(values: readonly unknown[], depth: number): boolean {
    this.#head(0x80, values.length);
    for (let i = 0; i < values.length; i += 1) {
      if (!this.value(values[i], depth + 1)) return false;
    }
    return true;
  }

  #map(map: Record<string, unknown>, depth: number): boolean {
    // The library takes some maps with this key for a link.
    if (map['/'] !== undefined) return false;
    const names = Object.keys(map);
    const keys = names.map(encodedKey);
    sortTogether(keys, names);
    this.#head(0xa0, names.length);
    for (let i = 0; i < names.length; i += 1) {
      this.#append(keys[i] as Uint8Array);
      if (!this.value(map[names[i] as string], depth + 1)) return false;
    }
    return true;
  }

  /** Major type and argument, in the shortest form. */
  #head(major: number, argument: number): void {
    this.#room(9);
    const { buffer, at } = this;
    if (argument < 24) {
      buffer[at] = major | argument;
      this.at += 1;
    } else if (argument < 0x100) {
      buffer[at] = major | 24;
      buffer[at + 1] = argument;
      this.at += 2;
    } else if (argument < 0x1_0000) {
      buffer[at] = major | 25;
      buffer[at + 1] = argument >>> 8;
      buffer[at + 2] = argument;
      this.at += 3;
    } else if (argument < 0x1_0000_0000) {
      buffer[at] = major | 26;
      this.#u32(at + 1, argument);
      this.at += 5;
    } else {
      buffer[at] = major | 27;
      this.#u32(at + 1, Math.floor(argument / 0x1_0000_0000));
      this.#u32(at + 5, argument % 0x1_0000_0000);
      this.at += 9;
    }
  }

  #u32(at: number, value: number): void {
    this.buffer[at] = value >>> 24;
    this.buffer[at + 1] = value >>> 16;
    this.buffer[at + 2] = value >>> 8;
    this.buffer[at + 3] = value;
  }

  #room(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, FIRST_BYTES, this.buffer.length * 2));
    larger.set(this.buffer.subarray(0, this.at));
    this.buffer = larger;
  }
}

/** Head and text of a map key. */
function encodedKey(name: string): Uint8Array {
  const known = keptKeys.get(name);
  if (known) return known;
  const writer = new PlainWriter(NO_BYTES);
  writer.value(name, 0);
  const key = writer.buffer.slice(0, writer.at);
  if (name.length <= KEY_KEPT_LENGTH_MAX && keptKeys.size < KEYS_KEPT_MAX) keptKeys.set(name, key);
  return key;
}

/** By encoded bytes, so shorter keys come first; maps are small, and mostly in order already. */
function sortTogether(keys: Uint8Array[], names: string[]): void {
  if (keys.length > 64) return sortMany(keys, names);
  for (let i = 1; i < keys.length; i += 1) {
    const [key, name] = [keys[i] as Uint8Array, names[i] as string];
    let to = i;
    for (; to > 0 && compareBytes(keys[to - 1] as Uint8Array, key) > 0; to -= 1) {
      keys[to] = keys[to - 1] as Uint8Array;
      names[to] = names[to - 1] as string;
    }
    keys[to] = key;
    names[to] = name;
  }
}

function sortMany(keys: Uint8Array[], names: string[]): void {
  const pairs = keys.map((key, index) => ({ key, name: names[index] as string }));
  pairs.sort((a, b) => compareBytes(a.key, b.key));
  for (const [index, { key, name }] of pairs.entries()) {
    keys[index] = key;
    names[index] = name;
  }
}
