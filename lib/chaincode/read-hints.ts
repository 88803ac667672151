/** Keys that a transaction will likely read: one prefetch instead of many single reads. */
import type { Transaction } from '../wire/transaction.ts';
import { keys } from './keys.ts';
import { seenKeys } from './seen.ts';
import { functionNamed } from './table.ts';

/**
 * Keys known from the transaction alone, each once: those of the signer, of replay protection
 * and of the arguments. Hints only: execution reads whatever else it needs.
 */
export function readHints(transaction: Transaction): string[] {
  const { fn, args, signer, kind } = transaction;
  const own =
    signer.kind === 'key'
      ? [keys.identity(signer.kid)]
      : [keys.owner(signer.ownerKid), keys.authority];
  const replay = kind === 'transaction' ? [...seenKeys(transaction), keys.seenCursor] : [];
  const wanted = functionNamed(fn);
  const parsed = wanted?.schema.safeParse(args);
  const named = wanted && parsed?.success ? wanted.hints(parsed.data, signer) : [];
  return [...new Set([...own, ...replay, ...named])];
}
