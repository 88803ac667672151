/** How a validator asks a peer for what peers alone may read: a query signed by its read key. */

import { toBase64url } from '../../lib/crypto/bytes.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { thumbprint, type SigningKey } from '../../lib/crypto/p256.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import type { SessionCertificate } from '../../lib/wire/session.ts';
import { encodeRequest, jwsTypes } from '../../lib/wire/transaction.ts';

/** Scheme of the `authorization` header. */
export const BLOCK_SCHEME = 'CQ-Query';
export const BLOCK_QUERY = 'ledger.block';
export const SNAPSHOT_QUERY = 'ledger.snapshot';
export const PAGES_QUERY = 'ledger.pages';

const VALID_MS = 60_000;

/** What is asked for, as the signature covers it. */
export interface PeerQuery {
  readonly ledger: string;
  readonly fn: typeof BLOCK_QUERY | typeof SNAPSHOT_QUERY | typeof PAGES_QUERY;
  readonly height: number;
}

/**
 * The header's value. A validator's read key comes with its certificate: one that lost its tables
 * has a key that no ledger names yet, and its KMS key vouches for it.
 */
export async function peerAuthorization(
  wanted: PeerQuery & { network: string; now: number },
  key: SigningKey & { readonly certificate?: SessionCertificate },
): Promise<string> {
  const { network, ledger, fn, height, now } = wanted;
  const { certificate } = key;
  const payload = encodeRequest({
    network,
    ledger,
    fn,
    args: certificate ? { height, session: toBase64url(encodeCbor(certificate)) } : { height },
    nonce: randomId(),
    issuedAt: now,
    expiresAt: now + VALID_MS,
  });
  const kid = thumbprint(key.publicKey);
  return `${BLOCK_SCHEME} ${await signJws({ typ: jwsTypes.query, kid }, payload, key)}`;
}
