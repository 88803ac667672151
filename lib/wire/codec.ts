/** Deterministic CBOR (dag-cbor): one codec for messages, headers and stored state. */
import { decode, encode } from '@ipld/dag-cbor';
import type { z } from 'zod';
import { equalBytes } from '../crypto/bytes.ts';
import { WireError } from './errors.ts';

/** The canonical bytes of a plain value (maps, arrays, strings, integers, bytes, booleans, null). */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value);
}

/** Whether two plain values have the same canonical bytes; shared parts cost nothing. */
export function samePlain(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && equalBytes(a, b);
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => Object.hasOwn(right, name) && samePlain(left[name], right[name]));
}

/**
 * The value of canonical bytes. Any other encoding of the same value is refused, so that a
 * hash over received bytes and a hash over re-encoded values can never differ.
 */
export function decodeCbor(bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.length > bytesMax) {
    throw new WireError('too_large', `${bytes.length} bytes where at most ${bytesMax} are taken`);
  }
  let value: unknown;
  try {
    value = decode(bytes);
  } catch (cause) {
    throw new WireError('malformed', 'not deterministic CBOR', { cause });
  }
  if (!equalBytes(encode(value), bytes)) {
    throw new WireError('not_canonical', 'CBOR is not in its canonical form');
  }
  return value;
}

/** Decodes and checks against a schema; the first issue is named in the error. */
export function decodeWith<T>(schema: z.ZodType<T>, bytes: Uint8Array, bytesMax: number): T {
  return parseWith(schema, decodeCbor(bytes, bytesMax));
}

/** Checks an already decoded value against a schema. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new WireError('malformed', `${where || 'value'}: ${issue?.message ?? 'does not fit'}`);
}
