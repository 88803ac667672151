/** The routes of the custodian for cases: what members of a hospital stay seal to each other. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { sealedSchema } from '../../lib/records/sealed.ts';
import type { DocumentedRoute } from '../aws/openapi.ts';
import { dpopHeader, idText, receiptField } from '../aws/route-fields.ts';

const noteField = sealedSchema(recordsBounds.caseNoteBytesMax);
const sealField = sealedSchema(recordsBounds.caseSealBytesMax);
/** A member of a case: a subject, or `patient`. */
const whoField = z.string().regex(/^[A-Za-z0-9_-]{7,64}$/);
const caseIdField = z.string().regex(/^[0-9a-f]{64}$/);
const placeField = z.string().regex(/^note#[0-9]{4}#[A-Za-z0-9_-]{0,22}$/);

export const caseNoteSchema = z.strictObject({
  /** Of `case.note`, `case.opinion` or `case.question`. */
  receipt: receiptField,
  sealed: noteField,
});
export const caseSealsSchema = z.strictObject({
  /** Of `case.rekey`, `case.members` or `case.seal`. */
  receipt: receiptField,
  seals: z
    .array(z.strictObject({ who: whoField, sealed: sealField }))
    .min(1)
    .max(recordsBounds.caseMembersMax),
});
export const caseReadSchema = z.strictObject({
  /** Of `case.read`, or of `case.reread` on the main ledger. */
  receipt: receiptField,
  isClosed: z.boolean(),
  /** `next` of the answer before. */
  after: placeField.optional(),
});

export const caseRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/cases/notes',
    body: caseNoteSchema,
    summary: 'Keep a sealed note of a case; its digest is on the case ledger.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ noteId: idText }) },
  },
  {
    method: 'POST',
    path: '/v1/cases/seals',
    body: caseSealsSchema,
    summary: 'Keep a key of a case, as its maker sealed it to members.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ caseId: caseIdField, seals: z.int() }) },
  },
  {
    method: 'POST',
    path: '/v1/cases/read',
    body: caseReadSchema,
    summary: 'Seals and notes that a member may read, a page at a time. No receipt, none.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        seals: z.array(z.strictObject({ generation: z.int(), sealed: sealField })),
        notes: z.array(z.strictObject({ noteId: idText, sealed: noteField })),
        next: placeField.optional(),
      }),
    },
  },
];
