/** Bounds and names of what members of a care team seal to each other. */
import { z } from 'zod';
import { recordsBounds } from './bounds.ts';
import { sealedSchema } from './sealed.ts';

/** One member's seal, kept under the member's present key. */
export const teamSealSchema = z.strictObject({
  kid: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  sealed: sealedSchema(recordsBounds.teamSealBytesMax),
});
export const teamSealsSchema = z.array(teamSealSchema).max(recordsBounds.teamMembersMax);
