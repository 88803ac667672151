/** The validator set: who votes, and how many make a quorum (Castro and Liskov, OSDI 1999). */
import { z } from 'zod';
import { taggedHash } from '../crypto/hash.ts';
import { limits } from '../limits.ts';
import { encodeCbor } from './codec.ts';
import { heightField, publicKeyField, validatorIdField } from './fields.ts';

export const validatorSchema = z.strictObject({
  id: validatorIdField,
  /** The institution's KMS key, which certifies session keys. */
  kmsKey: publicKeyField,
  /** Raised by each `rejoin`: votes of an earlier incarnation do not count. */
  incarnation: heightField,
  /** Suspended validators keep their seat (n, f and quorum stay), but do not vote or lead. */
  suspended: z.boolean(),
});
export type Validator = z.infer<typeof validatorSchema>;

/** Ordered by seat; the order decides who leads a view. */
export const validatorSetSchema = z.array(validatorSchema).min(4).max(limits.validatorsMax);
export type ValidatorSet = z.infer<typeof validatorSetSchema>;

/** Sets are never changed in place, and each vote is judged under the hash of one. */
const hashes = new WeakMap<ValidatorSet, Uint8Array>();

export function validatorsHash(set: ValidatorSet): Uint8Array {
  const hash = hashes.get(set) ?? taggedHash('validators', encodeCbor(set));
  hashes.set(set, hash);
  return hash;
}

/** How many of n may be faulty: f = ⌊(n−1)/3⌋. */
export function faultyMax(n: number): number {
  return Math.floor((n - 1) / 3);
}

/** Votes that make a certificate: ⌈(n+f+1)/2⌉, so that two quorums share an honest validator. */
export function quorumSize(n: number): number {
  return Math.ceil((n + faultyMax(n) + 1) / 2);
}

/**
 * The leader of a view: seats in turn, skipping the suspended. `offset` is 0 for the main
 * ledger and derived from the ledger's id for a case ledger.
 */
export function leaderOf(set: ValidatorSet, view: number, offset: number): Validator {
  for (let step = 0; step < set.length; step += 1) {
    const seat = set[(view + offset + step) % set.length];
    if (seat && !seat.suspended) return seat;
  }
  throw new RangeError('no validator of the set may lead');
}
