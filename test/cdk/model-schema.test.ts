import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import { toApiGatewaySchema } from '../../cdk/model-schema.ts';

const $schema = 'http://json-schema.org/draft-04/schema#';

describe('toApiGatewaySchema', () => {
  it('keeps shape and size', () => {
    const schema = z.strictObject({
      list: z.array(z.string().max(9)).min(1).max(500),
      height: z.int().min(0).max(10),
      kind: z.literal('a'),
      either: z.union([z.string(), z.array(z.string())]).optional(),
    });
    expect(toApiGatewaySchema(schema)).toEqual({
      $schema,
      type: 'object',
      properties: {
        list: {
          type: 'array',
          minItems: 1,
          maxItems: 500,
          items: { type: 'string', maxLength: 9 },
        },
        height: { type: 'integer', minimum: 0, maximum: 10 },
        kind: { type: 'string', enum: ['a'] },
        either: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
      },
      required: ['list', 'height', 'kind'],
      additionalProperties: false,
    });
  });

  it('leaves patterns and formats to the function', () => {
    expect(toApiGatewaySchema(z.base64url().max(5))).toEqual({
      $schema,
      type: 'string',
      maxLength: 5,
    });
  });

  it('rounds sizes outwards', () => {
    expect(toApiGatewaySchema(z.string().min(86.7).max(87.5))).toMatchObject({
      minLength: 86,
      maxLength: 88,
    });
  });

  it('does not take properties for keywords', () => {
    const schema = z.object({ pattern: z.string(), format: z.number(), $ref: z.boolean() });
    expect(toApiGatewaySchema(schema)).toMatchObject({
      properties: {
        pattern: { type: 'string' },
        format: { type: 'number' },
        $ref: { type: 'boolean' },
      },
    });
  });

  it('describes what comes in, and leaves open what it cannot say', () => {
    const schema = z.object({
      limit: z.number().default(3),
      height: z.string().transform((text) => BigInt(text)),
      bytes: z.instanceof(Uint8Array).optional(),
    });
    expect(toApiGatewaySchema(schema)).toEqual({
      $schema,
      type: 'object',
      properties: { limit: { type: 'number' }, height: { type: 'string' }, bytes: {} },
      required: ['height'],
    });
  });

  it('keeps references of recursive schemas', () => {
    interface Tree {
      children: Tree[];
    }
    const tree: z.ZodType<Tree> = z.object({
      get children() {
        return z.array(tree);
      },
    });
    expect(JSON.stringify(toApiGatewaySchema(z.object({ tree })))).toMatch(
      /"\$ref":"#\/definitions\//,
    );
  });
});
