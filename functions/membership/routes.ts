/** The routes of the membership service with the schemas of what they take and answer. */

import { z } from 'zod';
import { X_WING_PUBLIC_KEY_BYTES } from '../../lib/crypto/x-wing.ts';
import { roleSchema } from '../../lib/membership/roles.ts';
import { networkField, timeField } from '../../lib/wire/fields.ts';
import { signedGenesisSchema } from '../../lib/wire/genesis.ts';
import type { DocumentedRoute } from '../aws/openapi.ts';
import { dpopHeader } from '../aws/route-fields.ts';
import { identitySchema } from './enrolment.ts';

const base64url = (charsMax: number) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]*$/)
    .max(charsMax);
const exactly = (bytes: number) => base64url(Math.ceil((bytes * 4) / 3)).min((bytes * 4) / 3);
const jws = (typ: string) =>
  z
    .string()
    .max(65_536)
    .meta({ description: `JWS compact serialisation, ES256 with low S, typ ${typ}` });
const idField = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const certificateField = base64url(6_000).meta({ description: 'X.509, DER, base64url' });

export const enrolSchema = z.strictObject({
  role: roleSchema,
  /** P-256 point. */
  signingKey: exactly(65),
  /** X-Wing public key. */
  encryptionKey: exactly(X_WING_PUBLIC_KEY_BYTES),
  request: jws('cq-enrol'),
  identity: identitySchema,
  operatorInvitation: jws('cq-invitation').optional(),
  /** Own valid certificate, of whom the service forgot: the subject in it is kept. */
  certificate: certificateField.optional(),
  /** What NPDB certified to the clinician. */
  selfQuery: jws('npdb-self-query').max(16_384).optional(),
});
export type EnrolBody = z.infer<typeof enrolSchema>;

const renewHead = {
  role: roleSchema,
  signingKey: exactly(65),
  encryptionKey: exactly(X_WING_PUBLIC_KEY_BYTES),
  request: jws('cq-enrol'),
};
export const renewSchema = z.union([
  z.strictObject({ ...renewHead, renewal: jws('cq-renew') }),
  z.strictObject({ ...renewHead, reenrolment: jws('cq-reenrol') }),
]);
export type RenewBody = z.infer<typeof renewSchema>;

export const unmaskSchema = z.strictObject({
  /** Of `identity.approve-unmask`: it names both persons. */
  receipt: base64url(2_000_000),
  /** Of the one-time certificate, hexadecimal. */
  serial: z.string().regex(/^(?:[0-9a-f]{2}){1,20}$/),
  /** Of the commitment that the ledger holds. */
  salt: exactly(32),
});
export type UnmaskBody = z.infer<typeof unmaskSchema>;

export const cardSchema = z.strictObject({ request: jws('cq-emergency-card') });
export const bindSchema = z.strictObject({
  /** Of `emergency.declare` without a card. */
  receipt: base64url(2_000_000),
  name: z.string().min(1).max(200),
  birthDate: z.iso.date(),
  /** Of the commitment that the ledger holds. */
  salt: exactly(32),
});
export type BindBody = z.infer<typeof bindSchema>;

export const proofSchema = z.strictObject({ answer: exactly(32) });
export const oneTimeSchema = z.strictObject({ request: jws('cq-tcert-request') });
export const revokeSchema = z.strictObject({ request: jws('cq-revoke') });

const noticesField = z
  .array(
    z.strictObject({
      unmaskId: idField,
      at: timeField,
      reasonCode: z.string(),
      requesterHospital: z.string(),
      approverHospital: z.string(),
    }),
  )
  .optional()
  .meta({ description: 'Who had this person named, and why' });
const activeSchema = z.strictObject({
  status: z.literal('active'),
  certificate: certificateField,
  subject: idField,
});
const pendingSchema = z.strictObject({
  status: z.literal('pending'),
  reason: z.enum(['registry_unavailable', 'review']),
});

const pathParameter = (name: string, description: string) =>
  ({ in: 'path', name, schema: idField, description }) as const;
const queryParameter = (name: string, description: string, schema = z.string().max(200)) =>
  ({ in: 'query', name, schema, description }) as const;

