/** The receipt of a committed transaction of somebody else, from any validator that has it. */

import { z } from 'zod';
import { fromBase64url } from '../../../lib/crypto/bytes.ts';
import type { ReplicatorContext } from './context.ts';
import { type Certified, certifiedResult } from './say.ts';

const CALL_TIMEOUT_MS = 3_000;
const RECEIPT_CHARS_MAX = 2_000_000;
const answerSchema = z.looseObject({ receipt: z.string().max(RECEIPT_CHARS_MAX) });

/** Throws Error where no validator gives one that verifies: the next run asks again. */
export async function orderReceipt(context: ReplicatorContext, id: string): Promise<Certified> {
  const { validators } = context.genesis.document;
  const own = validators.filter((one) => one.id === context.hospital);
  const others = validators.filter((one) => one.id !== context.hospital);
  for (const { apiUrl } of [...own, ...others]) {
    const receipt = await ask(context, `${apiUrl.replace(/\/+$/, '')}/v1/transactions/${id}`);
    const result = receipt && (await certifiedResult(context, receipt, id));
    if (receipt && result) return { receipt, result };
  }
  throw new Error('no validator gave the receipt of an order to erase');
}

async function ask({ fetchUrl }: ReplicatorContext, url: string): Promise<Uint8Array | null> {
  try {
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    const response = await fetchUrl(url, { method: 'GET', signal, redirect: 'error' });
    const answer = answerSchema.safeParse(await response.json());
    return answer.success ? fromBase64url(answer.data.receipt) : null;
  } catch {
    return null;
  }
}
