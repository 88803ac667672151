/** Receipts: what proves offline, from genesis alone, what became of a transaction. */
import { z } from 'zod';
import { toHex } from '../crypto/bytes.ts';
import { decodeWith, encodeCbor } from '../wire/codec.ts';
import { bytesField, hashField, heightField, ledgerField } from '../wire/fields.ts';
import type { Genesis } from '../wire/genesis.ts';
import { type BlockHeader, headerSchema } from '../wire/header.ts';
import { MAIN_LEDGER, sessionHeight } from '../wire/ledger.ts';
import { type SessionCertificate, sessionCertificateSchema } from '../wire/session.ts';
import { sessionCovers, sessionSigningBytes } from '../wire/session.ts';
import { type Certificate, certificateSchema } from '../wire/vote.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError, ReceiptError } from './errors.ts';
import { inclusionProof } from './merkle.ts';
import { type SetLink, setLinkSchema } from './set-chain.ts';

export const receiptFormat = 'carequorum-receipt-1';

/**
 * Session certificates that are not in the genesis document, and set changes of the main ledger since
 * it, up to the set that votes.
 */
export const chainFields = {
  sessions: z.array(sessionCertificateSchema).max(ledgerBounds.sessionsMax),
  links: z.array(setLinkSchema).max(ledgerBounds.linksMax),
  /** On a case ledger, the header before: what it pins says who votes. Null on the main ledger. */
  parent: headerSchema.nullable(),
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

/** What links a header to genesis; nothing of it is verified here. */
export interface ChainSource {
  genesis: Genesis;
  header: BlockHeader;
  /** All session certificates at hand; those that the votes need are taken. */
  sessions: readonly SessionCertificate[];
  /** Set changes of the main ledger from genesis to the set that votes on this header. */
  links: readonly SetLink[];
  /** The header before, on a case ledger above height 0. @default null */
  parent?: BlockHeader | null;
}

/** Stored block data from which a receipt is made; nothing of it is verified here. */
export interface ReceiptSource extends ChainSource {
  certificate: Certificate;
  /** Encoded results of the block, in order. */
  results: readonly Uint8Array[];
  /** Which of them. */
  index: number;
}

/** The receipt of one transaction of a block. Throws `invalid_argument` on a wrong index. */
export function buildReceipt(source: ReceiptSource): Receipt {
  const { genesis, header, certificate, results, index } = source;
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
    ...chainFor(source, certificate),
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

/** The fields of a chain, with the sessions that votes, and a read by this validator, need. */
export function chainFor(
  { genesis, header, sessions, links, parent = null }: ChainSource,
  certificate: Certificate | null,
  read?: { validator: string; height: number },
): Pick<Receipt, 'sessions' | 'links' | 'parent'> {
  const signed: Signed[] = links.flatMap((link) => votesOf(link.certificate, MAIN_LEDGER));
  if (certificate) signed.push(...votesOf(certificate, header.ledger));
  if (read) signed.push({ ...read, purpose: 'read' });
  return { sessions: neededSessions(genesis, sessions, signed), links: [...links], parent };
}

interface Signed {
  validator: string;
  height: number | null;
  purpose: 'vote' | 'read';
}

function votesOf({ height, votes }: Certificate, ledger: string): Signed[] {
  const at = sessionHeight(ledger, height);
  return votes.map(({ validator }) => ({ validator, height: at, purpose: 'vote' }));
}

/** Sessions outside genesis that could have signed one of these. */
function neededSessions(
  genesis: Genesis,
  sessions: readonly SessionCertificate[],
  signed: readonly Signed[],
): SessionCertificate[] {
  const own = new Set(genesis.sessions.map(sessionText));
  const taken = new Map<string, SessionCertificate>();
  for (const session of sessions) {
    const { incarnation } = session.body;
    const isNeeded = signed.some((one) => sessionCovers(session.body, { ...one, incarnation }));
    const text = sessionText(session);
    if (isNeeded && !own.has(text)) taken.set(text, session);
  }
  return [...taken.values()];
}

function sessionText({ body }: SessionCertificate): string {
  return toHex(sessionSigningBytes(body));
}
