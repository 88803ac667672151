/** The routes of the custodian about studies: releases, what is counted of them, publications. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { sealedSchema } from '../../lib/records/sealed.ts';
import type { DocumentedRoute } from '../aws/openapi.ts';
import { dpopHeader, hashText, receiptField } from '../aws/route-fields.ts';

const rowField = sealedSchema(recordsBounds.releaseRowBytesMax);
const payloadField = sealedSchema(recordsBounds.releaseBytesMax);
const studyText = z.string().max(64);

export const releaseSchema = z.strictObject({
  /** Of `release.submit`. */
  receipt: receiptField,
  /** What the coordinator counts, sealed to the coordinator. */
  row: rowField,
  /** The cleaned data, sealed to the researcher. */
  payload: payloadField,
});
export const collectSchema = z.strictObject({
  /** Of `release.collect`. */
  receipt: receiptField,
  /** `next` of the answer before. */
  after: z.int().min(0).optional(),
});
export const publicationSchema = z.strictObject({
  /** Of `release.publish`. */
  receipt: receiptField,
  /** For each patient, sealed to the researcher. */
  rows: z
    .array(z.strictObject({ participant: hashText, row: rowField }))
    .min(1)
    .max(recordsBounds.publishedMembersMax),
});
export const publishedSchema = z.strictObject({
  /** Of `release.access`. */
  receipt: receiptField,
  /** `next` of the answer before. */
  after: z.int().min(0).optional(),
});
/** Receipt of `study.withdraw`. */
export const withdrawalSchema = z.strictObject({ receipt: receiptField });

export const releaseRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/releases',
    body: releaseSchema,
    summary: 'Deposit a release to a study: its digests are on the ledger.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ studyId: studyText, sequence: z.int() }) },
  },
  {
    method: 'POST',
    path: '/v1/releases/rows',
    body: collectSchema,
    summary: 'What the coordinator of a study counts, by the order of the releases.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        rows: z.array(z.strictObject({ sequence: z.int(), participant: hashText, row: rowField })),
        next: z.int().optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/publications',
    body: publicationSchema,
    summary: 'Deposit what the coordinator sealed to the researcher of a publication.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ studyId: studyText, batch: z.int() }) },
  },
  {
    method: 'POST',
    path: '/v1/publications/fetch',
    body: publishedSchema,
    summary: 'A publication for the researcher of the study, without those who withdrew.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        members: z.array(
          z.strictObject({
            participant: hashText,
            row: rowField,
            releases: z.array(z.strictObject({ sequence: z.int(), payload: payloadField })),
          }),
        ),
        /** Of all rows of the publication: the ledger has a digest over them. */
        digests: z.array(z.strictObject({ participant: hashText, digest: hashText })),
        next: z.int().optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/releases/withdraw',
    body: withdrawalSchema,
    summary: 'Delete all that went to a study of a patient who withdrew from it.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ studyId: studyText, releases: z.int() }) },
  },
];
