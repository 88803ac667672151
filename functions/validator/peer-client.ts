/** Requests to peers' HTTPS APIs: signed by the read key, bounded in time and size. */

import type { z } from 'zod';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { decodeWith } from '../../lib/wire/codec.ts';
import { peerAuthorization, type PeerQuery } from './block-request.ts';
import type { OpenReadKey } from './keyring.ts';

const REQUEST_TIMEOUT_MS = 2_000;

export interface Peer {
  readonly id: string;
  readonly apiUrl: string;
}

export interface PeerDeps {
  readonly network: string;
  readonly readKey: Pick<OpenReadKey, 'publicKey' | 'sign' | 'certificate'>;
  readonly fetch: typeof fetch;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

export interface PeerRequest {
  /** Path and query string. */
  readonly path: string;
  /** What the read key signs; null asks as anybody may. */
  readonly query: PeerQuery | null;
  /** Makes it a POST of JSON. */
  readonly body?: unknown;
  /** Bytes of the answer, at most. */
  readonly bytesMax: number;
}

/** A peer's answer that is not what was asked for; the message names the reason, never content. */
export class PeerRefusedError extends Error {
  override readonly name = 'PeerRefusedError';
}

/** The parsed answer. Throws `PeerRefusedError`, or what `fetch` and the schema throw. */
export async function askPeer<T>(
  deps: Omit<PeerDeps, 'readKey'> & { readonly readKey: PeerDeps['readKey'] | null },
  peer: Peer,
  schema: z.ZodType<T>,
  { path, query, body, bytesMax }: PeerRequest,
): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (query) {
    if (deps.readKey === null) throw new PeerRefusedError('there is no read key to ask with');
    const stated = { network: deps.network, now: deps.clock(), ...query };
    headers['authorization'] = await peerAuthorization(stated, deps.readKey);
  }
  if (body !== undefined) headers['content-type'] = 'application/json';
  const response = await deps.fetch(`${peer.apiUrl}${path}`, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers,
    redirect: 'error',
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (response.status !== 200) throw new PeerRefusedError(`status ${response.status}`);
  return schema.parse(JSON.parse(await boundedText(response, bytesMax)));
}

/** Canonical CBOR in base64url, as answers carry it. */
export function decodePart<T>(schema: z.ZodType<T>, text: string, bytesMax: number): T {
  return decodeWith(schema, fromBase64url(text), bytesMax);
}

/** Why a peer was passed over, for a log. */
export function reasonOf(error: unknown): string {
  if (error instanceof PeerRefusedError) return error.message;
  return error instanceof Error ? error.name : 'unknown';
}

/** A peer may send anything: what is too long is not read to its end. */
async function boundedText(response: Response, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new PeerRefusedError('the answer is too large');
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