export const routes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/enrolments',
    body: enrolSchema,
    summary: 'Start an enrolment: the signing key signs, the encryption key gets a challenge.',
    answers: {
      201: z.strictObject({
        enrolmentId: idField,
        challenge: z.strictObject({ enc: base64url(1_500), ciphertext: base64url(200) }),
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/enrolments/{id}',
    summary: 'How far an enrolment is, for the key that enrols.',
    parameters: [
      pathParameter('id', 'Enrolment id'),
      {
        in: 'header',
        name: 'authorization',
        schema: z.string(),
        description: '`CQ-Enrolment` and a JWS of typ cq-enrol-status by the enrolled key',
      },
    ],
    answers: {
      200: z.strictObject({
        status: z.enum(['challenged', 'pending', 'active', 'refused', 'revoked']),
        reason: pendingSchema.shape.reason.optional(),
        certificate: certificateField.optional(),
        subject: idField.optional(),
        notices: noticesField,
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/enrolments/{id}/proof',
    body: proofSchema,
    summary: 'Answer the challenge: a certificate, or pending while the registry is unavailable.',
    parameters: [pathParameter('id', 'Enrolment id')],
    answers: { 200: activeSchema, 202: pendingSchema },
  },
  {
    method: 'POST',
    path: '/v1/renewals',
    body: renewSchema,
    summary:
      'Start the enrolment of a new key: the old key signs, or the operator where it is lost.',
    answers: {
      201: z.strictObject({
        enrolmentId: idField,
        challenge: z.strictObject({ enc: base64url(1_500), ciphertext: base64url(200) }),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/unmaskings',
    body: unmaskSchema,
    summary: 'Who got a one-time certificate, for a receipt that names two persons.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        unmaskId: idField,
        role: roleSchema,
        name: z.string(),
        birthDate: z.string().nullable(),
        enrolledAt: timeField,
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/emergency/cards',
    body: cardSchema,
    summary: 'Keep by which digest the ledger knows the card of a patient, or forget it.',
    answers: { 200: z.strictObject({ enrolmentId: idField }) },
  },
  {
    method: 'POST',
    path: '/v1/emergency/bindings',
    body: bindSchema,
    summary: 'Name the card of a person on the ledger, for a declaration that commits to them.',
    parameters: [dpopHeader],
    answers: {
      200: z.strictObject({
        declarationId: idField,
        /** Of `emergency.bind`; missing where it was bound before. */
        transactionId: z.string().optional(),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/certificates',
    body: oneTimeSchema,
    summary: 'One-time certificates on fresh keys for an enrolled patient, 50 at most.',
    answers: { 200: z.strictObject({ certificates: z.array(certificateField) }) },
  },
  {
    method: 'GET',
    path: '/v1/directory',
    summary: 'Clinicians of exactly this name or number; check what it says on the ledger.',
    parameters: [
      queryParameter('npi', 'National Provider Identifier', z.string().regex(/^\d{10}$/)),
      queryParameter('name', 'Full name, in any order and spelling of capitals'),
      queryParameter('role', 'Only this role', z.string().regex(/^[a-z]{1,32}$/)),
    ],
    answers: {
      200: z.strictObject({
        entries: z.array(
          z.strictObject({
            subject: idField,
            name: z.string(),
            role: roleSchema,
            hospital: z.string().nullable(),
            npi: z.string().nullable(),
            kid: z.string(),
            certificate: certificateField,
            encryptionKey: base64url(1_700),
          }),
        ),
      }),
    },
  },
  {
    method: 'POST',
    path: '/v1/revocations',
    body: revokeSchema,
    summary: 'End a certificate here; the operator ends it on the ledger by identity.revoke.',
    answers: {
      200: z.strictObject({
        kid: z.string(),
        status: z.literal('revoked'),
        serial: z.string().nullable(),
        revokedAt: timeField,
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether this service answers, and whether it is initialised.',
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
    summary:
      'Self-signed certificates of the authority: of the genesis document, and of its newest key.',
    answers: {
      200: z.strictObject({
        caCertificate: certificateField,
        nextCertificate: certificateField.optional(),
      }),
    },
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
