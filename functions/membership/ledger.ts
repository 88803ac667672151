/** The membership service on the ledger: its key ends people, and names cards; it makes nobody. */

import { z } from 'zod';
import { signJws } from '../../lib/crypto/jws.ts';
import { type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { ReceiptError } from '../../lib/ledger/errors.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { RecordsError } from '../../lib/records/errors.ts';
import type { TransactionResult } from '../../lib/wire/result.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../lib/wire/transaction.ts';
import { checkReceipt, type PermitContext } from '../aws/permit.ts';
import type { ValidatorClient } from '../records/validator-client.ts';
import type { LedgerPort } from './context.ts';

const VALIDITY_MS = 10 * 60_000;
const WAIT_MS_MAX = 5_000;

export interface LedgerOptions {
  network: string;
  /** The key that the ledger knows the service by. */
  authorityKey(): Promise<SigningKey>;
  validators: ValidatorClient;
  permit: PermitContext;
}

const lapsedSchema = z.object({ fn: z.literal('identity.lapse'), remaining: z.int() });
/** Whom the ledger never knew, or who has ended there with all grants. */
const NOTHING_LEFT: readonly string[] = ['unknown_identity', 'already_lapsed'];

/** The port over validators; a step that is lost is signed anew, and goes on where the last ended. */
export function membershipLedger(options: LedgerOptions): LedgerPort {
  return {
    async lapse(subject, reason) {
      const result = await submit(options, 'identity.lapse', { subject, reason });
      if (result === null) return 'unavailable';
      if (result.status === 'INVALID') {
        return NOTHING_LEFT.includes(result.code) ? 'done' : 'unavailable';
      }
      const { remaining } = lapsedSchema.parse(result.value);
      return remaining > 0 ? 'more' : 'done';
    },
    async bind(declarationId, handle) {
      const result = await submit(options, 'emergency.bind', { declarationId, handle });
      if (result === null) return null;
      return result.status === 'COMMITTED' ? { id: result.id } : { code: result.code };
    },
  };
}

async function submit(
  options: LedgerOptions,
  fn: string,
  args: Readonly<Record<string, string>>,
): Promise<TransactionResult | null> {
  const { network, validators, permit } = options;
  const genesis = await permit.genesis.require();
  const key = await options.authorityKey();
  const issuedAt = permit.now();
  const payload = encodeRequest({
    ...{ network, ledger: MAIN_LEDGER, fn, args },
    nonce: randomId(),
    issuedAt,
    expiresAt: issuedAt + VALIDITY_MS,
  });
  const header = { typ: jwsTypes.transaction, kid: thumbprint(key.publicKey) };
  const compact = await signJws(header, payload, key);
  const { id } = parseTransaction(compact);
  let result: TransactionResult | null = null;
  await validators.settle({ id, compact }, genesis, WAIT_MS_MAX, async (bytes) => {
    try {
      const found = (await checkReceipt(permit, genesis, bytes)).result;
      if (found.id !== id) return false;
      result = found;
      return true;
    } catch (error) {
      if (error instanceof ReceiptError || error instanceof RecordsError) return false;
      throw error;
    }
  });
  return result;
}
