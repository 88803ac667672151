/** A deposit that is not handed over whole yet: what is missing, and how a keystore keeps it. */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { escrowBounds } from '../lib/escrow/bounds.ts';
import { limits } from '../lib/limits.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import { sealedSchema, type SealedText } from '../lib/records/sealed.ts';

const base64url = (bytes: number) => z.string().max(Math.ceil((bytes * 4) / 3));

/** What is to be handed to a validator that was not reached yet. */
export interface EscrowDelivery {
  readonly escrowId: string;
  readonly generation: number;
  readonly threshold: number;
  readonly receipt: Uint8Array;
  readonly payload: Uint8Array;
  readonly missing: readonly { readonly validator: string; readonly share: SealedText }[];
  readonly holders: number;
}

/** A delivery that is not done yet, as text. */
export const deliverySchema = z.strictObject({
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

type DeliveryData = z.infer<typeof deliverySchema>;

/** Null where nothing is missing. */
export function deliveryToData(delivery: EscrowDelivery): DeliveryData | null {
  if (delivery.missing.length === 0) return null;
  const { escrowId, generation, threshold, holders, receipt, payload, missing } = delivery;
  return {
    ...{ escrowId, generation, threshold, holders },
    receipt: toBase64url(receipt),
    payload: toBase64url(payload),
    missing: missing.map(({ validator, share }) => ({ validator, share })),
  };
}

export function deliveryOfData(data: DeliveryData): EscrowDelivery {
  return {
    ...data,
    receipt: fromBase64url(data.receipt),
    payload: fromBase64url(data.payload),
  };
}
