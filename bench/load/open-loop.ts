/**
 * Requests in open loop: `loadtest` keeps the clock of arrivals and has as many clients as are
 * needed, so that a slow answer delays no later request (ADR 0027). What is sent is the caller's.
 */
import { EventEmitter } from 'node:events';
import { loadTest } from 'loadtest';
import type { Slice } from './schedule.ts';

/** Makes, signs and sends one request once it is due; resolves with the status of the answer. */
export type Shot = () => Promise<number>;

/** Sends the slice's requests as they fall due; resolves once each has had its answer or failed. */
export async function fire(
  origin: string,
  { count, intervalMs }: Slice,
  shotOf: (index: number) => Shot,
): Promise<void> {
  let next = 0;
  await new Promise<void>((resolve, reject) => {
    loadTest(
      {
        url: origin,
        requestsPerSecond: 1_000 / intervalMs,
        maxRequests: count,
        quiet: true,
        requestGenerator: (_options, _params, _request, respond) => {
          const shot = shotOf(next);
          next += 1;
          return new Due(shot, respond as (response: Answered) => void);
        },
      },
      (error: unknown) => {
        if (error instanceof Error) reject(error);
        else resolve();
      },
    );
  });
}

/** What the tool takes for a response. */
class Answered extends EventEmitter {
  readonly statusCode: number;

  constructor(statusCode: number) {
    super();
    this.statusCode = statusCode;
  }
}

/** What the tool takes for a request: it begins when the tool ends it, which is when it is due. */
class Due extends EventEmitter {
  readonly #shot: Shot;
  readonly #respond: (response: Answered) => void;

  constructor(shot: Shot, respond: (response: Answered) => void) {
    super();
    this.#shot = shot;
    this.#respond = respond;
  }

  end(): void {
    this.#shot().then(
      (status) => {
        const response = new Answered(status);
        this.#respond(response);
        response.emit('end');
      },
      (error: unknown) => this.emit('error', error instanceof Error ? error : new Error('failed')),
    );
  }
}
