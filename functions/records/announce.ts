/** `record.stored`, signed by the custodian's key, resubmitted until it is certified. */

import { signJws } from '../../lib/crypto/jws.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { ReceiptError } from '../../lib/ledger/errors.ts';
import { MAIN_LEDGER } from '../../lib/ledger/genesis-header.ts';
import { RecordsError } from '../../lib/records/errors.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { TransactionResult } from '../../lib/wire/result.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../lib/wire/transaction.ts';
import { HttpError, isProblemCode } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { checkReceipt } from './permit.ts';
import { type RecordState, saveState, type StoredState } from './record-state.ts';

const VALIDITY_MS = 10 * 60_000;
/** A transaction that is nearly over is not sent any more: it might be taken after all. */
const REST_MS_MIN = 60_000;
/** How long one request waits for the certificate. */
const WAIT_MS_MAX = 18_000;

/**
 * Returns once the ledger says that the record is stored. The same transaction is sent until it
 * expires, so that a retry counts once. Throws HttpError `not_certified_yet`.
 */
export async function announceStored(
  context: RecordsContext,
  found: StoredState,
): Promise<StoredState> {
  const current = await withTransaction(context, found);
  const { announced } = current.state;
  if (!announced) throw new Error('a transaction was signed just before');
  const { transactionId: id, compact } = announced;
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
  if (!isStored(result)) {
    const code = isProblemCode(result.code) ? result.code : 'ledger_refused';
    throw new HttpError(code, 'The ledger refuses to take this record as stored.');
  }
  return current;
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

/** A transaction of an earlier try may have been first: then the record is stored all the same. */
function isStored({ status, code }: TransactionResult): boolean {
  return status === 'COMMITTED' || code === 'already_stored';
}

async function withTransaction(context: RecordsContext, found: StoredState): Promise<StoredState> {
  const { announced } = found.state;
  if (announced && announced.expiresAt - context.now() > REST_MS_MIN) return found;
  const state = { ...found.state, announced: await sign(context, found.state) };
  // It is kept before it is sent: a crash sends the same one again.
  return saveState(context.store, found, state);
}

async function sign(
  context: RecordsContext,
  { recordId, digest }: RecordState,
): Promise<RecordState['announced']> {
  const key = await context.signingKey();
  const issuedAt = context.now();
  const expiresAt = issuedAt + VALIDITY_MS;
  const request = {
    network: context.network,
    ledger: MAIN_LEDGER,
    fn: 'record.stored',
    args: { recordId, objectDigest: digest },
    nonce: randomId(),
    issuedAt,
    expiresAt,
  };
  const header = { typ: jwsTypes.transaction, kid: thumbprint(key.publicKey) };
  const compact = await signJws(header, encodeRequest(request), key);
  return { transactionId: parseTransaction(compact).id, compact, expiresAt };
}
