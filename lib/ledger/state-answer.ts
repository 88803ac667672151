/** Answers to queries: each key that was read, proven under a certified head, and how fresh. */
import { z } from 'zod';
import { taggedHash } from '../crypto/hash.ts';
import { limits } from '../limits.ts';
import { encodeCbor } from '../wire/codec.ts';
import { bytesField, hashField, heightField, ledgerField } from '../wire/fields.ts';
import { signatureField, validatorIdField } from '../wire/fields.ts';
import { headerSchema } from '../wire/header.ts';
import { type Certificate, certificateSchema } from '../wire/vote.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError } from './errors.ts';
import { chainFields, chainFor, type ChainSource, decodeFormat } from './receipt.ts';
import { stateProofSchema } from './state-proof.ts';
import type { ProvenEntry } from './state-tree.ts';

export const answerFormat = 'carequorum-answer-1';

/** Bytes of a client's nonce: that of its query. */
export const NONCE_BYTES = 16;

const nonceField = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length === NONCE_BYTES,
  `expected ${NONCE_BYTES} bytes`,
);

export const freshnessSchema = z.strictObject({
  validator: validatorIdField,
  nonce: nonceField,
  /** Committed height of the validator: that of the answer's header. */
  height: heightField,
  /** Height of the highest commit vote that the validator has cast. */
  votedHeight: heightField,
  /** By the validator's read key over `freshnessSigningBytes`. */
  signature: signatureField,
});
export type Freshness = z.infer<typeof freshnessSchema>;

export const stateAnswerSchema = z.strictObject({
  format: z.literal(answerFormat),
  genesisHash: hashField,
  ledger: ledgerField,
  header: headerSchema,
  /** Null for the genesis header alone. */
  certificate: certificateSchema.nullable(),
  ...chainFields,
  entries: z
    .array(
      z.strictObject({
        key: z.string().max(limits.stateKeyBytesMax),
        value: bytesField(limits.stateValueBytesMax).nullable(),
        proof: stateProofSchema,
      }),
    )
    .max(limits.queryProofsMax),
  freshness: freshnessSchema,
  /** On a case ledger, what the same validator answers of the main ledger; else null. */
  main: bytesField(ledgerBounds.answerBytesMax).nullable(),
});
export type StateAnswer = z.infer<typeof stateAnswerSchema>;

/** What the read key signs besides the voter's id, which its certificate names. */
export type FreshnessStatement = Omit<Freshness, 'signature' | 'validator'> & {
  genesisHash: Uint8Array;
  ledger: string;
};

/** The bytes that a validator's read key signs for a fresh read. */
export function freshnessSigningBytes(statement: FreshnessStatement): Uint8Array {
  const { genesisHash, ledger, nonce, height, votedHeight } = statement;
  return taggedHash('freshness', encodeCbor({ genesisHash, ledger, nonce, height, votedHeight }));
}

/** Stored data from which an answer is made; nothing of it is verified here. */
export interface AnswerSource extends ChainSource {
  certificate: Certificate | null;
  entries: readonly ProvenEntry[];
  freshness: Freshness;
  /** The answer of the main ledger, encoded, to a query of a case ledger. @default null */
  main?: Uint8Array | null;
}

/** The answer to one query. Throws `too_large` with more proofs than a client takes. */
export function buildStateAnswer(source: AnswerSource): StateAnswer {
  const { genesis, header, certificate, entries, freshness, main = null } = source;
  if (entries.length > limits.queryProofsMax) {
    throw new LedgerError('too_large', `${entries.length} keys in one answer`);
  }
  return {
    format: answerFormat,
    genesisHash: genesis.hash,
    ledger: header.ledger,
    header,
    certificate,
    // On a case ledger the set of the main one says who may sign the freshness.
    ...chainFor(source, certificate, main ? undefined : freshness),
    entries: [...entries],
    freshness,
    main,
  };
}

/** Canonical CBOR. Throws `too_large`. */
export function encodeStateAnswer(answer: StateAnswer): Uint8Array {
  const bytes = encodeCbor(answer);
  if (bytes.length > ledgerBounds.answerBytesMax) {
    throw new LedgerError('too_large', `an answer of ${bytes.length} bytes`);
  }
  return bytes;
}

/** Reads canonical CBOR; says nothing about truth. Throws `malformed` or `unsupported_format`. */
export function decodeStateAnswer(bytes: Uint8Array): StateAnswer {
  return decodeFormat(stateAnswerSchema, answerFormat, bytes, ledgerBounds.answerBytesMax);
}
