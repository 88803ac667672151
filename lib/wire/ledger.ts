/** Names of ledgers: the main one, and case ledgers, each named by what opened it. */
import { utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';

/** The ledger that every network has. */
export const MAIN_LEDGER = 'main';

/** The height by which sessions of a vote are judged: they count heights of the main ledger. */
export function sessionHeight(ledger: string, height: number): number | null {
  return ledger === MAIN_LEDGER ? height : null;
}

/** Added to the view to find the leader, so that case ledgers do not all wait for one validator. */
export function leaderOffset(ledger: string): number {
  if (ledger === MAIN_LEDGER) return 0;
  const hash = taggedHash('leader-offset', utf8(ledger));
  return hash.subarray(0, 4).reduce((value, byte) => value * 256 + byte, 0);
}
