/** Receipts: what proves offline, from genesis alone, what became of a transaction. */
import { z } from 'zod';
import { toHex } from '../crypto/bytes.ts';
import { decodeWith, encodeCbor } from '../wire/codec.ts';
import { bytesField, hashField, heightField, ledgerField } from '../wire/fields.ts';
import type { Genesis } from '../wire/genesis.ts';
import { type BlockHeader, headerSchema } from '../wire/header.ts';
import { type SessionCertificate, sessionCertificateSchema } from '../wire/session.ts';
import { sessionCovers, sessionSigningBytes } from '../wire/session.ts';
import { type Certificate, certificateSchema } from '../wire/vote.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError, ReceiptError } from './errors.ts';
import { inclusionProof } from './merkle.ts';
import { type SetLink, setLinkSchema } from './set-chain.ts';

export const receiptFormat = 'carequorum-receipt-1';

/** Session certificates that are not in the genesis document, and set changes since it. */
export const chainFields = {
  sessions: z.array(sessionCertificateSchema).max(ledgerBounds.sessionsMax),
  links: z.array(setLinkSchema).max(ledgerBounds.linksMax),
};

export const receiptSchema = z.strictObject({
  format: z.literal(receiptFormat),
  genesisHash: hashField,
  ledger: ledgerField,
  /** Encoded result, the bytes that are under `resultsRoot`. */
  result: bytesField(ledgerBounds.resultBytesMax),
  /** Place in the block; these two only say which way the inclusion path turns. */
  index: heightField,
  size: heightField,
  proof: z.array(hashField).max(ledgerBounds.merkleProofMax),
  header: headerSchema,
  certificate: certificateSchema,
  ...chainFields,
});
export type Receipt = z.infer<typeof receiptSchema>;

/** Stored block data from which a receipt is made; nothing of it is verified here. */
export interface ReceiptSource {
  genesis: Genesis;
  header: BlockHeader;
  certificate: Certificate;
  /** Encoded results of the block, in order. */
  results: readonly Uint8Array[];
  /** Which of them. */
  index: number;
  /** All session certificates at hand; those that the votes need are taken. */
  sessions: readonly SessionCertificate[];
  /** Set changes from genesis to this header. */
  links: readonly SetLink[];
}

/** The receipt of one transaction of a block. Throws `invalid_argument` on a wrong index. */
export function buildReceipt(source: ReceiptSource): Receipt {
  const { genesis, header, certificate, results, index, links } = source;
  const result = results[index];
  if (!result) throw new LedgerError('invalid_argument', `no result ${index}`);
  return {
    format: receiptFormat,
    genesisHash: genesis.hash,
    ledger: header.ledger,
    result,
    index,
    size: results.length,
    proof: inclusionProof(results, index),
    header,
    certificate,
    sessions: neededSessions(genesis, source.sessions, [certificate, ...certificatesOf(links)]),
    links: [...links],
  };
}

/** Canonical CBOR. Throws `too_large`. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const bytes = encodeCbor(receipt);
  if (bytes.length > ledgerBounds.receiptBytesMax) {
    throw new LedgerError('too_large', `a receipt of ${bytes.length} bytes`);
  }
  return bytes;
}

/** Reads canonical CBOR; says nothing about truth. Throws `malformed` or `unsupported_format`. */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  return decodeFormat(receiptSchema, receiptFormat, bytes, ledgerBounds.receiptBytesMax);
}

/** Checks a decoded value against the schema of a format, with the codes of this folder. */
export function parseFormat<T>(schema: z.ZodType<T>, format: string, value: unknown): T {
  const isObject = typeof value === 'object' && value !== null && 'format' in value;
  if (isObject && typeof value.format === 'string' && value.format !== format) {
    throw new ReceiptError('unsupported_format', `not ${format}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new ReceiptError('malformed', `${where || format}: ${issue?.message ?? 'does not fit'}`);
}

/** As `parseFormat`, from bytes. */
export function decodeFormat<T>(
  schema: z.ZodType<T>,
  format: string,
  bytes: Uint8Array,
  bytesMax: number,
): T {
  let value: unknown;
  try {
    value = decodeWith(z.unknown(), bytes, bytesMax);
  } catch (cause) {
    throw new ReceiptError('malformed', `${format} is not canonical CBOR`, { cause });
  }
  return parseFormat(schema, format, value);
}

/**
 * Sessions outside genesis that could have signed a vote of these certificates, or a read by this
 * validator at this height.
 */
export function neededSessions(
  genesis: Genesis,
  sessions: readonly SessionCertificate[],
  certificates: readonly Certificate[],
  read?: { validator: string; height: number },
): SessionCertificate[] {
  const own = new Set(genesis.sessions.map(sessionText));
  const taken = new Map<string, SessionCertificate>();
  const votes = certificates.flatMap(({ height, votes: cast }) =>
    cast.map(({ validator }) => ({ validator, height, purpose: 'vote' as const })),
  );
  const signed = read ? [...votes, { ...read, purpose: 'read' as const }] : votes;
  for (const session of sessions) {
    const { incarnation } = session.body;
    const isNeeded = signed.some((one) => sessionCovers(session.body, { ...one, incarnation }));
    const text = sessionText(session);
    if (isNeeded && !own.has(text)) taken.set(text, session);
  }
  return [...taken.values()];
}

export function certificatesOf(links: readonly SetLink[]): Certificate[] {
  return links.map(({ certificate }) => certificate);
}

function sessionText({ body }: SessionCertificate): string {
  return toHex(sessionSigningBytes(body));
}
