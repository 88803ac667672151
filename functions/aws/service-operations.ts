/** Operations that membership and records have alike. */

import type { ZodType } from 'zod';
import { signedGenesisSchema } from '../../lib/wire/genesis.ts';
import {
  bodyCharsMost,
  type HttpAnswer,
  type HttpRequest,
  type Operation,
  type Operations,
} from './http.ts';
import { type DocumentedRoute, type OpenApiInfo, openApiDocument } from './openapi.ts';
import { parseBody } from './request.ts';
import type { ServiceGenesis } from './service-genesis.ts';

const OPENAPI_CACHE_SECONDS = 300;

export interface ServiceContext {
  readonly network: string;
  readonly genesis: ServiceGenesis;
  /** Milliseconds since 1970. */
  now(): number;
}

/** Health, genesis and the description of a service. */
export function serviceOperations(
  context: ServiceContext,
  info: OpenApiInfo,
  routes: readonly DocumentedRoute[],
): Operations {
  return {
    'GET /v1/health': {
      async run(): Promise<HttpAnswer> {
        const initialised = (await context.genesis.find()) !== null;
        const { network } = context;
        return { status: 200, body: { status: 'ok', network, initialised, time: context.now() } };
      },
    },
    'POST /v1/genesis': withBody(signedGenesisSchema, async (signed) => ({
      status: 200,
      body: await context.genesis.install(signed),
    })),
    'GET /v1/openapi.json': getOpenApi(info, routes),
  };
}

/** An operation on a body that fits its schema. Throws `invalid_request` where it does not. */
export function withBody<T>(
  schema: ZodType<T>,
  run: (body: T, request: HttpRequest) => Promise<HttpAnswer>,
): Operation {
  return {
    bodyCharsMax: bodyCharsMost,
    run: (request) => run(parseBody(schema, request.body), request),
  };
}

/** The description of a service; anyone may keep it a while. */
export function getOpenApi(info: OpenApiInfo, routes: readonly DocumentedRoute[]): Operation {
  return {
    async run(): Promise<HttpAnswer> {
      const body = openApiDocument(info, routes);
      return { status: 200, body, cacheSeconds: OPENAPI_CACHE_SECONDS };
    },
  };
}
