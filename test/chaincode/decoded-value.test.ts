/** Values are decoded once for their bytes, and nobody can change what others read. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodedValue } from '../../lib/chaincode/decoded-value.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';

const schema = z.strictObject({ name: z.string(), parts: z.array(z.int()) });
const bytes = encodeCbor({ name: 'north', parts: [1, 2] });

describe('decodedValue', () => {
  it('answers one object for the same bytes', () => {
    expect(decodedValue(schema, bytes)).toBe(decodedValue(schema, bytes));
    expect(decodedValue(schema, bytes)).toEqual({ name: 'north', parts: [1, 2] });
  });

  it('checks again where another schema is asked for', () => {
    decodedValue(schema, bytes);
    const other = z.strictObject({ name: z.string(), parts: z.array(z.int().max(1)) });
    expect(() => decodedValue(other, bytes)).toThrow('parts.1');
  });

  it('freezes it with all of its parts', () => {
    const value = decodedValue(schema, bytes);
    expect(() => value.parts.push(3)).toThrow(TypeError);
    expect(() => Object.assign(value, { name: 'south' })).toThrow(TypeError);
  });
});
