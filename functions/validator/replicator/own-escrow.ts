/** Has the own validator's escrow destroy its shares of a patient who had everything erased. */

import { z } from 'zod';
import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { createDpop } from '../../../lib/records/dpop.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import { boundedJson } from '../../aws/bounded-json.ts';
import type { ReplicatorContext } from './context.ts';
import type { Certified } from './say.ts';

const CALL_TIMEOUT_MS = 8_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const problemSchema = z.object({ code: z.string().max(64) });
const orderSchema = z.looseObject({
  escrows: z.array(z.looseObject({ escrowId: z.string().max(64) })).optional(),
});

/** A refusal of the own escrow, by its code. */
export class EscrowRefused extends Error {
  override readonly name = 'EscrowRefused';
  readonly code: string;
  constructor(code: string) {
    super(`the own escrow refuses: ${code}`);
    this.code = code;
  }
}

/** Safe to repeat. Throws EscrowRefused, or Error where the escrow does not take the order: it is brought again. */
export async function endOwnEscrows(
  context: ReplicatorContext,
  { receipt, result }: Certified,
): Promise<void> {
  const { escrows = [] } = parseWith(orderSchema, result.value);
  const { validators } = context.genesis.document;
  const own = validators.find(({ id }) => id === context.hospital);
  // One that joined later is not in the genesis document: the patient's device tells it.
  if (!own) return;
  for (const { escrowId } of escrows) {
    const url = `${own.apiUrl.replace(/\/+$/, '')}/v1/escrow/${escrowId}/end`;
    const proven = { method: 'POST', url, receipt } as const;
    const dpop = await createDpop(proven, context.key, context.now());
    const response = await context.fetchUrl(url, {
      method: 'POST',
      body: JSON.stringify({ receipt: toBase64url(receipt) }),
      headers: { 'content-type': 'application/json', dpop },
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      redirect: 'error',
    });
    const json = await boundedJson(response, ANSWER_BYTES_MAX);
    if (response.ok) continue;
    throw new EscrowRefused(problemSchema.safeParse(json).data?.code ?? `http ${response.status}`);
  }
}
