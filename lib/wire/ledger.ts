/** Names of ledgers: the main one, and case ledgers, each named by what opened it. */

/** The ledger that every network has. */
export const MAIN_LEDGER = 'main';

/** The height by which sessions of a vote are judged: they count heights of the main ledger. */
export function sessionHeight(ledger: string, height: number): number | null {
  return ledger === MAIN_LEDGER ? height : null;
}
