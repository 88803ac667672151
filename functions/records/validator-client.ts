/** Hands a transaction to any validator and waits for its receipt, trying one after the other. */

import { z } from 'zod';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { boundedJson } from '../aws/bounded-json.ts';
import { sleep } from '../aws/parallel.ts';

/** `fetch`, or a stand-in. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface ValidatorClient {
  /**
   * Submits and polls for at most `waitMs`. Gives the bytes of the first receipt that `accepts`
   * takes, or null where no validator had one in time: one that lies is passed over.
   */
  settle(
    transaction: { id: string; compact: string },
    genesis: Genesis,
    waitMs: number,
    accepts: (receipt: Uint8Array) => Promise<boolean>,
  ): Promise<Uint8Array | null>;
}

const CALL_TIMEOUT_MS = 3_000;
const POLL_MS_FIRST = 100;
const POLL_MS_MAX = 800;
/** Polls of one validator before the next is given the same transaction. */
const POLLS_MAX = 8;
const RECEIPT_CHARS_MAX = 2_000_000;
/** A receipt and the JSON around it. */
const ANSWER_BYTES_MAX = RECEIPT_CHARS_MAX + 4_096;

const settledSchema = z.looseObject({
  status: z.enum(['COMMITTED', 'INVALID']),
  receipt: z.string().max(RECEIPT_CHARS_MAX),
});

export function validatorClient(
  options: { fetchUrl?: Fetch; now?: () => number } = {},
): ValidatorClient {
  const fetchUrl = options.fetchUrl ?? fetch;
  const now = options.now ?? (() => Date.now());
  let first = 0;
  return {
    async settle(transaction, genesis, waitMs, accepts) {
      const urls = genesis.document.validators.map((one) => one.apiUrl.replace(/\/+$/, ''));
      const deadline = now() + waitMs;
      for (let turn = 0; now() < deadline; turn += 1) {
        const at = (first + turn) % urls.length;
        const receipt = await settleAt(fetchUrl, urls[at] ?? '', transaction, deadline, now);
        if (receipt !== null && (await accepts(receipt))) {
          // The one that answered is asked first the next time.
          first = at;
          return receipt;
        }
        await sleep(POLL_MS_FIRST);
      }
      return null;
    },
  };
}

/** One validator: submit, then poll with back-off; null to try the next. */
async function settleAt(
  fetchUrl: Fetch,
  base: string,
  { id, compact }: { id: string; compact: string },
  deadline: number,
  now: () => number,
): Promise<Uint8Array | null> {
  const body = JSON.stringify({ transaction: compact });
  const headers = { 'content-type': 'application/json' };
  const submitted = await callValidator(fetchUrl, `${base}/v1/transactions`, {
    method: 'POST',
    headers,
    body,
  });
  if (submitted === null || submitted.status >= 400) return null;
  for (let poll = 0; poll < POLLS_MAX && now() < deadline; poll += 1) {
    await sleep(Math.min(POLL_MS_MAX, POLL_MS_FIRST * 2 ** poll));
    const answer = await callValidator(fetchUrl, `${base}/v1/transactions/${id}`, {
      method: 'GET',
    });
    if (answer === null || answer.status >= 400) return null;
    const settled = settledSchema.safeParse(answer.json);
    if (answer.status === 200 && settled.success) return bytesOf(settled.data.receipt);
  }
  return null;
}

/** The bytes of canonical base64url, or null of any other text. */
function bytesOf(text: string): Uint8Array | null {
  try {
    return fromBase64url(text);
  } catch {
    return null;
  }
}

/** Status and JSON, or null where the validator does not answer, or without end. */
export async function callValidator(
  fetchUrl: Fetch,
  url: string,
  init: RequestInit,
): Promise<{ status: number; json: unknown } | null> {
  try {
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    const response = await fetchUrl(url, { ...init, signal, redirect: 'error' });
    return { status: response.status, json: await boundedJson(response, ANSWER_BYTES_MAX) };
  } catch {
    return null;
  }
}
