/** The routes of the custodian with the schemas of what they take and answer. */

import { z } from 'zod';
import { X_WING_PUBLIC_KEY_BYTES } from '../../lib/crypto/x-wing.ts';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { sealedSchema } from '../../lib/records/sealed.ts';
import { teamSealsSchema } from '../../lib/records/team-key.ts';
import { networkField, timeField } from '../../lib/wire/fields.ts';
import { signedGenesisSchema } from '../../lib/wire/genesis.ts';
import { caseRoutes } from './case-routes.ts';
import { copyRoutes } from './copy-routes.ts';
import { releaseRoutes } from './release-routes.ts';
import { letterRoutes } from './letter-routes.ts';
import type { DocumentedRoute, RouteParameter } from '../aws/openapi.ts';
import {
  accessAnswer,
  base64urlOf,
  dpopHeader,
  hashText,
  idText,
  metadataAnswer,
  metadataField,
  receiptField,
  teamKeyAnswer,
  wrapField,
} from '../aws/route-fields.ts';

const tagField = z.string().regex(/^[A-Za-z0-9_-]{22,43}$/);
const monthField = z.string().regex(/^\d{4}-(?:0[1-9]|1[0-2])$/);
const publicKeyField = base64urlOf(X_WING_PUBLIC_KEY_BYTES).min(X_WING_PUBLIC_KEY_BYTES);
const shareField = sealedSchema(recordsBounds.shareBytesMax);
const privateField = sealedSchema(recordsBounds.privateBytesMax);
const partsMax = Math.ceil(recordsBounds.objectBytesMax / (8 * 1024 * 1024));

export const uploadSchema = z.strictObject({
  /** Of `record.register`. */
  receipt: receiptField,
  /** The file key, sealed to the category key. */
  wrap: wrapField,
  sealedMetadata: metadataField,
  /** SHA-256 of each part of 8 MiB: the store takes no other bytes. */
  checksums: z.array(hashText).min(1).max(partsMax),
});
export const completeSchema = z.strictObject({
  parts: z
    .array(
      z.strictObject({
        number: z.int().min(1).max(partsMax),
        etag: z.string().min(1).max(128),
        checksum: hashText,
      }),
    )
    .min(1)
    .max(partsMax),
});
export const publishSchema = z.strictObject({
  /** Of what named a new root: `patient.register`, `permission.revoke`, … */
  receipt: receiptField,
  /** In the order of tag, month, revision. */
  keys: z
    .array(
      z.strictObject({
        categoryTag: tagField,
        month: monthField,
        revision: z.int().min(0).max(65_535),
        publicKey: publicKeyField,
      }),
    )
    .min(1)
    .max(recordsBounds.categoryKeysMax),
});
export const fetchKeySchema = z.strictObject({
  pseudonym: hashText,
  categoryTag: tagField,
  month: monthField,
});
export const shareSchema = z.strictObject({
  /** Of `permission.grant`, `.narrow`, `.extend` or `.reseal`, with a new share. */
  receipt: receiptField,
  share: shareField,
});
export const withdrawSchema = z.strictObject({
  /** Of `permission.revoke`. */
  receipt: receiptField,
});
export const teamKeysSchema = z.strictObject({
  /** Of `team.create`, `team.change`, `team.close`, `team.publish-key` or `team.seal`. */
  receipt: receiptField,
  /** Those that the receipt names. */
  seals: teamSealsSchema.optional(),
});
export const fetchTeamKeySchema = z.strictObject({ teamId: idText });
export const fetchSharesSchema = z.strictObject({
  /** What is sealed to a care team of the caller, in the place of what is sealed to the caller. */
  teamId: idText.optional(),
  /** `next` of the answer before. */
  after: idText.optional(),
});
/** Receipt of `access.request`. */
export const accessSchema = z.strictObject({ receipt: receiptField });
export const metadataSchema = z.strictObject({
  /** Of `access.list`. */
  receipt: receiptField,
  /** `next` of the answer before. */
  after: z.string().max(128).optional(),
});

