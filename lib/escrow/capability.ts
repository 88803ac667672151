/** What a receipt permits at a validator's escrow: to keep a share, to erase it, to release it. */
import { z } from 'zod';
import { type EscrowKind, escrowKindField, escrowSharesField } from '../chaincode/escrow-values.ts';
import { digestField, idField, kidField } from '../chaincode/fields.ts';
import { limits } from '../limits.ts';
import { RecordsError } from '../records/errors.ts';
import { timeField } from '../wire/fields.ts';
import type { TransactionResult } from '../wire/result.ts';

type Permits = 'deposit' | 'end' | 'release';

/** Functions of the chaincode whose receipts count, by what the escrow is for. */
const functions: Readonly<Record<EscrowKind, Readonly<Record<Permits, readonly string[]>>>> = {
  emergency: {
    deposit: ['emergency.deposit'],
    end: ['emergency.withdraw'],
    release: ['emergency.declare', 'emergency.bind', 'emergency.access'],
  },
  recovery: {
    deposit: ['recovery.setup'],
    end: ['recovery.end'],
    release: ['recovery.release'],
  },
};

const endSchema = z.object({
  fn: z.string(),
  escrowId: idField,
  kind: escrowKindField,
  generation: z.int().min(1),
});
const depositSchema = endSchema.extend({
  threshold: z.int().min(2).max(limits.validatorsMax),
  shares: escrowSharesField,
  payloadDigest: digestField,
});
const releaseSchema = depositSchema.extend({
  readerKid: kidField,
  /** Digest of the X-Wing key that the share is sealed to. */
  readerKeyDigest: digestField,
  usableUntil: timeField,
});
const schemas = { deposit: depositSchema, end: endSchema, release: releaseSchema } as const;
export type EscrowRelease = z.infer<typeof releaseSchema>;

/**
 * Reads a verified receipt's result as what it permits. Throws RecordsError
 * `receipt_not_committed` or `receipt_wrong_kind`.
 */
export function readEscrowCapability<K extends Permits>(
  wanted: K,
  result: Pick<TransactionResult, 'status' | 'value'>,
): z.infer<(typeof schemas)[K]> {
  if (result.status !== 'COMMITTED') {
    throw new RecordsError('receipt_not_committed', 'the chaincode refused this transaction');
  }
  const parsed = schemas[wanted].safeParse(result.value);
  if (!parsed.success || !functions[parsed.data.kind][wanted].includes(parsed.data.fn)) {
    throw new RecordsError('receipt_wrong_kind', `the receipt permits no ${wanted} of an escrow`);
  }
  return parsed.data as z.infer<(typeof schemas)[K]>;
}
