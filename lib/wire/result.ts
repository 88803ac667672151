/** Results of executed transactions, as they are hashed into a block. */
import { z } from 'zod';
import { encodeCbor } from './codec.ts';
import { transactionIdField } from './fields.ts';

export const resultSchema = z.strictObject({
  id: transactionIdField,
  status: z.enum(['COMMITTED', 'INVALID']),
  /** Empty when committed; else why the chaincode refused. */
  code: z.string().max(64),
  /** What the function answers: plain data, no patient facts. */
  value: z.unknown(),
});
export type TransactionResult = z.infer<typeof resultSchema>;

export function encodeResult(result: TransactionResult): Uint8Array {
  return encodeCbor(result);
}
