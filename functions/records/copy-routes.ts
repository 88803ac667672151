/** Routes of the custodian for hospitals' copies, and for erasure. */

import { z } from 'zod';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { sealedSchema } from '../../lib/records/sealed.ts';
import { teamSealsSchema } from '../../lib/records/team-key.ts';
import type { DocumentedRoute } from '../aws/openapi.ts';
import {
  dpopHeader,
  hashText,
  idText,
  metadataField,
  receiptField,
  wrapField,
} from '../aws/route-fields.ts';

const partsMax = Math.ceil(recordsBounds.objectBytesMax / (8 * 1024 * 1024));
/** Their answer stays below what a Lambda gives. */
const SHARES_MAX = 16;

export const copiedRecordsSchema = z.strictObject({
  /** Of `copy.request`. */
  receipt: receiptField,
  /** `next` of the answer before. */
  after: z.string().max(128).optional(),
});
export const copiedObjectSchema = z.strictObject({ receipt: receiptField, recordId: idText });
export const copiedSharesSchema = z.strictObject({
  receipt: receiptField,
  permissionIds: z
    .array(idText)
    .min(1)
    .max(Math.min(SHARES_MAX, chaincodeBounds.copyPermissionsMax)),
});
/** Receipt of `copy.team`. */
export const copiedTeamSchema = z.strictObject({ receipt: receiptField });
export const restoreSchema = z.strictObject({
  /** Of a fresh `copy.held`. */
  receipt: receiptField,
  recordId: idText,
  wrap: wrapField,
  sealedMetadata: metadataField,
  /** SHA-256 of each part of 8 MiB. */
  checksums: z.array(hashText).min(1).max(partsMax),
  /** A reader found the custodian's bytes damaged: they are looked at. */
  isReported: z.boolean(),
});
export const completeRestoreSchema = z.strictObject({
  receipt: receiptField,
  recordId: idText,
  /** Entity tags of the parts, in order. */
  etags: z.array(z.string().max(128)).min(1).max(partsMax),
});
/** Receipt of `record.erase`, `patient.erase`, or of `erasure.renew` in the place of either. */
export const eraseSchema = z.strictObject({ receipt: receiptField });

const parameters = [dpopHeader];

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
            recordId: idText,
            categoryTag: z.string(),
            dataMonth: z.string(),
            digest: hashText,
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
            permissionId: idText,
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
    path: '/v1/copies/team-keys',
    body: copiedTeamSchema,
    summary: 'For hospitals: what members of an own care team sealed to each other.',
    parameters,
    answers: { 200: z.strictObject({ seals: teamSealsSchema }) },
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
    answers: { 200: z.strictObject({ recordId: idText }) },
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
