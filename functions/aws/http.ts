/** API Gateway events to operations and back: translate, call, translate. */

import middy from '@middy/core';
import httpRouterHandler from '@middy/http-router';
import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';
import { WireError } from '../../lib/wire/errors.ts';
import { correlationIdField } from '../../lib/wire/fields.ts';
import { HttpError, problemOf } from './problems.ts';
import type { Route } from './route.ts';

/** A request as operations see it; nothing of it is checked against a schema yet. */
export interface HttpRequest {
  readonly method: Route['method'];
  /** As the client wrote it after the base URL, without the stage. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed JSON; undefined on routes without a body. */
  readonly body: unknown;
  /** A random UUID: the client's, or one made here. */
  readonly correlationId: string;
  /** Until the function is stopped, milliseconds. */
  readonly remainingMs: () => number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfterSeconds?: number;
  /** Whether anyone may keep the answer. @default nobody */
  readonly cacheSeconds?: number;
}

export interface Operation {
  /** Characters of the body, at most. @default 4096 */
  readonly bodyCharsMax?: number;
  run(request: HttpRequest): Promise<HttpAnswer>;
}

/** Characters of the largest body that reaches a function: Lambda takes 6 MB. */
export const bodyCharsMost = 6 * 1024 * 1024;

/** Operations by `METHOD /path/{name}`, as in the route table. */
export type Operations = Readonly<Record<string, Operation>>;

/** One line for the log: never a body, a parameter, a query string or a person. */
export interface RequestLine {
  readonly correlationId: string;
  readonly route: string;
  readonly status: number;
  readonly milliseconds: number;
  /** Of a problem. */
  readonly code?: string;
  /** Only where something went wrong here. */
  readonly error?: unknown;
}

export interface HttpService {
  readonly routes: readonly Route[];
  readonly operations: Operations;
  log(line: RequestLine): void;
}

export type HttpHandler = (
  event: APIGatewayProxyEvent,
  context: Context,
) => Promise<APIGatewayProxyResult>;

const BODY_CHARS_MAX_DEFAULT = 4_096;
const CORRELATION_HEADER = 'x-correlation-id';

/**
 * The handler of a REST API. Throws RangeError where a route has no operation, or an operation
 * no route.
 */
export function httpHandler(service: HttpService): HttpHandler {
  const names = service.routes.map(nameOf);
  const orphan = Object.keys(service.operations).find((name) => !names.includes(name));
  if (orphan !== undefined) throw new RangeError(`${orphan} is not in the table of routes`);
  const router = httpRouterHandler<APIGatewayProxyEvent, APIGatewayProxyResult>({
    routes: service.routes.map((route) => ({
      method: route.method,
      path: route.path,
      handler: handlerOf(service, route),
    })),
    notFoundResponse: () => {
      throw new HttpError('not_found', 'See /v1/openapi.json for what there is');
    },
  });
  return middy<APIGatewayProxyEvent, APIGatewayProxyResult>(router).onError((request) => {
    const correlationId = correlationIdOf(lowerCase(request.event.headers ?? {}));
    request.response = problemResult(service, 'none', request.error, correlationId, 0);
  });
}

function handlerOf(service: HttpService, route: Route): HttpHandler {
  const name = nameOf(route);
  const operation = service.operations[name];
  if (!operation) throw new RangeError(`${name} has no operation`);
  return async (event, context) => {
    const startedAt = performance.now();
    const headers = lowerCase(event.headers ?? {});
    const correlationId = correlationIdOf(headers);
    const spent = (): number => Math.round(performance.now() - startedAt);
    try {
      const answer = await operation.run({
        method: route.method,
        path: event.path,
        params: present(event.pathParameters ?? {}),
        query: present(event.queryStringParameters ?? {}),
        headers,
        body: route.body && bodyOf(event, operation.bodyCharsMax ?? BODY_CHARS_MAX_DEFAULT),
        correlationId,
        remainingMs: () => context.getRemainingTimeInMillis(),
      });
      const { status, body } = answer;
      service.log({ correlationId, route: name, status, milliseconds: spent() });
      return resultOf(status, body, 'application/json', { ...answer, correlationId });
    } catch (error) {
      return problemResult(service, name, error, correlationId, spent());
    }
  };
}

function problemResult(
  service: HttpService,
  route: string,
  error: unknown,
  correlationId: string,
  milliseconds: number,
): APIGatewayProxyResult {
  const { problem, retryAfterSeconds } = problemOf(error);
  const { status, code } = problem;
  const line = { correlationId, route, status, milliseconds, code };
  service.log(status >= 500 ? { ...line, error } : line);
  return resultOf(status, { ...problem, instance: correlationId }, 'application/problem+json', {
    correlationId,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function resultOf(
  statusCode: number,
  body: unknown,
  contentType: string,
  options: Pick<HttpAnswer, 'retryAfterSeconds' | 'cacheSeconds'> & { correlationId: string },
): APIGatewayProxyResult {
  const { retryAfterSeconds, cacheSeconds, correlationId } = options;
  return {
    statusCode,
    headers: {
      'content-type': contentType,
      'cache-control': cacheSeconds === undefined ? 'no-store' : `max-age=${cacheSeconds}`,
      [CORRELATION_HEADER]: correlationId,
      // Requests carry signatures, never cookies: any page may ask.
      'access-control-allow-origin': '*',
      'access-control-expose-headers': `Retry-After, ${CORRELATION_HEADER}`,
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    },
    body: JSON.stringify(body),
  };
}

function bodyOf(
  event: Pick<APIGatewayProxyEvent, 'body' | 'isBase64Encoded'>,
  charsMax: number,
): unknown {
  const raw = event.body ?? '';
  const textCharsMax = event.isBase64Encoded ? Math.ceil(charsMax / 3) * 4 : charsMax;
  if (raw.length > textCharsMax) {
    throw new WireError('too_large', `A body of this route has at most ${charsMax} characters`);
  }
  const text = event.isBase64Encoded ? Buffer.from(raw, 'base64').toString('utf8') : raw;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new HttpError('invalid_request', 'The body is not JSON', { cause });
  }
}

function nameOf({ method, path }: Route): string {
  return `${method} ${path}`;
}

function correlationIdOf(headers: Readonly<Record<string, string>>): string {
  const given = correlationIdField.safeParse(headers[CORRELATION_HEADER]);
  return given.success ? given.data : crypto.randomUUID();
}

function present(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(values).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(entries);
}

function lowerCase(headers: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(present(headers));
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]));
}