export const rotateSchema = z.strictObject({
  /** Of `patient.rotate-begin`, or of `patient.rotate-renew` in its place. */
  receipt: receiptField,
  /** The X-Wing key that layer keys are sealed to; its digest is on the ledger. */
  sealingKey: publicKeyField,
});
export const relayerSchema = z.strictObject({
  /** The new one: names of patients are in no address, as addresses are logged. */
  pseudonym: hashText,
  /** To go on: the key of the layer under way, as the patient opened it. */
  layerKey: hashText.optional(),
});
export const wrapSchema = z.strictObject({
  /** The new one. */
  pseudonym: hashText,
  wrap: wrapField,
  sealedMetadata: metadataField,
});
/** Receipt of `record.retag` or `record.leave`. */
export const settleSchema = z.strictObject({ receipt: receiptField });

export const privateSchema = z.strictObject({
  /** Of `patient.private`. */
  receipt: receiptField,
  sealed: privateField,
});
export const fetchPrivateSchema = z.strictObject({
  /** One's own, or one that a rotation led here from. */
  pseudonym: hashText,
  /** `next` of the answer before. */
  after: idText.optional(),
});

const statusField = z.enum(['open', 'verified', 'stored']);
const partField = z.strictObject({ number: z.int(), etag: z.string(), length: z.int() });

const recordId: RouteParameter = {
  in: 'path',
  name: 'recordId',
  schema: idText,
  description: 'Record id',
};

const uploadRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/uploads',
    body: uploadSchema,
    summary: 'Open or resume the upload of exactly the registered bytes: an address for each part.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        recordId: idText,
        status: statusField,
        /** Empty once the bytes are there. */
        parts: z.array(
          z.strictObject({
            number: z.int(),
            length: z.int(),
            url: z.string(),
            /** To be sent with the part, as they are signed. */
            headers: z.record(z.string(), z.string()),
          }),
        ),
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/uploads/{recordId}',
    summary: 'Parts that the store holds already.',
    parameters: [recordId, dpopHeader],
    answers: {
      200: z.strictObject({ recordId: idText, status: statusField, parts: z.array(partField) }),
    },
  },
  {
    method: 'POST',
    path: '/v1/uploads/{recordId}/complete',
    body: completeSchema,
    summary: 'Check length and digest, then say on the ledger that the record is stored.',
    parameters: [recordId, dpopHeader],
    answers: {
      200: z.strictObject({
        recordId: idText,
        transactionId: z.string(),
        objectDigest: hashText,
      }),
    },
  },
  {
    method: 'DELETE',
    path: '/v1/uploads/{recordId}',
    summary: 'Give up an upload that is not complete; its parts are deleted.',
    parameters: [recordId, dpopHeader],
    answers: { 200: z.strictObject({ recordId: idText, status: z.literal('aborted') }) },
  },
];

const keyRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/category-keys',
    body: publishSchema,
    summary: 'Publish the category keys whose Merkle root the ledger holds.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ pseudonym: hashText, version: z.int(), keys: z.int() }) },
  },
  {
    method: 'POST',
    path: '/v1/category-keys/fetch',
    body: fetchKeySchema,
    summary: 'The key to seal to for a category and month, with its proof under the root.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        publicKey: publicKeyField,
        revision: z.int(),
        /** Counts publications, as the ledger does. */
        version: z.int(),
        root: hashText,
        proof: z.strictObject({ index: z.int(), size: z.int(), proof: z.array(hashText) }),
      }),
    },
  },
];

const rotationRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/rotations',
    body: rotateSchema,
    summary: 'Take note that a patient rotates: nothing goes by the old pseudonym from now on.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ pseudonym: hashText, from: hashText }) },
  },
  {
    method: 'POST',
    path: '/v1/rotations/records/{recordId}',
    body: relayerSchema,
    summary: 'Put a new layer on a record, as far as one request goes; delete the old bytes.',
    parameters: [recordId, dpopHeader],
    answers: {
      200: z.strictObject({
        recordId: idText,
        status: z.enum(['working', 'layered', 'moved', 'missing']),
        generation: z.int().optional(),
        objectDigest: hashText.optional(),
        parts: z.strictObject({ done: z.int(), of: z.int() }).optional(),
        /** The layer's key, sealed to the patient. */
        layer: wrapField.optional(),
        wrap: wrapField.optional(),
        sealedMetadata: metadataField.optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/rotations/records/{recordId}/wrap',
    body: wrapSchema,
    summary: 'Deposit the new wraps of a record, before the ledger names them.',
    parameters: [recordId, dpopHeader],
    answers: { 200: z.strictObject({ recordId: idText }) },
  },
  {
    method: 'POST',
    path: '/v1/rotations/records/{recordId}/settle',
    body: settleSchema,
    summary: 'Make the new wraps count, or delete a record that is left behind.',
    parameters: [recordId, dpopHeader],
    answers: {
      200: z.strictObject({ recordId: idText, status: z.enum(['moved', 'left']) }),
    },
  },
];

const privateRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/private',
    body: privateSchema,
    summary: 'Keep what a patient sealed to nobody else; the ledger holds a commitment.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ privateId: idText }) },
  },
  {
    method: 'POST',
    path: '/v1/private/fetch',
    body: fetchPrivateSchema,
    summary: 'What the caller has sealed to nobody else.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        items: z.array(
          z.strictObject({ privateId: idText, version: z.int(), sealed: privateField }),
        ),
        next: idText.optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/rotations/finish',
    body: settleSchema,
    summary: 'A rotation is over: what only the old keys opened is deleted.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ pseudonym: hashText }) },
  },
];

const readRoutes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/shares',
    body: shareSchema,
    summary: 'Deposit what is sealed to a grantee; its digest is on the ledger.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ permissionId: idText }) },
  },
  {
    method: 'POST',
    path: '/v1/shares/fetch',
    body: fetchSharesSchema,
    summary: 'All that is sealed to the holder of the key that proves itself, or to a team of it.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        shares: z.array(shareField.extend({ permissionId: idText })),
        next: idText.optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/shares/withdraw',
    body: withdrawSchema,
    summary: 'Forget for good what was sealed for a permission that is revoked.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ permissionId: idText }) },
  },
  {
    method: 'POST',
    path: '/v1/team-keys',
    body: teamKeysSchema,
    summary: 'Tell who is in a care team now, and deposit what members sealed to each other.',
    parameters: [dpopHeader],
    answers: { 200: z.strictObject({ teamId: idText, version: z.int() }) },
  },
  {
    method: 'POST',
    path: '/v1/team-keys/fetch',
    body: fetchTeamKeySchema,
    summary: 'What a member sealed to the key that proves itself: the seeds of a team’s keys.',
    parameters: [dpopHeader],
    answers: { 200: teamKeyAnswer },
  },
  {
    method: 'POST',
    path: '/v1/access',
    body: accessSchema,
    summary: 'Where the bytes of a record are for a minute, and what opens them. No receipt, none.',
    parameters: [dpopHeader],
    answers: {
      200: accessAnswer,
    },
  },
  {
    method: 'POST',
    path: '/v1/metadata',
    body: metadataSchema,
    summary: 'Sealed metadata of the records that a receipt of access.list covers.',
    parameters: [dpopHeader],
    answers: {
      200: metadataAnswer,
    },
  },
];

export const routes: readonly DocumentedRoute[] = [
  ...copyRoutes,
  ...releaseRoutes,
  ...caseRoutes,
  ...uploadRoutes,
  ...keyRoutes,
  ...rotationRoutes,
  ...privateRoutes,
  ...readRoutes,
  ...letterRoutes,
  {
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether the custodian answers, and whether it is initialised.',
    answers: {
      200: z.strictObject({
        status: z.literal('ok'),
        network: networkField,
        initialised: z.boolean(),
        time: timeField,
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/bootstrap',
    summary: 'The public key of the custodian, for the genesis document.',
    answers: { 200: z.strictObject({ key: base64urlOf(65) }) },
  },
  {
    method: 'POST',
    path: '/v1/genesis',
    body: signedGenesisSchema,
    summary: 'Install the genesis document that every operator has signed.',
    answers: { 200: z.strictObject({ network: networkField, genesisHash: z.string() }) },
  },
  {
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This description.',
    answers: { 200: z.looseObject({ openapi: z.string() }) },
  },
];
