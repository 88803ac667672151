/** The routes of a validator's API with the schemas of what they take and answer. */

import { z } from 'zod';
import { limits } from '../../lib/limits.ts';
import { heightField, networkField, validatorIdField } from '../../lib/wire/fields.ts';
import { signedGenesisSchema } from '../../lib/wire/genesis.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { parametersSchema } from '../../lib/wire/parameters.ts';
import type { DocumentedRoute } from '../aws/openapi.ts';
import { bundleSchema } from './keyring.ts';
import { blockEventsSchema } from './ports.ts';

const compactField = z
  .string()
  .min(1)
  .max(limits.transactionBytesMax)
  .meta({ description: 'JWS compact serialisation, ES256 with low S' });
const idField = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .meta({ description: 'Transaction id: 64 lower-case hexadecimal digits' });
const base64urlField = z.string().meta({ description: 'Base64url without padding' });
const hexField = z.string().regex(/^[0-9a-f]*$/);

export const submitSchema = z.strictObject({ transaction: compactField });
export const submitBatchSchema = z.strictObject({
  transactions: z.array(compactField).min(1).max(limits.batchTransactionsMax),
});
export const querySchema = z.strictObject({ query: compactField });

const acceptedSchema = z.strictObject({
  id: idField,
  /** Held by this validator; `location` tells the outcome. */
  status: z.literal('PENDING'),
  location: z.string(),
});

/** RFC 9457, with a stable `code`. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  instance: z.string().optional(),
});

const eventSchema = z.strictObject({
  height: heightField,
  index: z.int(),
  topic: z.string(),
  tag: hexField,
});

const pathParameter = (name: string, schema: z.ZodType, description: string) =>
  ({ in: 'path', name, schema, description }) as const;
const queryParameter = (name: string, schema: z.ZodType, description: string) =>
  ({ in: 'query', name, schema, description }) as const;

/** Whole number in a query string. */
const numberText = (max: number) => z.coerce.number().int().min(0).max(max);

export const waitField = numberText(limits.waitMsMax).default(0);
export const eventsQuerySchema = z.object({
  after: numberText(2 ** 48).default(0),
  limit: numberText(1000).min(1).default(100),
});
export const setsQuerySchema = z.object({ after: numberText(2 ** 48).default(0) });
/** Height, half of the state root and number, as `lib/ledger/tree-page.ts` names pages. */
export const snapshotPagesSchema = z.strictObject({
  ids: z
    .array(z.string().regex(/^[0-9]{15}-[0-9a-f]{32}-[0-9]{1,5}$/))
    .min(1)
    .max(limits.snapshotPagesMax),
});
const peerParameter = (fn: string) =>
  ({
    in: 'header',
    name: 'authorization',
    schema: z.string(),
    description: `\`CQ-Query\` and a query \`${fn}\` of a validator's read key`,
  }) as const;
export const heightText = z.string().regex(/^(?:0|[1-9][0-9]{0,14})$/);

/** The main ledger, or the id of the transaction that opened a case: nothing else is an address. */
export const ledgerText = z
  .string()
  .regex(/^(?:main|[0-9a-f]{64})$/)
  .default(MAIN_LEDGER);
const ledgerParameter = queryParameter(
  'ledger',
  ledgerText,
  'A case ledger, by the id of what opened it; without it, the main ledger',
);

export const consistencyQuerySchema = z.object({
  ledger: ledgerText,
  from: heightText,
  to: heightText.optional(),
});

