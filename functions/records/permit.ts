/** Who calls the custodian, and what the receipt permits: the custodian's own addresses. */

import type { VerifiedReceipt } from '../../lib/ledger/verify-receipt.ts';
import type { VerifiedProof } from '../../lib/records/dpop.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { HttpRequest } from '../aws/http.ts';
import * as permit from '../aws/permit.ts';
import type { RecordsContext } from './context.ts';

/** The caller of a route without a receipt. Throws RecordsError `proof_…`. */
export function requireCaller(
  context: RecordsContext,
  request: HttpRequest,
): Promise<VerifiedProof> {
  return permit.requireCaller(ownPermit(context), request);
}

/** The caller and its receipt, both verified. Throws RecordsError and ReceiptError. */
export function requireReceipt(
  context: RecordsContext,
  request: HttpRequest,
  receiptText: string,
): Promise<{ proof: VerifiedProof; receipt: VerifiedReceipt }> {
  return permit.requireReceipt(ownPermit(context), request, receiptText);
}

/** As `requireReceipt`, for a receipt of a case ledger. */
export function requireCaseReceipt(
  context: RecordsContext,
  request: HttpRequest,
  receiptText: string,
): Promise<{ proof: VerifiedProof; receipt: VerifiedReceipt }> {
  return permit.requireReceipt(ownPermit(context), request, receiptText, 'case');
}

/** Verifies a receipt against genesis and the newest set seen. Throws ReceiptError. */
export function checkReceipt(
  context: RecordsContext,
  genesis: Genesis,
  bytes: Uint8Array,
): Promise<VerifiedReceipt> {
  return permit.checkReceipt(ownPermit(context), genesis, bytes);
}

/** Clients know the custodian by the address of the genesis document, or where it has moved to. */
function ownPermit(context: RecordsContext): permit.PermitContext {
  const addresses = ({ document }: Genesis): string[] => [
    document.custodian.apiUrl.replace(/\/+$/, ''),
    context.apiUrl,
  ];
  return { store: context.store, genesis: context.genesis, addresses, now: () => context.now() };
}
