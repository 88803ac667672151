/** What a patient's keystore remembers of the emergency summary: the card, and what is to be handed over. */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { escrowBounds } from '../lib/escrow/bounds.ts';
import { limits } from '../lib/limits.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import { sealedSchema } from '../lib/records/sealed.ts';
import { summarySchema } from './emergency-summary.ts';
import type { EscrowDelivery } from './escrow.ts';

const base64url = (bytes: number) => z.string().max(Math.ceil((bytes * 4) / 3));

/** A delivery that is not done yet, as text. */
const deliverySchema = z.strictObject({
  escrowId: z.string().max(32),
  generation: z.int().min(1),
  threshold: z.int().min(2),
  holders: z.int().min(1),
  receipt: base64url(recordsBounds.receiptBytesMax),
  payload: base64url(escrowBounds.payloadBytesMax),
  missing: z
    .array(
      z.strictObject({
        validator: z.string().max(64),
        share: sealedSchema(escrowBounds.shareBytes + 16),
      }),
    )
    .max(limits.validatorsMax),
});

export const emergencyDataSchema = z.strictObject({
  /** What the card says, base64url. */
  handle: z.string().max(32),
  summary: summarySchema,
  /** The deposit that this keystore handed over last; 0 before the first. */
  generation: z.int().min(0),
  /** When it was compared with the ledger last, milliseconds. */
  checkedAt: z.int().min(0),
  delivery: deliverySchema.nullable(),
  /** Whether the membership service can name the card for a declaration without one. */
  atMembership: z.enum(['told', 'due', 'forget', 'never']),
});
export type EmergencyData = z.infer<typeof emergencyDataSchema>;

/** Null where nothing is missing. */
export function deliveryToData(delivery: EscrowDelivery): EmergencyData['delivery'] {
  if (delivery.missing.length === 0) return null;
  const { escrowId, generation, threshold, holders, receipt, payload, missing } = delivery;
  return {
    ...{ escrowId, generation, threshold, holders },
    receipt: toBase64url(receipt),
    payload: toBase64url(payload),
    missing: missing.map(({ validator, share }) => ({ validator, share })),
  };
}

export function deliveryOfData(data: NonNullable<EmergencyData['delivery']>): EscrowDelivery {
  return {
    ...data,
    receipt: fromBase64url(data.receipt),
    payload: fromBase64url(data.payload),
  };
}
