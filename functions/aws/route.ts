/** A route of a REST API, as data: the handler, API Gateway and OpenAPI are made from the same table. */

import type { ZodType } from 'zod';

/** One route. Two routes of a table never share both method and path. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Absolute path without the stage, with `{name}` for a path parameter: `/v1/blocks/{height}`. */
  readonly path: string;
  /**
   * Schema of the JSON body; API Gateway refuses what does not fit before a function runs.
   * @default no body is read
   */
  readonly body?: ZodType;
  /** One sentence for the OpenAPI document. */
  readonly summary: string;
}
