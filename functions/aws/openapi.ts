/** OpenAPI 3.1 documents, generated from the route tables and their zod schemas. */

import { z, type ZodType } from 'zod';
import type { Route } from './route.ts';

/** A parameter in the path, the query string or a header. */
export interface RouteParameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly schema: ZodType;
  readonly description: string;
}

/** A route with what it answers. */
export interface DocumentedRoute extends Route {
  /** Headers are optional. @default none */
  readonly parameters?: readonly RouteParameter[];
  /** Schema of the JSON answer by status; problems are added to every route. @default 200, any */
  readonly answers?: Readonly<Record<number, ZodType>>;
}

export interface OpenApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

type Json = Record<string, unknown>;

const PROBLEM: Json = {
  description: 'Problem details (RFC 9457); docs/errors.md lists every code.',
  content: {
    'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
  },
};

/** The document of a service. */
export function openApiDocument(info: OpenApiInfo, routes: readonly DocumentedRoute[]): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    (paths[route.path] as Record<string, Json>)[route.method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: '3.1.0',
    info: { ...info, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: { schemas: { Problem: problemJsonSchema() } },
  };
}

function operationOf(route: DocumentedRoute): Json {
  const parameters = (route.parameters ?? []).map((parameter) => ({
    in: parameter.in,
    name: parameter.name,
    description: parameter.description,
    required: parameter.in === 'path',
    schema: jsonSchemaOf(parameter.schema, 'output'),
  }));
  const answers = Object.entries(route.answers ?? { 200: z.unknown() }).map(([status, schema]) => [
    status,
    {
      description: DESCRIPTIONS[status] ?? 'Done',
      content: { 'application/json': { schema: jsonSchemaOf(schema, 'output') } },
    },
  ]);
  return {
    operationId: operationIdOf(route),
    summary: route.summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body ? { requestBody: requestBodyOf(route.body) } : {}),
    responses: { ...(Object.fromEntries(answers) as Json), default: PROBLEM },
  };
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  200: 'Done',
  201: 'Made',
  202: 'Taken; the outcome is still open',
  204: 'Done, nothing to say',
};

function requestBodyOf(body: ZodType): Json {
  return {
    required: true,
    content: { 'application/json': { schema: jsonSchemaOf(body, 'input') } },
  };
}

function jsonSchemaOf(schema: ZodType, io: 'input' | 'output'): Json {
  const options = { target: 'draft-2020-12', unrepresentable: 'any', io } as const;
  const { $schema, ...rest } = z.toJSONSchema(schema, options) as Json;
  return $schema === undefined ? {} : rest;
}

/** `GET /v1/blocks/{height}` → `getBlocksByHeight`. */
function operationIdOf({ method, path }: Route): string {
  const words = path
    .replace(/^\/v1\//, '')
    .split('/')
    .map((part) => (part.startsWith('{') ? `By ${part.slice(1, -1)}` : part))
    .flatMap((part) => part.split(/[^A-Za-z0-9]+/))
    .filter((word) => word !== '');
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return method.toLowerCase() + name;
}

function problemJsonSchema(): Json {
  return {
    type: 'object',
    required: ['type', 'title', 'status', 'code'],
    properties: {
      type: { type: 'string' },
      title: { type: 'string' },
      status: { type: 'integer' },
      code: { type: 'string', description: 'Stable; branch on this' },
      detail: { type: 'string' },
      instance: { type: 'string', description: 'Correlation id of the request' },
      retryAfterMs: { type: 'integer', description: 'When to ask again, where that may help' },
    },
  };
}
