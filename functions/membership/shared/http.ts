/** API Gateway events to handlers and back: translate, call, translate. */

import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import type { Route } from '../../aws/route.ts';
import { ApiProblem, problemOf } from './problem.ts';

/** A request as handlers see it: the body is parsed, and fits the schema of its route. */
export interface ApiRequest {
  method: Route['method'];
  /** Path without the stage, as the client wrote it after the base URL. */
  path: string;
  parameters: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string>>;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: unknown;
}

export interface ApiAnswer {
  status: number;
  body: unknown;
  retryAfterSeconds?: number;
}

export type Handler = (request: ApiRequest) => Promise<ApiAnswer>;

/** Handlers by `METHOD /path/{name}`, as in the route table. */
export type Handlers = Readonly<Record<string, Handler>>;

/** One line for the log: never a body, a parameter, a query or a person. */
export interface AccessLine {
  route: string;
  status: number;
  code: string | undefined;
  error: unknown;
}

const BODY_CHARS_MAX = 6 * 1024 * 1024;

/** Routes requests to handlers; every failure becomes problem details. */
export async function dispatch(
  routes: readonly Route[],
  handlers: Handlers,
  event: Pick<
    APIGatewayProxyEvent,
    'httpMethod' | 'path' | 'headers' | 'queryStringParameters' | 'body' | 'isBase64Encoded'
  >,
  options: { requestId: string; log: (line: AccessLine) => void },
): Promise<APIGatewayProxyResult> {
  const { requestId, log } = options;
  const matched = matchRoute(routes, event.httpMethod, event.path);
  const route = matched ? `${matched.route.method} ${matched.route.path}` : 'unknown';
  try {
    const handler = handlers[route];
    if (!matched || !handler) throw new ApiProblem(404, 'not_found', 'There is no such route.');
    const answer = await handler({
      method: matched.route.method,
      path: event.path,
      parameters: matched.parameters,
      query: present(event.queryStringParameters ?? {}),
      headers: lowerCase(present(event.headers ?? {})),
      body: parseBody(matched.route, event),
    });
    log({ route, status: answer.status, code: undefined, error: undefined });
    return result(answer.status, answer.body, 'application/json', answer.retryAfterSeconds);
  } catch (error) {
    const { status, body, retryAfterSeconds } = problemOf(error);
    log({ route, status, code: body.code, error: status >= 500 ? error : undefined });
    const problem = { ...body, instance: requestId };
    return result(status, problem, 'application/problem+json', retryAfterSeconds);
  }
}

/** The route of a path and its parameters; encoded slashes stay part of a parameter. */
export function matchRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; parameters: Record<string, string> } | null {
  const parts = path.split('/');
  for (const route of routes) {
    const wanted = route.path.split('/');
    if (route.method !== method || wanted.length !== parts.length) continue;
    const parameters: Record<string, string> = {};
    const fits = wanted.every((name, index) => {
      const part = parts[index] ?? '';
      if (!name.startsWith('{')) return name === part;
      parameters[name.slice(1, -1)] = decode(part);
      return part !== '';
    });
    if (fits) return { route, parameters };
  }
  return null;
}

function parseBody(
  route: Route,
  event: Pick<APIGatewayProxyEvent, 'body' | 'isBase64Encoded'>,
): unknown {
  if (!route.body) return undefined;
  if ((event.body ?? '').length > BODY_CHARS_MAX) {
    throw new ApiProblem(413, 'too_large', 'A request is 6 MB at most.');
  }
  const text = event.isBase64Encoded
    ? Buffer.from(event.body ?? '', 'base64').toString('utf8')
    : (event.body ?? '');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ApiProblem(400, 'invalid_request', 'The body is not JSON.', { cause });
  }
  const parsed = route.body.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'body';
  throw new ApiProblem(400, 'invalid_request', `${where}: ${issue?.message ?? 'does not fit'}`);
}

function result(
  statusCode: number,
  body: unknown,
  type: string,
  retryAfterSeconds: number | undefined,
): APIGatewayProxyResult {
  return {
    statusCode,
    headers: {
      'content-type': type,
      'cache-control': 'no-store',
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'Retry-After',
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    },
    body: JSON.stringify(body),
  };
}

function present(values: Record<string, string | undefined>): Record<string, string> {
  const entries = Object.entries(values).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(entries);
}

function lowerCase(headers: Record<string, string>): Record<string, string> {
  const entries = Object.entries(headers);
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]));
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
