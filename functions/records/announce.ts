/** `record.stored`, signed by the custodian's key, resubmitted until it is certified. */

import type { TransactionResult } from '../../lib/wire/result.ts';
import { certify, isSendable, refusal, signCall } from './certify.ts';
import type { RecordsContext } from './context.ts';
import { saveState, type StoredState } from './record-state.ts';

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
  const result = await certify(context, announced);
  if (isStored(result)) return current;
  throw refusal(result, 'The ledger refuses to take this record as stored.');
}

/** A transaction of an earlier try may have been first: then the record is stored all the same. */
function isStored({ status, code }: TransactionResult): boolean {
  return status === 'COMMITTED' || code === 'already_stored';
}

async function withTransaction(context: RecordsContext, found: StoredState): Promise<StoredState> {
  const { recordId, digest: objectDigest, announced } = found.state;
  if (isSendable(context, announced)) return found;
  const call = { fn: 'record.stored', args: { recordId, objectDigest } };
  const state = { ...found.state, announced: await signCall(context, call) };
  return saveState(context.store, found, state);
}
