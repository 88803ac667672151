/** Routes of a hospital's copies: what a reader asks where the custodian does not answer. */

import { z } from 'zod';
import { recordsBounds } from '../../../lib/records/bounds.ts';
import { sealedSchema } from '../../../lib/records/sealed.ts';
import type { DocumentedRoute, RouteParameter } from '../../aws/openapi.ts';

const base64url = (bytesMax: number) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]*$/)
    .max(Math.ceil((bytesMax * 4) / 3));
const hash = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const idField = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const receiptField = base64url(recordsBounds.receiptBytesMax).meta({
  description: 'Receipt of the ledger: canonical CBOR, base64url',
});
const wrapField = sealedSchema(recordsBounds.wrapBytesMax);
const metadataField = sealedSchema(recordsBounds.metadataBytesMax);

export const copyAccessSchema = z.strictObject({
  /** Of `access.request`. */
  receipt: receiptField,
  /** The reader found other bytes at the custodian than the ledger names: it is looked into. */
  isDamaged: z.boolean().optional(),
});
export const copyMetadataSchema = z.strictObject({
  /** Of `access.list`. */
  receipt: receiptField,
  /** `next` of the answer before. */
  after: z.string().max(128).optional(),
});
export const copySharesSchema = z.strictObject({
  /** `next` of the answer before. */
  after: idField.optional(),
});

const parameters: readonly RouteParameter[] = [
  {
    in: 'header',
    name: 'dpop',
    schema: z.string(),
    description: 'Proof of possession: a JWS of typ dpop+jwt, a minute old at most, used once',
  },
];

export const copyRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/copies/access',
    body: copyAccessSchema,
    summary: 'As /v1/access of the custodian, for a record of which the hospital holds a copy.',
    parameters,
    answers: {
      200: z.strictObject({
        url: z.string(),
        wrap: wrapField,
        sealedMetadata: metadataField,
        length: z.int(),
        digest: hash,
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/copies/metadata',
    body: copyMetadataSchema,
    summary: 'As /v1/metadata of the custodian, of the copies that are here.',
    parameters,
    answers: {
      200: z.strictObject({
        records: z.array(
          z.strictObject({ recordId: idField, wrap: wrapField, sealedMetadata: metadataField }),
        ),
        next: z.string().optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/copies/shares',
    body: copySharesSchema,
    summary: 'Shares that are sealed to the holder of the key that proves itself.',
    parameters,
    answers: {
      200: z.strictObject({
        shares: z.array(
          sealedSchema(recordsBounds.shareBytesMax).extend({ permissionId: idField }),
        ),
        next: idField.optional(),
      }),
    },
  },
];
