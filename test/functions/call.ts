/** Calls the handler of an API as API Gateway does. */
import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import type { HttpHandler } from '../../functions/aws/http.ts';

export interface ApiCall {
  readonly method: string;
  /** With the query string, if any. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As it is sent. */
  readonly text?: string | undefined;
}

export interface ApiResult {
  status: number;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

const REMAINING_MS = 10_000;

export async function callApi(handler: HttpHandler, call: ApiCall): Promise<ApiResult> {
  const { pathname, searchParams } = new URL(call.path, 'http://api.test');
  const query = [...searchParams].length > 0 ? Object.fromEntries(searchParams) : null;
  const event = {
    httpMethod: call.method,
    path: pathname,
    headers: call.headers ?? {},
    pathParameters: null,
    queryStringParameters: query,
    body: call.text ?? null,
    isBase64Encoded: false,
    requestContext: {},
  };
  const context = { getRemainingTimeInMillis: () => REMAINING_MS };
  const result = await handler(
    event as unknown as APIGatewayProxyEvent,
    context as unknown as Context,
  );
  return {
    status: result.statusCode,
    headers: (result.headers ?? {}) as Record<string, string>,
    body: JSON.parse(result.body) as Record<string, unknown>,
  };
}
