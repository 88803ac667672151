/** How a validator asks a peer for the body of a block: a query signed by its read key. */

import { randomId } from '../../lib/crypto/random.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { thumbprint, type SigningKey } from '../../lib/crypto/p256.ts';
import { encodeRequest, jwsTypes } from '../../lib/wire/transaction.ts';

/** Scheme of the `authorization` header. */
export const BLOCK_SCHEME = 'CQ-Query';
export const BLOCK_QUERY = 'ledger.block';

const VALID_MS = 60_000;

/** The header's value for one block. */
export async function blockAuthorization(
  wanted: { network: string; ledger: string; height: number; now: number },
  key: SigningKey,
): Promise<string> {
  const { network, ledger, height, now } = wanted;
  const payload = encodeRequest({
    network,
    ledger,
    fn: BLOCK_QUERY,
    args: { height },
    nonce: randomId(),
    issuedAt: now,
    expiresAt: now + VALID_MS,
  });
  const kid = thumbprint(key.publicKey);
  return `${BLOCK_SCHEME} ${await signJws({ typ: jwsTypes.query, kid }, payload, key)}`;
}
