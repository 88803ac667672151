/**
 * Finds texts and keys in bytes, however they are wrapped: UTF-8, UTF-16, hexadecimal, base64 at
 * any alignment, escapes of JSON and URLs, gzip, zlib and the chunked strings of CBOR, in any nesting.
 */
import { constants, inflateRawSync, inflateSync } from 'node:zlib';
import { Automaton } from './automaton.ts';

/** What must not be found. Texts are looked for in all their usual spellings. */
export interface Needle {
  readonly name: string;
  readonly value: string | Uint8Array;
}

export interface Finding {
  readonly needle: string;
  /** The wrappings from the outside in, and how the needle stood at last, as `base64 > gzip > utf8`. */
  readonly via: string;
  /** Offset in the innermost bytes. */
  readonly at: number;
}

/** Thrown instead of an answer that would not be one: content was left unread. */
export class ScanError extends Error {
  override readonly name = 'ScanError';
}

/** Shorter ones would be found by chance. */
const NEEDLE_BYTES_MIN = 6;
const DEPTH_MAX = 10;
/** Bytes that one scan may unfold to. */
const UNFOLDED_BYTES_MAX = 4 * 1024 * 1024 * 1024;
const INFLATED_BYTES_MAX = 512 * 1024 * 1024;

interface Layer {
  readonly kind: string;
  readonly bytes: Buffer;
}

export class Scanner {
  readonly #automaton: Automaton;
  readonly #runs: Runs;
  readonly #meanings: { needle: string; form: string }[] = [];

  /** Throws RangeError on a needle that is too short to be believed. */
  constructor(needles: readonly Needle[]) {
    const patterns: Buffer[] = [];
    for (const { name, value } of needles) {
      for (const { form, bytes } of formsOf(value)) {
        if (bytes.length < NEEDLE_BYTES_MIN)
          throw new RangeError(`${name} is too short to look for`);
        patterns.push(bytes);
        this.#meanings.push({ needle: name, form });
      }
    }
    this.#automaton = new Automaton(patterns);
    this.#runs = runsOf(Math.min(...patterns.map((pattern) => pattern.length)));
  }

  /** All needles in `bytes`, each once for every way in which it stands there. Throws ScanError. */
  scan(bytes: Uint8Array): Finding[] {
    const found = new Map<string, Finding>();
    const budget = { left: UNFOLDED_BYTES_MAX };
    // A text that was seen inside of another is the same inside of both.
    const seen = new Set<string>();
    this.#scanLayer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), [], {
      found,
      budget,
      seen,
    });
    return [...found.values()];
  }

  #scanLayer(
    bytes: Buffer,
    path: readonly string[],
    state: { found: Map<string, Finding>; budget: { left: number }; seen: Set<string> },
  ): void {
    state.budget.left -= bytes.length;
    if (state.budget.left < 0) throw new ScanError('the content unfolds to too much');
    this.#automaton.search(bytes, (pattern, at) => {
      const { needle, form } = this.#meanings[pattern] as { needle: string; form: string };
      const via = [...path, form].join(' > ');
      const key = `${needle}\n${via}`;
      if (!state.found.has(key)) state.found.set(key, { needle, via, at });
    });
    if (path.length >= DEPTH_MAX || bytes.length < this.#runs.digitsMin) return;
    for (const layer of unfold(bytes, this.#runs, state.seen)) {
      this.#scanLayer(layer.bytes, [...path, layer.kind], state);
    }
  }
}

/** Spellings of a text, or the bytes of a key, as they may stand in an innermost layer. */
function formsOf(value: string | Uint8Array): { form: string; bytes: Buffer }[] {
  if (typeof value !== 'string') return [{ form: 'bytes', bytes: Buffer.from(value) }];
  const forms = new Map<string, { form: string; bytes: Buffer }>();
  const add = (form: string, bytes: Buffer): void => {
    const key = bytes.toString('latin1');
    if (!forms.has(key)) forms.set(key, { form, bytes });
  };
  for (const spelling of spellingsOf(value)) {
    add('utf8', Buffer.from(spelling, 'utf8'));
    add('utf16le', Buffer.from(spelling, 'utf16le'));
    add('utf16be', Buffer.from(spelling, 'utf16le').swap16());
    const isLatin1 = [...spelling].every((character) => character.charCodeAt(0) < 256);
    if (isLatin1) add('latin1', Buffer.from(spelling, 'latin1'));
  }
  return [...forms.values()];
}

function spellingsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '');
  const bases = [text.normalize('NFC'), text.normalize('NFD'), plain];
  return bases.flatMap((base) => [base, base.toLowerCase(), base.toUpperCase()]);
}

function* unfold(bytes: Buffer, runs: Runs, seen: Set<string>): Generator<Layer> {
  const text = bytes.toString('latin1');
  const isNew = (kind: string, part: string): boolean => {
    const key = `${kind}:${part}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  };
  yield* unfoldDigits(text, runs, isNew);
  yield* unfoldEscapes(text, isNew);
  yield* unfoldCompressed(bytes);
  yield* unfoldChunks(bytes);
}

type IsNew = (kind: string, part: string) => boolean;

/** Runs of digits that are long enough to hold the shortest needle. */
interface Runs {
  readonly digitsMin: number;
  readonly hex: RegExp;
  /** Both alphabets at once; padding ends a run. */
  readonly base64: RegExp;
}

function runsOf(shortest: number): Runs {
  const digitsMin = Math.ceil((shortest * 8) / 6);
  return {
    digitsMin,
    hex: new RegExp(`[0-9a-fA-F]{${2 * shortest},}`, 'g'),
    base64: new RegExp(`[A-Za-z0-9+/_-]{${digitsMin},}`, 'g'),
  };
}

/**
 * Lines as PEM and MIME have them; in JSON their ends are escaped. A match begins where a run does,
 * or the time would grow with the square of its length.
 */
const BASE64_LINES =
  /(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{20,}(?:\r?\n|\\r\\n|\\n)[ \t]*)+[A-Za-z0-9+/]+/g;
const LINE_ENDS = /\\r|\\n|\s/g;

/** A run may begin with digits that are not part of it, so every alignment is read. */
function* unfoldDigits(text: string, runs: Runs, isNew: IsNew): Generator<Layer> {
  for (const [run] of text.matchAll(runs.hex)) {
    if (!isNew('hex', run)) continue;
    yield { kind: 'hex', bytes: Buffer.from(run.slice(0, run.length & ~1), 'hex') };
    yield { kind: 'hex', bytes: Buffer.from(run.slice(1, 1 + ((run.length - 1) & ~1)), 'hex') };
  }
  const joined = [...text.matchAll(BASE64_LINES)].map(([lines]) => lines.replaceAll(LINE_ENDS, ''));
  const single = [...text.matchAll(runs.base64)].map(([run]) => run);
  for (const run of [...single, ...joined]) {
    if (!isNew('base64', run)) continue;
    for (let offset = 0; offset < 4 && run.length - offset >= runs.digitsMin; offset += 1) {
      yield { kind: 'base64', bytes: Buffer.from(run.slice(offset), 'base64') };
    }
  }
}

/** Printable text: ASCII and well-formed UTF-8, as latin-1 characters. */
const TEXT =
  /(?:[\t\n\r\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){8,}/g;
const JSON_ESCAPES = /(?:\\u[0-9a-fA-F]{4})+|\\["\\/bfnrt]/g;
const PERCENT_ESCAPES = /(?:%[0-9a-fA-F]{2})+/g;

function* unfoldEscapes(text: string, isNew: IsNew): Generator<Layer> {
  if (text.includes('\\')) {
    for (const [region] of text.matchAll(TEXT)) {
      const plain = region.replaceAll(JSON_ESCAPES, unescapeJson);
      if (plain === region || !isNew('json', plain)) continue;
      yield { kind: 'json', bytes: Buffer.from(plain, 'latin1') };
    }
  }
  if (text.includes('%')) {
    for (const [region] of text.matchAll(TEXT)) {
      const plain = region.replaceAll(PERCENT_ESCAPES, (escapes) =>
        Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('latin1'),
      );
      if (plain === region || !isNew('percent', plain)) continue;
      yield { kind: 'percent', bytes: Buffer.from(plain, 'latin1') };
    }
  }
}

/** The UTF-8 of an escape, as latin-1 characters. */
function unescapeJson(escapes: string): string {
  return Buffer.from(JSON.parse(`"${escapes}"`) as string, 'utf8').toString('latin1');
}

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b, 0x08]);
/** Second bytes of the usual headers of zlib (RFC 1950) after 0x78. */
const ZLIB_FLAGS: ReadonlySet<number> = new Set([0x01, 0x5e, 0x9c, 0xda]);
const OPTIONS = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: INFLATED_BYTES_MAX };

/** Members that start anywhere, may be cut off, and whatever follows them; checksums do not matter. */
function* unfoldCompressed(bytes: Buffer): Generator<Layer> {
  for (let at = bytes.indexOf(GZIP_MAGIC); at >= 0; at = bytes.indexOf(GZIP_MAGIC, at + 1)) {
    const start = startOfDeflate(bytes, at);
    const plain = inflated(() => inflateRawSync(bytes.subarray(start), OPTIONS));
    if (plain) yield { kind: 'gzip', bytes: plain };
  }
  for (let at = bytes.indexOf(0x78); at >= 0; at = bytes.indexOf(0x78, at + 1)) {
    if (!ZLIB_FLAGS.has(bytes[at + 1] ?? 0)) continue;
    const plain = inflated(() => inflateSync(bytes.subarray(at), OPTIONS));
    if (plain) yield { kind: 'zlib', bytes: plain };
  }
}

/** Where the data of a gzip member starts (RFC 1952, 2.3). */
function startOfDeflate(bytes: Buffer, member: number): number {
  const flags = bytes[member + 3] ?? 0;
  let at = member + 10;
  if (flags & 4) at += 2 + (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * 256;
  for (const flag of [8, 16]) if (flags & flag) at = bytes.indexOf(0, at) + 1;
  return flags & 2 ? at + 2 : at;
}

/** Null where it only looked like a compressed member. Throws ScanError on a bomb. */
function inflated(run: () => Buffer): Buffer | null {
  try {
    const plain = run();
    return plain.length === 0 ? null : plain;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new ScanError('a compressed member is too large');
    return null;
  }
}

const CBOR_BREAK = 0xff;

/** Strings of indefinite length (RFC 8949, 3.2.3); whole strings stand in one piece anyway. */
function* unfoldChunks(bytes: Buffer): Generator<Layer> {
  for (const [start, major] of [
    [0x5f, 2],
    [0x7f, 3],
  ] as const) {
    for (let at = bytes.indexOf(start); at >= 0; at = bytes.indexOf(start, at + 1)) {
      const joined = joinChunks(bytes, at + 1, major);
      if (joined) yield { kind: 'cbor', bytes: joined };
    }
  }
}

function joinChunks(bytes: Buffer, start: number, major: number): Buffer | null {
  const chunks: Buffer[] = [];
  let at = start;
  while (bytes[at] !== CBOR_BREAK) {
    const head = bytes[at];
    if (head === undefined || head >> 5 !== major) return null;
    const size = head & 31;
    // Lengths in the head itself, or in the one, two or four bytes after it.
    const extra = size < 24 ? 0 : 2 ** (size - 24);
    if (extra > 4 || at + 1 + extra > bytes.length) return null;
    const length = extra === 0 ? size : bytes.readUIntBE(at + 1, extra);
    const from = at + 1 + extra;
    if (from + length > bytes.length) return null;
    chunks.push(bytes.subarray(from, from + length));
    at = from + length;
  }
  return chunks.length < 2 ? null : Buffer.concat(chunks);
}
