/** Letters: what one person seals to another, kept by the custodian under an id of the ledger. */
import { z } from 'zod';
import { cells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, idField } from './fields.ts';
import type { PlainValue, TransactionCall } from './functions.ts';

/** Who may fetch a letter: a key's thumbprint, or the digest of a secret. */
export const letterToField = digestField.describe('thumbprint of a key, or digest of a secret');

export const letterArgs = {
  letterId: idField,
  /** Digest of what is sealed. */
  letterDigest: digestField,
};

export interface Letter {
  letterId: string;
  to: string;
  /** Null where only its place is kept. */
  digest: string | null;
  /** The custodian deletes it afterwards. */
  until: number;
}

/** Takes ids that nobody used. @throws ChaincodeError `letter_exists` */
export async function takeLetterIds(
  { draft, context }: TransactionCall,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids) {
    if (await draft.get(cells.letter(id))) throw new ChaincodeError('letter_exists');
    draft.put(cells.letter(id), { since: context.height });
  }
}

/** What the custodian reads in a receipt; with the pseudonym, an erasure finds the letters. */
export function letterValue(
  pseudonym: string | null,
  letters: readonly Letter[],
): { pseudonym: string | null; letters: PlainValue } {
  return { pseudonym, letters: letters.map((one) => ({ ...one })) };
}

/** A moment that is still to come, and within a bound. */
export function requireAhead(time: number, until: number, msMax: number): void {
  if (until <= time || until > time + msMax) throw new ChaincodeError('bad_period');
}

export const untilField = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
