/** Routes of the custodian for letters: prescriptions to pharmacies, codes to insurers, answers. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { sealedSchema } from '../../lib/records/sealed.ts';
import type { DocumentedRoute } from '../aws/openapi.ts';
import { dpopHeader, hashText, idText, receiptField } from '../aws/route-fields.ts';

const letterField = sealedSchema(recordsBounds.letterBytesMax);

export const letterSchema = z.strictObject({
  /** Of `prescription.release`, `claim.estimate`, `claim.submit` or `claim.answer`. */
  receipt: receiptField,
  letter: letterField,
});
export const fetchLettersSchema = z.strictObject({
  /** Of a box; without it, what is there for the key that proves itself. */
  secret: hashText.optional(),
  /** `next` of the answer before. */
  after: idText.optional(),
});
/** Receipt of `prescription.recall` or `claim.withdraw`. */
export const withdrawLettersSchema = z.strictObject({ receipt: receiptField });

const parameters = [dpopHeader];

export const letterRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/letters',
    body: letterSchema,
    summary: 'Deposit what is sealed to a pharmacy, an insurer, or who asked one.',
    parameters,
    answers: { 200: z.strictObject({ letterId: idText }) },
  },
  {
    method: 'POST',
    path: '/v1/letters/fetch',
    body: fetchLettersSchema,
    summary: 'Letters for the key that proves itself, or for who knows the secret of a box.',
    parameters,
    answers: {
      200: z.strictObject({
        letters: z.array(letterField.extend({ letterId: idText })),
        next: idText.optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/letters/withdraw',
    body: withdrawLettersSchema,
    summary: 'Forget letters for good that were taken back on the ledger.',
    parameters,
    answers: { 200: z.strictObject({ letterIds: z.array(idText) }) },
  },
];
