/** Answers to queries: each key that was read, proven under a certified head, and how fresh. */
import { z } from 'zod';
import { taggedHash } from '../crypto/hash.ts';
import { limits } from '../limits.ts';
import { encodeCbor } from '../wire/codec.ts';
import { bytesField, hashField, heightField, ledgerField } from '../wire/fields.ts';
import { signatureField, validatorIdField } from '../wire/fields.ts';
import type { Genesis } from '../wire/genesis.ts';
import { type BlockHeader, headerSchema } from '../wire/header.ts';
import type { SessionCertificate } from '../wire/session.ts';
import { type Certificate, certificateSchema } from '../wire/vote.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError } from './errors.ts';
import { certificatesOf, chainFields, decodeFormat, neededSessions } from './receipt.ts';
import type { SetLink } from './set-chain.ts';
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
export interface AnswerSource {
  genesis: Genesis;
  header: BlockHeader;
  certificate: Certificate | null;
  entries: readonly ProvenEntry[];
  freshness: Freshness;
  /** All session certificates at hand; those that votes and freshness need are taken. */
  sessions: readonly SessionCertificate[];
  links: readonly SetLink[];
}

/** The answer to one query. Throws `too_large` with more proofs than a client takes. */
export function buildStateAnswer(source: AnswerSource): StateAnswer {
  const { genesis, header, certificate, entries, freshness, links } = source;
  if (entries.length > limits.queryProofsMax) {
    throw new LedgerError('too_large', `${entries.length} keys in one answer`);
  }
  const certificates = [...certificatesOf(links), ...(certificate ? [certificate] : [])];
  return {
    format: answerFormat,
    genesisHash: genesis.hash,
    ledger: header.ledger,
    header,
    certificate,
    sessions: neededSessions(genesis, source.sessions, certificates, freshness),
    links: [...links],
    entries: [...entries],
    freshness,
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
