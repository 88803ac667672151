/** What the ledger holds of a patient's private data. */
import { z } from 'zod';
import { heightField, timeField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { digestField, idField } from './fields.ts';

export const privateSchema = z.strictObject({
  privateId: idField,
  version: z.int().min(1).max(chaincodeBounds.privateVersionMax),
  commitment: digestField,
  sealedDigest: digestField,
  at: z.strictObject({ time: timeField, height: heightField }),
});

export const privateEntrySchema = z.strictObject({ privateId: idField });
