/** Lists that are published as files: fetched, streamed, kept for an hour as what is looked up. */

import { ListFormatError } from './csv.ts';
import type { Fetch } from './nppes.ts';

/** Bytes of a list, or null where it cannot be had. */
export type ListSource = () => Promise<AsyncIterable<Uint8Array> | null>;

const TIMEOUT_MS = 8_000;
const LIST_BYTES_MAX = 256 * 1024 * 1024;
const FRESH_MS = 3_600_000;

/** A list at an address. */
export function listAt(url: string, fetchUrl: Fetch = fetch): ListSource {
  return async () => {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetchUrl(url, { redirect: 'error', signal });
      return response.ok && response.body ? bounded(response.body) : null;
    } catch {
      return null;
    }
  };
}

/** What was read from a list, or null while it cannot be had or is not of its format. */
export function kept<T>(
  source: ListSource,
  read: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
  now: () => number,
): () => Promise<T | null> {
  let last: { at: number; value: T } | null = null;
  return async () => {
    if (last && now() - last.at < FRESH_MS) return last.value;
    try {
      const bytes = await source();
      if (bytes === null) return null;
      last = { at: now(), value: await read(bytes) };
      return last.value;
    } catch (error) {
      // A connection that breaks off throws a TypeError, and a time-out an error of the DOM.
      const isOutage = error instanceof TypeError || error instanceof DOMException;
      if (isOutage || error instanceof ListFormatError) return null;
      throw error;
    }
  };
}

async function* bounded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of body) {
    if ((length += chunk.length) > LIST_BYTES_MAX) throw new ListFormatError('too many bytes');
    yield chunk;
  }
}

/** Columns of a row by the names of the head. Throws ListFormatError where one is missing. */
export function columnsOf<K extends string>(
  head: readonly string[],
  wanted: Readonly<Record<K, string>>,
): Record<K, number> {
  const names = head.map(plain);
  const found = Object.entries<string>(wanted).map(([key, name]) => {
    const at = names.indexOf(plain(name));
    if (at < 0) throw new ListFormatError(`there is no column «${name}»`);
    return [key, at] as const;
  });
  return Object.fromEntries(found) as Record<K, number>;
}

export function hasColumns(head: readonly string[], wanted: readonly string[]): boolean {
  const names = head.map(plain);
  return wanted.every((name) => names.includes(plain(name)));
}

/** A day as the lists write it: `MM/DD/YYYY`, `YYYY-MM-DD` or `YYYYMMDD`; milliseconds, UTC. */
export function dayOf(text: string): number {
  const american = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(text);
  const iso = /^(\d{4})-?(\d{2})-?(\d{2})(?:T.*)?$/.exec(text);
  const [year, month, day] = american
    ? [american[3], american[1], american[2]]
    : [iso?.[1], iso?.[2], iso?.[3]];
  const time = Date.UTC(Number(year), Number(month) - 1, Number(day));
  if (Number.isNaN(time)) throw new ListFormatError(`«${text.slice(0, 20)}» is no day`);
  return time;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