export const routes: readonly DocumentedRoute[] = [
  {
    method: 'POST',
    path: '/v1/transactions',
    body: submitSchema,
    summary: 'Submit a signed transaction; 202 means that this validator holds it.',
    answers: { 202: acceptedSchema },
  },
  {
    method: 'POST',
    path: '/v1/transactions/batch',
    body: submitBatchSchema,
    summary: 'Submit up to 500 signed transactions of up to 4 MB; each has a result of its own.',
    answers: {
      200: z.strictObject({
        results: z.array(z.union([acceptedSchema, z.strictObject({ problem: problemSchema })])),
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/transactions/{id}',
    summary: 'The outcome of a transaction with its receipt, waiting for it up to waitMs.',
    parameters: [
      pathParameter('id', idField, 'Transaction id'),
      queryParameter('waitMs', waitField, 'How long to wait for the outcome, milliseconds'),
      ledgerParameter,
    ],
    answers: {
      200: z.strictObject({
        id: idField,
        status: z.enum(['COMMITTED', 'INVALID']),
        code: z.string(),
        receipt: base64urlField,
      }),
      202: z.strictObject({ id: idField, status: z.literal('PENDING') }),
    },
  },
  {
    method: 'POST',
    path: '/v1/queries',
    body: querySchema,
    summary: 'Answer a signed query with proofs of every key that it reads, at one committed head.',
    answers: { 200: z.strictObject({ answer: base64urlField }) },
  },
  {
    method: 'GET',
    path: '/v1/blocks/{height}',
    summary: 'Header and certificate of a committed block; ids and body for those who may read it.',
    parameters: [
      pathParameter('height', heightText, 'Block height'),
      {
        in: 'header',
        name: 'authorization',
        schema: z.string(),
        description: '`CQ-Query` and a signed query `ledger.block` for the body',
      },
      queryParameter('results', z.literal('1'), 'With the body: results and events too'),
      ledgerParameter,
    ],
    answers: {
      200: z.strictObject({
        height: heightField,
        header: base64urlField,
        /** Null for genesis alone. */
        certificate: base64urlField.nullable(),
        /** Like the body only for those who may read it. */
        transactionIds: z.array(idField).optional(),
        body: base64urlField.optional(),
        results: base64urlField.optional(),
        events: blockEventsSchema.optional(),
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/consistency',
    summary: 'Proves that the block of a height is in the history of a later, certified one.',
    parameters: [
      queryParameter('from', consistencyQuerySchema.shape.from, 'The earlier height'),
      queryParameter('to', heightText, 'The later height: the committed head without it'),
      ledgerParameter,
    ],
    answers: { 200: z.strictObject({ from: heightField, to: heightField, proof: base64urlField }) },
  },
  {
    method: 'GET',
    path: '/v1/snapshot',
    summary:
      'For validators: what a replica far behind starts from, proven, at the committed head.',
    parameters: [peerParameter('ledger.snapshot')],
    answers: { 200: z.strictObject({ manifest: base64urlField }) },
  },
  {
    method: 'POST',
    path: '/v1/snapshot/pages',
    body: snapshotPagesSchema,
    summary: 'For validators: pages of the state by their ids, as many from the first on as fit.',
    parameters: [peerParameter('ledger.pages')],
    answers: { 200: z.strictObject({ pages: base64urlField }) },
  },
  {
    method: 'GET',
    path: '/v1/sets',
    summary: 'Changes of the validator set above a height, each certified by the set before it.',
    parameters: [
      queryParameter('after', setsQuerySchema.shape.after, 'First height of the newest set known'),
    ],
    answers: {
      200: z.strictObject({
        /** CBOR of up to 64 changes with the session certificates of their sets. */
        sets: base64urlField,
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/network',
    summary: 'The signed genesis document, the validators and the parameters in force.',
    answers: {
      200: z.strictObject({
        network: networkField,
        genesisHash: hexField,
        genesis: signedGenesisSchema,
        validators: z.array(
          z.strictObject({
            id: validatorIdField,
            name: z.string(),
            kmsKey: base64urlField,
            incarnation: heightField,
            suspended: z.boolean(),
            apiUrl: z.string(),
          }),
        ),
        parameters: parametersSchema,
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether this validator answers, and how far it has come.',
    answers: {
      200: z.looseObject({
        status: z.literal('ok'),
        validator: validatorIdField,
        network: networkField,
        height: heightField,
        time: z.int(),
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/events',
    summary: 'What happened in the blocks above a height; tags mean something to those concerned.',
    parameters: [
      queryParameter('after', eventsQuerySchema.shape.after, 'Height above which to look'),
      queryParameter('limit', eventsQuerySchema.shape.limit, 'Blocks to look at, 1000 at most'),
    ],
    answers: {
      200: z.strictObject({
        /** Ask again after this height. */
        height: heightField,
        events: z.array(eventSchema),
      }),
    },
  },
  {
    method: 'GET',
    path: '/v1/bootstrap',
    summary: 'Public keys of this validator for the genesis document.',
    answers: { 200: bundleSchema.extend({ apiUrl: z.string() }) },
  },
  {
    method: 'POST',
    path: '/v1/genesis',
    body: signedGenesisSchema,
    summary: 'Install the genesis document that every operator has signed.',
    answers: { 200: z.strictObject({ network: networkField, genesisHash: hexField }) },
  },
  {
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This description.',
    answers: { 200: z.looseObject({ openapi: z.string() }) },
  },
];
