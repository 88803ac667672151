/** Routes of a hospital's copies: what a reader asks where the custodian does not answer. */

import { z } from 'zod';
import { recordsBounds } from '../../../lib/records/bounds.ts';
import { sealedSchema } from '../../../lib/records/sealed.ts';
import type { DocumentedRoute } from '../../aws/openapi.ts';
import {
  accessAnswer,
  dpopHeader,
  idText,
  metadataAnswer,
  receiptField,
  teamKeyAnswer,
} from '../../aws/route-fields.ts';

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
  /** What was given to this care team of the hospital, in place of what was given to a person. */
  teamId: idText.optional(),
  /** `next` of the answer before. */
  after: idText.optional(),
});

export const copyTeamKeySchema = z.strictObject({ teamId: idText });

const parameters = [dpopHeader];

export const copyRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/copies/access',
    body: copyAccessSchema,
    summary: 'As /v1/access of the custodian, for a record of which the hospital holds a copy.',
    parameters,
    answers: {
      200: accessAnswer,
    },
  },
  {
    method: 'POST',
    path: '/v1/copies/metadata',
    body: copyMetadataSchema,
    summary: 'As /v1/metadata of the custodian, of the copies that are here.',
    parameters,
    answers: {
      200: metadataAnswer,
    },
  },
  {
    method: 'POST',
    path: '/v1/copies/shares',
    body: copySharesSchema,
    summary:
      'Shares that are sealed to the holder of the key that proves itself, or to a team of its.',
    parameters,
    answers: {
      200: z.strictObject({
        shares: z.array(sealedSchema(recordsBounds.shareBytesMax).extend({ permissionId: idText })),
        next: idText.optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/copies/team-keys',
    body: copyTeamKeySchema,
    summary: 'As /v1/team-keys/fetch of the custodian, for a care team of the hospital.',
    parameters,
    answers: { 200: teamKeyAnswer },
  },
];
