/** Parameters of a network: in genesis, changed only by governance, within hard bounds. */
import { z } from 'zod';
import { taggedHash } from '../crypto/hash.ts';
import { limits } from '../limits.ts';
import { encodeCbor } from './codec.ts';

export const parametersSchema = z.strictObject({
  /** A block holds any one transaction, so that none can wait for ever. */
  blockBytesMax: z.int().min(limits.transactionBytesMax).max(limits.blockBytesMax),
  blockTransactionsMax: z.int().min(1).max(limits.blockTransactionsMax),
  /** How long the oldest request may wait before a view change, milliseconds. */
  requestTimeoutMs: z.int().min(2_000).max(120_000),
  /** Longest a view-change time-out may grow, milliseconds. */
  viewTimeoutMsMax: z.int().min(4_000).max(600_000),
  /** A leader proposes no block earlier than this after its parent's time, milliseconds. */
  blockIntervalMs: z.int().min(0).max(60_000),
  /** How far a fresh proposal's time may lie from a replica's clock, milliseconds. */
  clockSkewMsMax: z.int().min(1_000).max(60_000),
  /** How long a receipt opens a record after its block, milliseconds. */
  receiptUsableMs: z.int().min(10_000).max(limits.receiptUsableMsMax),
  recoveryDelayMs: z
    .int()
    .min(1_000)
    .max(30 * 86_400_000),
  emergencyAccessMs: z
    .int()
    .min(1_000)
    .max(7 * 86_400_000),
  /** Version of the chaincode that executes. */
  chaincodeVersion: z.int().min(1).max(1_000_000),
});
export type Parameters = z.infer<typeof parametersSchema>;

export const defaultParameters: Parameters = {
  blockBytesMax: limits.blockBytesMax,
  blockTransactionsMax: limits.blockTransactionsMax,
  requestTimeoutMs: 4_000,
  viewTimeoutMsMax: 60_000,
  blockIntervalMs: 0,
  clockSkewMsMax: 10_000,
  receiptUsableMs: 300_000,
  recoveryDelayMs: 72 * 3_600_000,
  emergencyAccessMs: 24 * 3_600_000,
  chaincodeVersion: 1,
};

/** Bounds below which a parameter would let down people in real care. */
const safe = { recoveryDelayMsMin: 24 * 3_600_000, receiptUsableMsMin: 60_000 } as const;

/** The first parameter that only a network named `local-…` may have, or null. */
export function unsafeParameter(parameters: Parameters): string | null {
  if (parameters.recoveryDelayMs < safe.recoveryDelayMsMin) return 'recoveryDelayMs';
  return parameters.receiptUsableMs < safe.receiptUsableMsMin ? 'receiptUsableMs' : null;
}

/**
 * Why parameters cannot go together, or null: a leader that waits for its interval must not look
 * like one that is dead, and time-outs grow from the first to the longest.
 */
export function parametersConflict(parameters: Parameters): string | null {
  const { blockIntervalMs, requestTimeoutMs, viewTimeoutMsMax } = parameters;
  if (2 * blockIntervalMs > requestTimeoutMs) return 'blockIntervalMs is over half of a time-out';
  if (viewTimeoutMsMax < requestTimeoutMs) return 'viewTimeoutMsMax is below requestTimeoutMs';
  return null;
}

export function parametersHash(parameters: Parameters): Uint8Array {
  return taggedHash('parameters', encodeCbor(parameters));
}
