/** Copies of plain data, so that what is stored and what is given out share nothing. */

/** As `structuredClone`, for maps, arrays, bytes and scalars only, and many times as fast. */
export function copyPlain<T>(value: T): T {
  return copied(value) as T;
}

function copied(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return value.slice();
  if (Array.isArray(value)) return value.map(copied);
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(value))
    out[name] = copied((value as Record<string, unknown>)[name]);
  return out;
}
