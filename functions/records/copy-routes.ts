/** Routes of the custodian for hospitals' copies, and for erasure. */

import { z } from 'zod';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { sealedSchema } from '../../lib/records/sealed.ts';
import type { DocumentedRoute, RouteParameter } from '../aws/openapi.ts';

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
const partsMax = Math.ceil(recordsBounds.objectBytesMax / (8 * 1024 * 1024));
/** Their answer stays below what a Lambda gives. */
const SHARES_MAX = 16;

export const copiedRecordsSchema = z.strictObject({
  /** Of `copy.request`. */
  receipt: receiptField,
  /** `next` of the answer before. */
  after: z.string().max(128).optional(),
});
export const copiedObjectSchema = z.strictObject({ receipt: receiptField, recordId: idField });
export const copiedSharesSchema = z.strictObject({
  receipt: receiptField,
  permissionIds: z
    .array(idField)
    .min(1)
    .max(Math.min(SHARES_MAX, chaincodeBounds.copyPermissionsMax)),
});
export const restoreSchema = z.strictObject({
  /** Of a fresh `copy.held`. */
  receipt: receiptField,
  recordId: idField,
  wrap: wrapField,
  sealedMetadata: metadataField,
  /** SHA-256 of each part of 8 MiB. */
  checksums: z.array(hash).min(1).max(partsMax),
  /** A reader found the custodian's bytes damaged: they are looked at. */
  isReported: z.boolean(),
});
export const completeRestoreSchema = z.strictObject({
  receipt: receiptField,
  recordId: idField,
  /** Entity tags of the parts, in order. */
  etags: z.array(z.string().max(128)).min(1).max(partsMax),
});
/** Receipt of `record.erase` or `patient.erase`. */
export const eraseSchema = z.strictObject({ receipt: receiptField });

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
    path: '/v1/copies/records',
    body: copiedRecordsSchema,
    summary: 'For hospitals: what a receipt of copy.request lets them copy, but for the bytes.',
    parameters,
    answers: {
      200: z.strictObject({
        records: z.array(
          z.strictObject({
            recordId: idField,
            categoryTag: z.string(),
            dataMonth: z.string(),
            digest: hash,
            length: z.int(),
            /** Whether the bytes are there, as far as the store says. */
            isThere: z.boolean(),
            wrap: wrapField,
            sealedMetadata: metadataField,
          }),
        ),
        next: z.string().optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/copies/object',
    body: copiedObjectSchema,
    summary: 'For hospitals: where the bytes of one of those records are for a minute.',
    parameters,
    answers: { 200: z.strictObject({ url: z.string() }) },
  },
  {
    method: 'POST',
    path: '/v1/copies/shares',
    body: copiedSharesSchema,
    summary: 'For hospitals: the sealed shares of the permissions that the receipt names.',
    parameters,
    answers: {
      200: z.strictObject({
        shares: z.array(
          z.strictObject({
            permissionId: idField,
            /** Whose it is: a key, or a care team. */
            holder: z.string(),
            share: sealedSchema(recordsBounds.shareBytesMax),
          }),
        ),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/restores',
    body: restoreSchema,
    summary: 'For hospitals: offer bytes that the custodian lost; addresses for exactly those.',
    parameters,
    answers: {
      200: z.strictObject({
        /** `there` where nothing is lost. */
        status: z.enum(['open', 'there']),
        parts: z.array(
          z.strictObject({
            number: z.int(),
            length: z.int(),
            url: z.string(),
            headers: z.record(z.string(), z.string()),
          }),
        ),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/restores/complete',
    body: completeRestoreSchema,
    summary: 'For hospitals: the parts are put; readers are given them once the digest is right.',
    parameters,
    answers: { 200: z.strictObject({ recordId: idField }) },
  },
  {
    method: 'POST',
    path: '/v1/erasures',
    body: eraseSchema,
    summary: 'Destroy what the ledger orders, and say on the ledger that it is done.',
    parameters,
    answers: { 200: z.strictObject({ status: z.enum(['working', 'erased']) }) },
  },
];
