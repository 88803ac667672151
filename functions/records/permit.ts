/** What a caller may do: a fresh proof of its key, and a receipt that is verified offline. */

import { z } from 'zod';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import type { KnownSet } from '../../lib/ledger/set-chain.ts';
import { type VerifiedReceipt, verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { MAIN_LEDGER } from '../../lib/ledger/genesis-header.ts';
import { type VerifiedProof, verifyDpop } from '../../lib/records/dpop.ts';
import { RecordsError } from '../../lib/records/errors.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import { hashField, heightField } from '../../lib/wire/fields.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import type { HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';

const KNOWN_SET = { pk: 'service', sk: 'known-set' };
const knownSetSchema = z.strictObject({ fromHeight: heightField, validatorsHash: hashField });

/** The caller of a route without a receipt. Throws RecordsError `proof_…`. */
export async function requireCaller(
  context: RecordsContext,
  request: HttpRequest,
): Promise<VerifiedProof> {
  const genesis = await context.genesis.require();
  const proof = await checkProof(context, genesis, request, null);
  await useProof(context, proof);
  return proof;
}

/** The caller and its receipt, both verified. Throws RecordsError and ReceiptError. */
export async function requireReceipt(
  context: RecordsContext,
  request: HttpRequest,
  receiptText: string,
): Promise<{ proof: VerifiedProof; receipt: VerifiedReceipt }> {
  const genesis = await context.genesis.require();
  const bytes = fromBase64url(receiptText);
  const proof = await checkProof(context, genesis, request, bytes);
  const receipt = await checkReceipt(context, genesis, bytes);
  await useProof(context, proof);
  return { proof, receipt };
}

/** Verifies a receipt against genesis and the newest set seen, which it may renew. */
export async function checkReceipt(
  context: RecordsContext,
  genesis: Genesis,
  bytes: Uint8Array,
): Promise<VerifiedReceipt> {
  const item = await context.store.get(KNOWN_SET);
  const known: KnownSet | undefined = item ? parseWith(knownSetSchema, item.value) : undefined;
  const receipt = await verifyReceipt(bytes, genesis, known ? { known } : {});
  if (receipt.header.ledger !== MAIN_LEDGER) {
    throw new RecordsError('receipt_wrong_ledger', 'the receipt is not of the main ledger');
  }
  const fromHeight = receipt.setFromHeight;
  if (fromHeight > (known?.fromHeight ?? 0)) {
    const next = { fromHeight, validatorsHash: validatorsHash(receipt.validators) };
    // Where another run was first, the next receipt of this set tries again.
    await (item
      ? context.store.replace(KNOWN_SET, item.version, next)
      : context.store.insert(KNOWN_SET, next));
  }
  return receipt;
}

async function checkProof(
  context: RecordsContext,
  genesis: Genesis,
  request: HttpRequest,
  receipt: Uint8Array | null,
): Promise<VerifiedProof> {
  const compact = request.headers['dpop'];
  if (compact === undefined) {
    throw new HttpError('proof_missing', 'Send a proof of possession in the header dpop.');
  }
  // Clients know the custodian by the address of the genesis document, or where it has moved to.
  const bases = [genesis.document.custodian.apiUrl.replace(/\/+$/, ''), context.apiUrl];
  const urls = bases.map((base) => `${base}${request.path}`);
  return verifyDpop(compact, { method: request.method, urls, receipt }, context.now());
}

/** Each proof counts once. */
async function useProof(context: RecordsContext, proof: VerifiedProof): Promise<void> {
  const key = wrapKeys.proof(proof.kid, proof.jti);
  const ttlSeconds = Math.ceil(proof.expiresAt / 1_000) + 1;
  if (!(await context.store.insert(key, {}, ttlSeconds))) {
    throw new HttpError('proof_replayed', 'This proof was used: sign a new one.');
  }
}
