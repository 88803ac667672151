/** POST /v1/erasures: destroys what the ledger orders, and says there that it is done. */

import type { z } from 'zod';
import { type EraseCapability, readCapability } from '../../lib/records/capability.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { forgetCases } from './cases.ts';
import { forgetPublished } from './category-keys.ts';
import { certify, refusal, signCall } from './certify.ts';
import type { RecordsContext } from './context.ts';
import { requireReceipt } from './permit.ts';
import { discardRecord } from './discard.ts';
import { forgetLetters } from './letters.ts';
import { forgetPrivate } from './private.ts';
import { findRecord } from './record-state.ts';
import type { eraseSchema } from './copy-routes.ts';
import { forgetShares } from './shares.ts';

/** The time of one request for destroying; the rest is for the ledger's word. */
const WORK_MS = 8_000;
const PAGE_ITEMS = 100;

/**
 * Whoever brings the order: it is the patient's, certified. Idempotent; `working` while there is
 * more, for whoever comes again. Throws HttpError `not_certified_yet`.
 */
export async function erase(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof eraseSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const order = readCapability('erase', receipt.result);
  const deadline = context.now() + WORK_MS;
  const isDone =
    'recordIds' in order
      ? await eraseRecords(context, order.recordIds)
      : await erasePatient(context, order.pseudonyms, deadline);
  if (!isDone) return { status: 200, body: { status: 'working' } };
  await sayErased(context, order);
  return { status: 200, body: { status: 'erased' } };
}

async function eraseRecords(context: RecordsContext, recordIds: readonly string[]): Promise<true> {
  for (const recordId of recordIds) await eraseRecord(context, recordId);
  return true;
}

/** The mark comes first: what dies here halfway is not given out, and goes on when it is sent again. */
async function eraseRecord(context: RecordsContext, recordId: string): Promise<void> {
  const { store } = context;
  await store.insert(wrapKeys.erasedRecord(recordId), {});
  const found = await findRecord(store, recordId);
  if (found) await discardRecord(context, found.state);
}

/** False where the time is over before everything is gone. */
async function erasePatient(
  context: RecordsContext,
  pseudonyms: readonly string[],
  deadline: number,
): Promise<boolean> {
  const { store } = context;
  for (const pseudonym of pseudonyms) {
    await store.insert(wrapKeys.erasedPatient(pseudonym), {});
    const lists = [wrapKeys.listed(pseudonym, '', '').pk, wrapKeys.opened(pseudonym, '').pk];
    for (const pk of lists) {
      for (;;) {
        const page = await store.list(pk, { limit: PAGE_ITEMS });
        for (const { sk } of page) {
          if (context.now() >= deadline) return false;
          await eraseRecord(context, sk.slice(sk.indexOf('#') + 1));
          await store.remove([{ pk, sk }]);
        }
        if (page.length < PAGE_ITEMS) break;
      }
    }
    await forgetPublished(context, pseudonym);
    await forgetShares(context, pseudonym);
    await forgetPrivate(context, pseudonym);
    await forgetCases(context, pseudonym);
    await forgetLetters(context, pseudonym);
  }
  return true;
}

async function sayErased(context: RecordsContext, order: EraseCapability): Promise<void> {
  // Together, so that many rotations take no longer than one block.
  await Promise.all(
    callsOf(order).map(async (call) => {
      const result = await certify(context, await signCall(context, call));
      if (result.status === 'COMMITTED') return;
      throw refusal(result, 'The ledger refuses to take this as erased.');
    }),
  );
}

/** Its word on records, or on each pseudonym that the patient ever had. */
function callsOf(order: EraseCapability): Parameters<typeof signCall>[1][] {
  if ('recordIds' in order) {
    return [{ fn: 'record.erased', args: { recordIds: order.recordIds } }];
  }
  return order.pseudonyms.map((pseudonym) => ({ fn: 'patient.erased', args: { pseudonym } }));
}
