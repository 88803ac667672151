/** A stand-in for `fetch`: routes by URL prefix, answers JSON, can be slow, dead or wrong. */
import type { Transport } from '../../sdk/http.ts';

export interface FakeRequest {
  readonly method: string;
  readonly url: URL;
  readonly body: unknown;
  readonly headers: Headers;
}

export interface FakeAnswer {
  readonly status?: number;
  readonly json?: unknown;
  readonly headers?: Record<string, string>;
}

/** Gives an answer, throws to be unreachable, or never settles to be slow. */
export type FakeHandler = (request: FakeRequest) => FakeAnswer | Promise<FakeAnswer>;

/** Handlers by origin; `calls` counts what was asked, in order. */
export function fakeFetch(handlers: Readonly<Record<string, FakeHandler>>): Transport & {
  calls: FakeRequest[];
} {
  const calls: FakeRequest[] = [];
  const transport: Transport = async (text, init) => {
    const url = new URL(text);
    const body = typeof init.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined;
    const request = {
      method: init.method ?? 'GET',
      url,
      body,
      headers: new Headers(init.headers),
    };
    calls.push(request);
    const handler = handlers[url.origin];
    if (!handler) throw new TypeError('fetch failed');
    const aborted = new Promise<never>((_, reject) => {
      init.signal?.addEventListener('abort', () => {
        reject(init.signal?.reason as Error);
      });
    });
    const answer = await Promise.race([Promise.resolve(handler(request)), aborted]);
    return new Response(answer.json === undefined ? null : JSON.stringify(answer.json), {
      status: answer.status ?? 200,
      headers: { 'content-type': 'application/json', ...answer.headers },
    });
  };
  return Object.assign(transport, { calls });
}

export function problem(status: number, code: string): FakeAnswer {
  return { status, json: { type: 'about:blank', title: code, status, code, detail: code } };
}
