/** The commitment by which two persons ask who got a one-time certificate. */
import { fromHex, toBase64url } from '../crypto/bytes.ts';
import { commit } from '../crypto/commitment.ts';

/** Domain of the commitment to a serial number. */
export const UNMASK_COMMITMENT = 'one-time-serial';

/** What `identity.unmask` puts on the ledger for a serial number in hexadecimal. */
export function unmaskCommitment(serial: string, salt: Uint8Array): string {
  return toBase64url(commit(UNMASK_COMMITMENT, salt, fromHex(serial)));
}
