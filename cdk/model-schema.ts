/** JSON Schema draft 4 for API Gateway models, from zod schemas. */

import { z } from 'zod';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/**
 * Keywords that models keep: shape and size. Patterns and formats are left to the function, which
 * parses the body again: API Gateway's regular expressions overflow on long strings.
 */
const KEYWORDS: ReadonlySet<string> = new Set([
  '$ref',
  'additionalItems',
  'additionalProperties',
  'allOf',
  'anyOf',
  'definitions',
  'enum',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'items',
  'maxItems',
  'maxLength',
  'maximum',
  'minItems',
  'minLength',
  'minimum',
  'not',
  'oneOf',
  'properties',
  'required',
  'type',
]);
/** Keywords whose value is a whole number. */
const COUNTS: ReadonlySet<string> = new Set(['maxItems', 'maxLength', 'minItems', 'minLength']);
/** Keywords whose value maps names to schemas. */
const MAPS: ReadonlySet<string> = new Set(['definitions', 'properties']);

/** The model of a body. What draft 4 cannot say is left open, never refused. */
export function toApiGatewaySchema(schema: z.ZodType): Record<string, unknown> {
  const full = z.toJSONSchema(schema, { target: 'draft-4', unrepresentable: 'any', io: 'input' });
  return {
    $schema: 'http://json-schema.org/draft-04/schema#',
    ...(keepKeywords(full as unknown as Json) as object),
  };
}

function keepKeywords(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(keepKeywords);
  if (schema === null || typeof schema !== 'object') return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => KEYWORDS.has(key))
      .map(([key, value]) => [key, keepValue(key, value)]),
  );
}

function keepValue(key: string, value: Json): Json {
  // Sizes of encoded bytes come as fractions; a model that is a little too wide does no harm.
  if (typeof value === 'number' && COUNTS.has(key)) {
    return key.startsWith('min') ? Math.floor(value) : Math.ceil(value);
  }
  if (key === 'enum' || key === 'required' || key === 'type') return value;
  if (MAPS.has(key) && value !== null && typeof value === 'object' && !Array.isArray(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, schema]) => [name, keepKeywords(schema)]),
    );
  }
  return keepKeywords(value);
}
