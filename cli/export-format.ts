/** The file of `carequorum export`: what a patient's ledger says, with all that proves it offline. */
import { z } from 'zod';
import { historySchema, permissionSchema, recordSchema } from '../lib/chaincode/values.ts';

/** One page of a list: the signed query, and the answer that a validator proved. */
const proofSchema = z.strictObject({
  fn: z.string().max(64),
  validator: z.string().max(64),
  query: z.string().max(100_000),
  answer: z.string().max(8_000_000),
});
export type ExportedProof = z.infer<typeof proofSchema>;

export const exportSchema = z.strictObject({
  format: z.literal('carequorum-export-1'),
  network: z.string(),
  /** Hexadecimal. */
  genesisHash: z.string(),
  /** Milliseconds. */
  exportedAt: z.int(),
  pseudonym: z.string(),
  history: z.array(historySchema),
  permissions: z.array(permissionSchema),
  records: z.array(recordSchema),
  /** What only the patient knows, and no proof covers. */
  names: z.strictObject({
    people: z.record(z.string(), z.string()),
    categories: z.record(z.string(), z.string()),
    records: z.record(z.string(), z.string()),
  }),
  /** Pages that prove the three lists, without a gap. */
  proofs: z.array(proofSchema),
  /** One for each entry of the history, base64url. */
  receipts: z.array(z.string().max(2_000_000)),
});
export type Export = z.infer<typeof exportSchema>;

/** Lists by the query that proves them. */
export const exportedLists = {
  history: 'history.list',
  permissions: 'patient.permissions',
  records: 'record.list',
} as const;
