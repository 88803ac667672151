/** Bounds of the ledger's own formats; what other parts share is in `lib/limits.ts`. */
import { limits } from '../limits.ts';

export const ledgerBounds = {
  /** An encoded receipt, bytes. */
  receiptBytesMax: 1024 * 1024,
  /** An encoded result, bytes. */
  resultBytesMax: 128 * 1024,
  /** An encoded state answer, bytes: as base64url it fits a Lambda answer of 6 MB. */
  answerBytesMax: 4 * 1024 * 1024,
  /** Set changes between genesis and a header. */
  linksMax: 256,
  /** Session certificates that come with a receipt or an answer. */
  sessionsMax: 1024,
  /** Siblings of an RFC 9162 proof: a list of 2^48 entries. */
  merkleProofMax: 48,
  /** Siblings of a state proof: the bits of a key hash. */
  stateProofMax: 256,
  /** Bytes of one stored page, whatever it holds. */
  pageBytesMax: limits.chunkBytesMax,
  /** Writes of one block. */
  writesMax: 65_536,
} as const;
