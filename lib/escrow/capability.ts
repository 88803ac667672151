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

/** These end whatever their patient has in escrow. */
const endsAll: readonly string[] = [
  'patient.erase',
  'erasure.renew',
  'patient.rotate-begin',
  'recovery.rotate',
];

const depositSchema = z.object({
  fn: z.string(),
  escrowId: idField,
  kind: escrowKindField,
  generation: z.int().min(1),
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
const schemas = { deposit: depositSchema, release: releaseSchema } as const;
export type EscrowRelease = z.infer<typeof releaseSchema>;

const endSchema = z.object({
  fn: z.string(),
  escrows: z.array(depositSchema.pick({ escrowId: true, kind: true, generation: true })).max(64),
});

/**
 * Reads a verified receipt's result as what it permits. Throws RecordsError
 * `receipt_not_committed` or `receipt_wrong_kind`.
 */
export function readEscrowCapability<K extends keyof typeof schemas>(
  wanted: K,
  result: Pick<TransactionResult, 'status' | 'value'>,
): z.infer<(typeof schemas)[K]> {
  requireCommitted(result);
  const parsed = schemas[wanted].safeParse(result.value);
  if (!parsed.success || !functions[parsed.data.kind][wanted].includes(parsed.data.fn)) {
    throw wrongKind(wanted);
  }
  return parsed.data as z.infer<(typeof schemas)[K]>;
}

/** Up to which generation an escrow is over. Throws as `readEscrowCapability`. */
export function readEscrowEnd(
  escrowId: string,
  result: Pick<TransactionResult, 'status' | 'value'>,
): number {
  requireCommitted(result);
  const parsed = endSchema.safeParse(result.value);
  const ended = parsed.data?.escrows.find((one) => one.escrowId === escrowId);
  if (!parsed.success || !ended) throw wrongKind('end');
  const { fn } = parsed.data;
  if (!endsAll.includes(fn) && !functions[ended.kind].end.includes(fn)) throw wrongKind('end');
  return ended.generation;
}

function requireCommitted({ status }: Pick<TransactionResult, 'status'>): void {
  if (status === 'COMMITTED') return;
  throw new RecordsError('receipt_not_committed', 'the chaincode refused this transaction');
}

function wrongKind(wanted: Permits): RecordsError {
  return new RecordsError('receipt_wrong_kind', `the receipt permits no ${wanted} of this escrow`);
}
