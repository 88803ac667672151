/**
 * Case ledgers as the main ledger knows them: which there are, since which block, until which
 * anchor. A case ledger is named by the transaction that opened it; validators start it from here.
 */
import { z } from 'zod';
import { hashField, heightField, transactionIdField } from '../wire/fields.ts';
import type { Cell } from './cells.ts';
import type { Draft, Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import type { ChaincodeContext } from './functions.ts';
import { keys } from './keys.ts';

/** A head of a case ledger: what stands above it is not of the case. */
const anchorSchema = z.strictObject({ height: heightField, hash: hashField });
export type CaseAnchor = z.infer<typeof anchorSchema>;

const caseLedgerSchema = z.strictObject({
  /** Of the block of the main ledger that opened it. */
  height: heightField,
  /** Of operators alone; without it, of a patient's case. */
  kind: z.literal('probe').optional(),
  closed: z
    .strictObject({ transaction: transactionIdField, height: heightField, anchor: anchorSchema })
    .nullable(),
});
export type CaseLedger = z.infer<typeof caseLedgerSchema>;

const cell = (ledger: string): Cell<CaseLedger> => ({
  key: keys.caseLedger(ledger),
  schema: caseLedgerSchema,
});

/** What a state of the main ledger says of a case ledger; null where it knows of none. */
export function caseLedger(main: Reader, ledger: string): Promise<CaseLedger | null> {
  return main.get(cell(ledger));
}

/** From the block of this transaction on, there is a case ledger of its id. */
export function startCaseLedger(
  draft: Draft,
  transactionId: string,
  { height }: ChaincodeContext,
  kind?: 'probe',
): string {
  draft.put(cell(transactionId), { height, ...(kind ? { kind } : {}), closed: null });
  return transactionId;
}

/**
 * From here on the case ledger takes nothing more, and what it has above the anchor does not count.
 * @throws ChaincodeError `unknown_case`, `case_closed`
 */
export async function endCaseLedger(
  draft: Draft,
  { ledger, transaction, anchor }: { ledger: string; transaction: string; anchor: CaseAnchor },
  { height }: ChaincodeContext,
): Promise<void> {
  const present = await draft.get(cell(ledger));
  if (!present) throw new ChaincodeError('unknown_case');
  if (present.closed) throw new ChaincodeError('case_closed');
  draft.put(cell(ledger), { ...present, closed: { transaction, height, anchor } });
}
