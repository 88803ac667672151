/** Messages between validators; docs/pbft.md says when each is sent. */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { limits } from '../limits.ts';
import { decodeWith, encodeCbor } from './codec.ts';
import {
  correlationIdField,
  hashField,
  heightField,
  ledgerField,
  validatorIdField,
  viewField,
} from './fields.ts';
import { headerSchema } from './header.ts';
import { certificateSchema, voteSchema } from './vote.ts';

const transactionsField = z
  .array(z.string().max(limits.transactionBytesMax))
  .max(limits.blockTransactionsMax);

/** A header with the certificate that makes it so; genesis has none. */
export const certifiedHeaderSchema = z.strictObject({
  header: headerSchema,
  certificate: certificateSchema.nullable(),
});
export type CertifiedHeader = z.infer<typeof certifiedHeaderSchema>;

export const viewChangeSchema = z.strictObject({
  /** The view that the sender wants to enter. */
  view: viewField,
  /** The highest committed head with its commit certificate. */
  head: certifiedHeaderSchema,
  /** The prepared certificate of the highest view at the height above head. */
  prepared: z.strictObject({ header: headerSchema, certificate: certificateSchema }).nullable(),
  /** Phase view-change, height of head, hash `viewChangeDigest`. */
  vote: voteSchema,
});
export type ViewChange = z.infer<typeof viewChangeSchema>;

export const newViewSchema = z.strictObject({
  view: viewField,
  viewChanges: z.array(viewChangeSchema).max(limits.validatorsMax),
  /** Phase new-view, hash `newViewDigest`, by the leader of the view. */
  vote: voteSchema,
});
export type NewView = z.infer<typeof newViewSchema>;

export const messageSchema = z.discriminatedUnion('type', [
  /** Transactions for the receiver's mempool. */
  z.strictObject({
    type: z.literal('forward'),
    transactions: transactionsField,
    /** They wait at the sender, the first of them longest (L8). */
    waiting: z.literal(true).optional(),
    /** For logs alone: of each transaction the request that brought it, null where none is known. */
    correlationIds: z
      .array(correlationIdField.nullable())
      .max(limits.blockTransactionsMax)
      .optional(),
  }),
  /** A proposal with the leader's own prepare vote; the body may be asked for by hash. */
  z.strictObject({
    type: z.literal('pre-prepare'),
    header: headerSchema,
    transactions: transactionsField.nullable(),
    vote: voteSchema,
  }),
  z.strictObject({ type: z.literal('vote'), vote: voteSchema }),
  z.strictObject({ type: z.literal('view-change'), viewChange: viewChangeSchema }),
  z.strictObject({ type: z.literal('new-view'), newView: newViewSchema }),
  /** What the sender has, so that peers send what is missing; never trusted for safety. */
  z.strictObject({
    type: z.literal('status'),
    view: viewField,
    changing: z.boolean(),
    height: heightField,
    prepares: z.array(validatorIdField).max(limits.validatorsMax),
    commits: z.array(validatorIdField).max(limits.validatorsMax),
    viewChanges: z.array(validatorIdField).max(limits.validatorsMax),
    /** Header hash of the proposal held at height + 1. */
    proposal: hashField.nullable(),
    /** A body that the sender lacks, by header hash. */
    wanted: hashField.nullable(),
  }),
  /** A committed block: header, certificate, and the body unless the receiver has it. */
  z.strictObject({
    type: z.literal('decided'),
    header: headerSchema,
    certificate: certificateSchema,
    transactions: transactionsField.nullable(),
  }),
]);
export type Message = z.infer<typeof messageSchema>;
export type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>;

export const envelopeSchema = z.strictObject({
  genesisHash: hashField,
  ledger: ledgerField,
  from: validatorIdField,
  messages: z.array(messageSchema).max(limits.envelopeMessagesMax),
});
/** What one queue message between validators carries. */
export type Envelope = z.infer<typeof envelopeSchema>;

/** Queue body: base64url text of canonical CBOR, never bare JSON. */
export function encodeEnvelope(envelope: Envelope): string {
  return toBase64url(encodeCbor(envelope));
}

export function decodeEnvelope(body: string): Envelope {
  return decodeWith(envelopeSchema, fromBase64url(body), limits.envelopeBytesMax);
}

/** What a view-change's signature covers besides view and height of its head. */
export function viewChangeDigest(viewChange: Pick<ViewChange, 'head' | 'prepared'>): Uint8Array {
  const { head, prepared } = viewChange;
  return taggedHash(
    'view-change',
    encodeCbor(head.header),
    encodeCbor(prepared && { header: prepared.header, view: prepared.certificate.view }),
  );
}

/** What a new-view's signature covers: the view-changes that justify it. */
export function newViewDigest(newView: Pick<NewView, 'view' | 'viewChanges'>): Uint8Array {
  return taggedHash('new-view', encodeCbor(newView.viewChanges.map((one) => one.vote)));
}
