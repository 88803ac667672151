/** Boxes of letters: named on the ledger by the digest of a secret, so that they name nobody. */
import { fromBase64url, toBase64url } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';

/** The name of the box whose secret this is, both base64url. */
export function letterBox(secret: string): string {
  return toBase64url(taggedHash('letter-box', fromBase64url(secret)));
}
