/** What a patient's keystore remembers of the emergency summary: the card, and what is to be handed over. */
import { z } from 'zod';
import { summarySchema } from './emergency-summary.ts';
import { deliverySchema } from './escrow-delivery.ts';

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
