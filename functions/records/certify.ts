/** What the custodian says on the ledger: signed by its key, resubmitted until it is certified. */

import { z } from 'zod';
import { signJws } from '../../lib/crypto/jws.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { ReceiptError } from '../../lib/ledger/errors.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { RecordsError } from '../../lib/records/errors.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { TransactionResult } from '../../lib/wire/result.ts';
import {
  encodeRequest,
  jwsTypes,
  parseTransaction,
  type SignedRequest,
} from '../../lib/wire/transaction.ts';
import { HttpError, isProblemCode } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { checkReceipt } from './permit.ts';

const VALIDITY_MS = 10 * 60_000;
/** A transaction that is nearly over is not sent any more: it might be taken after all. */
const REST_MS_MIN = 60_000;
/** How long one request waits for the certificate. */
const WAIT_MS_MAX = 18_000;

/** A transaction that was signed and is kept before it is sent: a crash sends the same again. */
export const announcedSchema = z.strictObject({
  transactionId: z.string(),
  compact: z.string(),
  expiresAt: z.int(),
});
export type Announced = z.infer<typeof announcedSchema>;

/** Whether a transaction of before can still be sent. */
export function isSendable(context: RecordsContext, announced: Announced | null): boolean {
  return announced !== null && announced.expiresAt - context.now() > REST_MS_MIN;
}

export async function signCall(
  context: RecordsContext,
  call: Pick<SignedRequest, 'fn' | 'args'>,
): Promise<Announced> {
  const key = await context.signingKey();
  const issuedAt = context.now();
  const expiresAt = issuedAt + VALIDITY_MS;
  const request = {
    network: context.network,
    ledger: MAIN_LEDGER,
    ...call,
    nonce: randomId(),
    issuedAt,
    expiresAt,
  };
  const header = { typ: jwsTypes.transaction, kid: thumbprint(key.publicKey) };
  const compact = await signJws(header, encodeRequest(request), key);
  return { transactionId: parseTransaction(compact).id, compact, expiresAt };
}

/** The certified outcome, committed or not. Throws HttpError `not_certified_yet`. */
export async function certify(
  context: RecordsContext,
  { transactionId: id, compact }: Announced,
): Promise<TransactionResult> {
  const genesis = await context.genesis.require();
  const isOwn = (receipt: Uint8Array) => isReceiptOf(context, genesis, receipt, id);
  const bytes = await context.validators.settle({ id, compact }, genesis, WAIT_MS_MAX, isOwn);
  if (bytes === null) {
    throw new HttpError(
      'not_certified_yet',
      'The bytes are safe, the ledger has not confirmed them yet: send this again.',
      { retryAfterSeconds: 2 },
    );
  }
  const { result } = await checkReceipt(context, genesis, bytes);
  if (result.id !== id) {
    throw new HttpError('wrong_receipt', 'A validator gave the receipt of another.');
  }
  return result;
}

/** A refusal of the ledger as a problem. */
export function refusal({ code }: TransactionResult, message: string): HttpError {
  return new HttpError(isProblemCode(code) ? code : 'ledger_refused', message);
}

/** Whether it verifies and is of this transaction: one validator may say anything. */
async function isReceiptOf(
  context: RecordsContext,
  genesis: Genesis,
  receipt: Uint8Array,
  id: string,
): Promise<boolean> {
  try {
    return (await checkReceipt(context, genesis, receipt)).result.id === id;
  } catch (error) {
    if (error instanceof ReceiptError || error instanceof RecordsError) return false;
    throw error;
  }
}
