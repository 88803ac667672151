/** What an upload that was ended needs to go on with the same record: sealed to the uploader. */
import { z } from 'zod';
import { CryptoError } from '../lib/crypto/errors.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import type { XWingKeyPair } from '../lib/crypto/x-wing.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import { sealedSchema } from '../lib/records/sealed.ts';
import { decodeWith, encodeCbor } from '../lib/wire/codec.ts';
import { WireError } from '../lib/wire/errors.ts';
import { bytesField, hashField } from '../lib/wire/fields.ts';

const ATTEMPTS_MAX = 16;
const TICKET_BYTES_MAX = 2 * 1024 * 1024;

const attemptSchema = z.strictObject({
  /** `record.register` as it was signed; whether it was taken, the ledger knows. */
  transactionId: z.string().max(64),
  wrapDigest: z.string().max(64),
  wrap: sealedSchema(recordsBounds.wrapBytesMax),
  sealedMetadata: sealedSchema(recordsBounds.metadataBytesMax),
});
export type UploadAttempt = z.infer<typeof attemptSchema>;

const ticketSchema = z.strictObject({
  format: z.literal('carequorum-upload-1'),
  recordId: z.string().max(64),
  pseudonym: z.string().max(64),
  categoryTag: z.string().max(64),
  supersedes: z.string().max(64).nullable(),
  /** The same key and header make the same ciphertext of the same document. */
  key: hashField,
  headerSalt: hashField,
  noncePrefix: bytesField(7),
  commitmentSalt: hashField,
  /** Composite digest of the ciphertext: of another one nothing may leave under this key. */
  digest: hashField,
  attempts: z.array(attemptSchema).max(ATTEMPTS_MAX),
});
export type UploadTicket = z.infer<typeof ticketSchema>;

/** Where a ticket is kept while its upload is under way; what is kept says nothing in clear. */
export interface TicketStore {
  load(): Promise<Uint8Array | null>;
  save(sealed: Uint8Array): Promise<void>;
  clear(): Promise<void>;
}

const sealedTicketSchema = z.strictObject({
  enc: z.instanceof(Uint8Array),
  ciphertext: z.instanceof(Uint8Array),
});

export async function saveTicket(
  store: TicketStore,
  { publicKey }: XWingKeyPair,
  network: string,
  ticket: UploadTicket,
): Promise<void> {
  const attempts = ticket.attempts.slice(-ATTEMPTS_MAX);
  const plaintext = encodeCbor({ ...ticket, attempts });
  const context = { info: infoOf(network), aad: new Uint8Array(), plaintext };
  await store.save(encodeCbor(await hpkeSeal(publicKey, context)));
}

/** The ticket of an earlier run, or null where there is none that can be used. */
export async function loadTicket(
  store: TicketStore,
  { seed }: XWingKeyPair,
  network: string,
): Promise<UploadTicket | null> {
  const bytes = await store.load();
  if (bytes === null) return null;
  try {
    const { enc, ciphertext } = decodeWith(sealedTicketSchema, bytes, TICKET_BYTES_MAX);
    const context = { enc, ciphertext, info: infoOf(network), aad: new Uint8Array() };
    return decodeWith(ticketSchema, await hpkeOpen(seed, context), TICKET_BYTES_MAX);
  } catch (error) {
    // Of another keystore or version, or cut off: the upload begins anew.
    if (error instanceof CryptoError || error instanceof WireError) return null;
    throw error;
  }
}

function infoOf(network: string): Uint8Array {
  return hpkeInfo({ network, purpose: 'upload-ticket', subject: 'upload', recipient: 'uploader' });
}
