/** Routes of a validator's escrow, with the schemas of what they take and answer. */

import { z } from 'zod';
import { idField } from '../../../lib/chaincode/fields.ts';
import { X_WING_PUBLIC_KEY_BYTES } from '../../../lib/crypto/x-wing.ts';
import { escrowBounds } from '../../../lib/escrow/bounds.ts';
import { recordsBounds } from '../../../lib/records/bounds.ts';
import { sealedSchema } from '../../../lib/records/sealed.ts';
import type { DocumentedRoute, RouteParameter } from '../../aws/openapi.ts';
import { dpopHeader } from '../../aws/route-fields.ts';

const base64url = z.string().regex(/^[A-Za-z0-9_-]*$/);
const charsOf = (bytes: number): number => Math.ceil((bytes * 4) / 3);

const receiptField = base64url
  .min(1)
  .max(charsOf(recordsBounds.receiptBytesMax))
  .meta({ description: 'Certified receipt, base64url' });
const shareField = sealedSchema(escrowBounds.shareBytes + 16);
const payloadField = base64url.max(charsOf(escrowBounds.payloadBytesMax));

export const depositSchema = z.strictObject({
  receipt: receiptField,
  share: shareField,
  payload: payloadField,
});
export const endSchema = z.strictObject({ receipt: receiptField });
export const releaseSchema = z.strictObject({
  receipt: receiptField,
  /** X-Wing public key whose digest the receipt names. */
  readerKey: base64url.length(charsOf(X_WING_PUBLIC_KEY_BYTES)),
});

const parameters: readonly RouteParameter[] = [
  { in: 'path', name: 'escrowId', schema: idField, description: 'Escrow id' },
  dpopHeader,
];
const held = z.strictObject({ escrowId: idField, generation: z.int() });

export const escrowRoutes: readonly DocumentedRoute[] = [
  {
    method: 'PUT',
    path: '/v1/escrow/{escrowId}',
    body: depositSchema,
    summary: 'Keep a share and a payload that the ledger commits to; what was before is erased.',
    parameters,
    answers: { 200: held },
  },
  {
    method: 'POST',
    path: '/v1/escrow/{escrowId}/release',
    body: releaseSchema,
    summary: 'The share, sealed to the reader whom a receipt names, and the payload.',
    parameters,
    answers: {
      200: z.strictObject({
        validator: z.string(),
        generation: z.int(),
        share: shareField,
        payload: payloadField,
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/escrow/{escrowId}/end',
    body: endSchema,
    summary: 'Erase the share and the payload of an escrow that its owner ended.',
    parameters,
    answers: { 200: held },
  },
];
