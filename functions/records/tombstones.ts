/** What stays of an erasure at the custodian: that there was one, so that nothing comes back. */

import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import type { ItemStore } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';

/** Throws HttpError `record_erased`, `patient_erased`: receipts of before open nothing any more. */
export async function requireNotErased(
  store: Pick<ItemStore, 'get'>,
  { recordId, pseudonym }: { recordId?: string; pseudonym?: string },
): Promise<void> {
  if (recordId !== undefined && (await store.get(wrapKeys.erasedRecord(recordId)))) {
    throw new HttpError('record_erased', 'The patient had this record erased.');
  }
  if (pseudonym !== undefined && (await store.get(wrapKeys.erasedPatient(pseudonym)))) {
    throw new HttpError('patient_erased', 'The patient had everything erased.');
  }
}
