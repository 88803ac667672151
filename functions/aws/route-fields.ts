/** Fields that routes of several services share: who asks proves a key, and brings a receipt. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { sealedSchema } from '../../lib/records/sealed.ts';
import type { RouteParameter } from './openapi.ts';

export const dpopHeader: RouteParameter = {
  in: 'header',
  name: 'dpop',
  schema: z.string(),
  description: 'Proof of possession: a JWS of typ dpop+jwt, a minute old at most, used once',
};

/** Base64url text of up to so many bytes. */
export const base64urlOf = (bytesMax: number) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]*$/)
    .max(Math.ceil((bytesMax * 4) / 3));
/** 32 bytes, and 16. */
export const hashText = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
export const idText = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
export const receiptField = base64urlOf(recordsBounds.receiptBytesMax).meta({
  description: 'Receipt of the ledger: canonical CBOR, base64url',
});
export const wrapField = sealedSchema(recordsBounds.wrapBytesMax);
export const metadataField = sealedSchema(recordsBounds.metadataBytesMax);

/** What opens a record and where its bytes are: of the custodian, and of a hospital's copy. */
export const accessAnswer = z.strictObject({
  url: z.string(),
  wrap: wrapField,
  sealedMetadata: metadataField,
  length: z.int(),
  digest: hashText,
});
/** A page of sealed metadata, of either. */
export const metadataAnswer = z.strictObject({
  records: z.array(
    z.strictObject({ recordId: idText, wrap: wrapField, sealedMetadata: metadataField }),
  ),
  next: z.string().optional(),
});
/** What members of a care team sealed to one, of either. */
export const teamKeyAnswer = z.strictObject({
  teamId: idText,
  sealed: sealedSchema(recordsBounds.teamSealBytesMax).nullable(),
});
