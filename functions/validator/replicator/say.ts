/** What a hospital says on the ledger, signed with its read key; gives the certified receipt. */

import { signJws } from '../../../lib/crypto/jws.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import { randomId } from '../../../lib/crypto/random.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { verifyReceipt } from '../../../lib/ledger/verify-receipt.ts';
import type { TransactionResult } from '../../../lib/wire/result.ts';
import {
  encodeRequest,
  jwsTypes,
  parseTransaction,
  type SignedRequest,
} from '../../../lib/wire/transaction.ts';
import type { ReplicatorContext } from './context.ts';

const VALIDITY_MS = 5 * 60_000;
const WAIT_MS_MAX = 8_000;

export interface Certified {
  receipt: Uint8Array;
  result: TransactionResult;
}

/** The ledger refused what a hospital said: it looks again at what is there. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly code: string;
  constructor(fn: string, code: string) {
    super(`the ledger refuses ${fn}: ${code}`);
    this.code = code;
  }
}

/** Throws Refused, or Error where no quorum certified it in time: the next run says it again. */
export async function say(
  context: ReplicatorContext,
  call: Pick<SignedRequest, 'fn' | 'args'>,
): Promise<Certified> {
  const { genesis, key, network } = context;
  const now = context.now();
  const request = {
    ...{ network, ledger: MAIN_LEDGER, ...call, nonce: randomId() },
    ...{ issuedAt: now, expiresAt: now + VALIDITY_MS },
  };
  const header = { typ: jwsTypes.transaction, kid: thumbprint(key.publicKey) };
  const compact = await signJws(header, encodeRequest(request), key);
  const { id } = parseTransaction(compact);
  let result: TransactionResult | null = null;
  const accepts = async (receipt: Uint8Array): Promise<boolean> => {
    result = await certifiedResult(context, receipt, id);
    return result !== null;
  };
  const receipt = await context.validators.settle({ id, compact }, genesis, WAIT_MS_MAX, accepts);
  if (receipt === null || result === null) throw new Error(`${call.fn} is not certified yet`);
  const { status, code } = result as TransactionResult;
  if (status !== 'COMMITTED') throw new Refused(call.fn, code);
  return { receipt, result };
}

/** The result of a receipt, if it verifies and is of this transaction. */
export async function certifiedResult(
  { genesis }: Pick<ReplicatorContext, 'genesis'>,
  receipt: Uint8Array,
  id: string,
): Promise<TransactionResult | null> {
  try {
    const { result } = await verifyReceipt(receipt, genesis);
    return result.id === id ? result : null;
  } catch {
    return null;
  }
}
