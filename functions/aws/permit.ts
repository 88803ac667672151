/** What a caller may do: a fresh proof of its key, and a receipt that is verified offline. */

import { z } from 'zod';
import { equalBytes, fromBase64url } from '../../lib/crypto/bytes.ts';
import { ReceiptError } from '../../lib/ledger/errors.ts';
import type { KnownSet } from '../../lib/ledger/set-chain.ts';
import { type VerifiedReceipt, verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { checkHolder, checkUsable } from '../../lib/records/capability.ts';
import { type VerifiedProof, verifyDpop } from '../../lib/records/dpop.ts';
import { RecordsError } from '../../lib/records/errors.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import { hashField, heightField, timeField } from '../../lib/wire/fields.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { HttpRequest } from './http.ts';
import type { ItemStore } from './item-store.ts';
import { HttpError } from './problems.ts';

/** What judges callers: any service that releases something for a receipt. */
export interface PermitContext {
  /** Remembers the newest set that was seen, and used proofs. */
  store: Pick<ItemStore, 'get' | 'insert' | 'replace'>;
  genesis: { require(): Promise<Genesis> };
  /** Base URLs by which callers know this service, without a trailing slash. */
  addresses(genesis: Genesis): readonly string[];
  /** Milliseconds since 1970. */
  now(): number;
}

const KNOWN_SET = { pk: 'service', sk: 'known-set' };
/** Receipts of a set that was replaced open nothing any more after this, milliseconds. */
const REPLACED_MS_MAX = 24 * 3_600_000;
const REPLACED_SETS_MAX = 64;

/** The newest set that was seen, and those before it that ended a short while ago. */
const memorySchema = z.strictObject({
  fromHeight: heightField,
  validatorsHash: hashField,
  sinceTime: timeField,
  replaced: z
    .array(z.strictObject({ validatorsHash: hashField, untilTime: timeField }))
    .max(REPLACED_SETS_MAX),
});
type SetMemory = z.infer<typeof memorySchema>;

/** The caller of a route without a receipt. Throws RecordsError `proof_…`. */
export async function requireCaller(
  context: PermitContext,
  request: HttpRequest,
): Promise<VerifiedProof> {
  const genesis = await context.genesis.require();
  const proof = await checkProof(context, genesis, request, null);
  await useProof(context, proof);
  return proof;
}

/** The caller and its receipt, both verified. Throws RecordsError and ReceiptError. */
export async function requireReceipt(
  context: PermitContext,
  request: HttpRequest,
  receiptText: string,
  of: 'main' | 'case' = 'main',
): Promise<{ proof: VerifiedProof; receipt: VerifiedReceipt }> {
  const genesis = await context.genesis.require();
  const bytes = fromBase64url(receiptText);
  const proof = await checkProof(context, genesis, request, bytes);
  const receipt = await checkReceipt(context, genesis, bytes, of);
  await useProof(context, proof);
  return { proof, receipt };
}

/** The reader whom a permit names, while it lasts. Throws RecordsError. */
export function requireReader(
  context: Pick<PermitContext, 'now'>,
  { proof, receipt }: { proof: VerifiedProof; receipt: VerifiedReceipt },
  permit: { readerKid: string; usableUntil: number },
): void {
  checkHolder(permit.readerKid, proof.kid);
  checkUsable(permit, { blockTime: receipt.time, nowMs: context.now() });
}

/**
 * Verifies a receipt against genesis and the newest set seen, which it may renew. Keys of a set
 * that was replaced may leak: they certify nothing above their heights, nothing younger than
 * their end, and nothing at all a day after it.
 */
export async function checkReceipt(
  context: PermitContext,
  genesis: Genesis,
  bytes: Uint8Array,
  of: 'main' | 'case' = 'main',
): Promise<VerifiedReceipt> {
  const item = await context.store.get(KNOWN_SET);
  const memory = item ? parseWith(memorySchema, item.value) : undefined;
  const receipt = await verifyReceipt(bytes, genesis, { known: memory });
  if ((receipt.header.ledger === MAIN_LEDGER) !== (of === 'main')) {
    throw new RecordsError('receipt_wrong_ledger', `the receipt is not of the ${of} ledger`);
  }
  if (memory) checkReplaced(memory, receipt, context.now());
  const next = memoryOf(receipt, context.now());
  if (next.fromHeight > (memory?.fromHeight ?? 0)) {
    // Where another run was first, the next receipt of this set tries again.
    await (item
      ? context.store.replace(KNOWN_SET, item.version, next)
      : context.store.insert(KNOWN_SET, next));
  }
  return receipt;
}

/** The newest set that receipts proved here, if any. */
export async function knownSet({
  store,
}: Pick<PermitContext, 'store'>): Promise<KnownSet | undefined> {
  const item = await store.get(KNOWN_SET);
  return item ? parseWith(memorySchema, item.value) : undefined;
}

/** Throws ReceiptError `stale_set` for a receipt whose set ended before it, or long ago. */
function checkReplaced(memory: SetMemory, { height, time, header }: VerifiedReceipt, now: number) {
  const { validatorsHash, ledger } = header;
  const isMain = ledger === MAIN_LEDGER;
  // Heights of a case ledger count its own blocks; one at rest keeps its set until the next.
  const isOfNewest = isMain
    ? height >= memory.fromHeight
    : equalBytes(validatorsHash, memory.validatorsHash);
  if (isOfNewest) return;
  const set = memory.replaced.find((one) => equalBytes(one.validatorsHash, validatorsHash));
  const isInTime = set && (!isMain || time <= set.untilTime);
  if (isInTime && now - set.untilTime <= REPLACED_MS_MAX) return;
  throw new ReceiptError('stale_set', `the validators of block ${height} were replaced`);
}

function memoryOf({ sets }: VerifiedReceipt, now: number): SetMemory {
  const { fromHeight, validatorsHash, sinceTime } = sets.at(-1) as KnownSet;
  const replaced = sets.slice(0, -1).map((set, at) => ({
    validatorsHash: set.validatorsHash,
    untilTime: (sets[at + 1] as KnownSet).sinceTime,
  }));
  const recent = replaced.filter(({ untilTime }) => now - untilTime <= REPLACED_MS_MAX);
  return { fromHeight, validatorsHash, sinceTime, replaced: recent.slice(-REPLACED_SETS_MAX) };
}

async function checkProof(
  context: PermitContext,
  genesis: Genesis,
  request: HttpRequest,
  receipt: Uint8Array | null,
): Promise<VerifiedProof> {
  const compact = request.headers['dpop'];
  if (compact === undefined) {
    throw new HttpError('proof_missing', 'Send a proof of possession in the header dpop.');
  }
  const urls = context.addresses(genesis).map((base) => `${base}${request.path}`);
  return verifyDpop(compact, { method: request.method, urls, receipt }, context.now());
}

/** Each proof counts once. */
async function useProof(context: PermitContext, proof: VerifiedProof): Promise<void> {
  const key = wrapKeys.proof(proof.kid, proof.jti);
  const ttlSeconds = Math.ceil(proof.expiresAt / 1_000) + 1;
  if (!(await context.store.insert(key, {}, ttlSeconds))) {
    throw new HttpError('proof_replayed', 'This proof was used: sign a new one.');
  }
}
