/** Block headers: one hash commits to order, results and state. */
import { z } from 'zod';
import { taggedHash } from '../crypto/hash.ts';
import { encodeCbor } from './codec.ts';
import {
  hashField,
  heightField,
  ledgerField,
  timeField,
  validatorIdField,
  viewField,
} from './fields.ts';

/** A block of the main ledger that a block of a case ledger pins. */
export const pinSchema = z.strictObject({ height: heightField, hash: hashField });
export type Pin = z.infer<typeof pinSchema>;

export const headerSchema = z.strictObject({
  protocolVersion: z.literal(1),
  ledger: ledgerField,
  height: heightField,
  /** View and proposer of the first proposal; a re-proposal is byte-identical. */
  view: viewField,
  proposer: validatorIdField,
  previousHash: hashField,
  /** RFC 9162 root over the transactions' compact JWS. */
  transactionsRoot: hashField,
  /** RFC 9162 root over the encoded results, in the same order. */
  resultsRoot: hashField,
  /** Root of the authenticated state tree after this block. */
  stateRoot: hashField,
  time: timeField,
  validatorsHash: hashField,
  nextValidatorsHash: hashField,
  paramsHash: hashField,
  /** RFC 9162 root over all earlier header hashes, genesis first. */
  historyRoot: hashField,
  /** On a case ledger, the block of the main ledger whose state says who is who; else null. */
  pin: pinSchema.nullable(),
});
export type BlockHeader = z.infer<typeof headerSchema>;

export function headerHash(header: BlockHeader): Uint8Array {
  return taggedHash('header', encodeCbor(header));
}
