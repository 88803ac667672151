/** Values of state, each decoded and checked once for as long as its bytes are at hand. */
import type { z } from 'zod';
import { limits } from '../limits.ts';
import { decodeWith } from '../wire/codec.ts';

/** Views answer the same bytes for a key of one version, so that these name the value. */
const decoded = new WeakMap<Uint8Array, { schema: unknown; value: unknown }>();

/** The value is frozen: many transactions of a block may read it. Throws as `decodeWith`. */
export function decodedValue<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  const known = decoded.get(bytes);
  if (known?.schema === schema) return known.value as T;
  const value = frozen(decodeWith(schema, bytes, limits.stateValueBytesMax));
  decoded.set(bytes, { schema, value });
  return value;
}

/** With all that is in it but bytes, which cannot be frozen. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}
