/** Upload of one document: encrypted first, then registered, stored, and seen stored on the ledger. */
import { equalBytes, toBase64url } from '../lib/crypto/bytes.ts';
import { COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import type { MedicalRecord } from '../lib/chaincode/values.ts';
import type { XWingKeyPair } from '../lib/crypto/x-wing.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import type { CategoryKey } from '../lib/records/category-keys.ts';
import type { SealedText } from '../lib/records/sealed.ts';
import { type ByteProgress, encryptDocument, type EncryptedDocument } from './document.ts';
import { SdkError } from './errors.ts';
import { isStaleReceipt, reasonOf } from './http.ts';
import { itemSchemas, parseValue } from './pages.ts';
import type { DocumentSource, FilePlatform, Spool } from './platform/files.ts';
import type { CertifiedResult } from './proofs.ts';
import {
  type CategoryEpoch,
  FILE_KEY_BYTES,
  fileAad,
  type RecordMetadata,
  sealFileKey,
  sealMetadata,
} from './seal.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';
import { putParts, type StoredPart } from './transfer.ts';
import {
  loadTicket,
  saveTicket,
  type TicketStore,
  type UploadAttempt,
  type UploadTicket,
} from './upload-ticket.ts';

/** Where a document goes. */
export interface UploadTarget {
  readonly pseudonym: string;
  /** Name of the category, for those who may read. */
  readonly category: string;
  readonly categoryTag: string;
  /** Month that the data is of, as 2026-11. */
  readonly dataMonth: string;
  readonly mediaType: string;
  /** A record that this one corrects. */
  readonly supersedes?: string | undefined;
}

export interface Uploader {
  readonly session: Session;
  readonly key: SigningKey;
  readonly signer: RequestSigner;
  readonly files: FilePlatform;
  /** The uploader's own: what a run leaves for the next one is sealed to it. */
  readonly encryption: XWingKeyPair;
  /** The present public key of a category, proven under the ledger's root. */
  categoryKey(target: { pseudonym: string; categoryTag: string }): Promise<CategoryKey>;
}

export interface Uploaded {
  readonly recordId: string;
  readonly path: string;
  /** `record.register`. */
  readonly registered: CertifiedResult;
  /** The custodian's `record.stored`. */
  readonly stored: CertifiedResult;
}

/** Epochs change when a permission is revoked: then the key is sealed again, to the new one. */
const SEAL_TRIES_MAX = 4;

export interface UploadOptions {
  readonly onProgress?: ByteProgress | undefined;
  /** Lets a run that was ended go on: parts that are stored are not sent again. */
  readonly tickets?: TicketStore | undefined;
}

/**
 * Uploads a document; memory is flat. The spool is gone afterwards, whatever happens; with
 * `tickets`, the same call in another process goes on with the same record.
 */
export async function uploadDocument(
  uploader: Uploader,
  source: DocumentSource,
  target: UploadTarget,
  options: UploadOptions = {},
): Promise<Uploaded> {
  try {
    return await uploadOnce(uploader, source, target, options);
  } catch (error) {
    const { tickets } = options;
    if (!tickets || !isStaleReceipt(error)) throw error;
    // Registered so long ago that who certified it was replaced: then it is another record.
    await tickets.clear();
    return uploadOnce(uploader, source, target, options);
  }
}

async function uploadOnce(
  uploader: Uploader,
  source: DocumentSource,
  target: UploadTarget,
  { onProgress, tickets = noTickets }: UploadOptions,
): Promise<Uploaded> {
  const { session, files, encryption } = uploader;
  const network = session.client.name;
  const known = await loadTicket(tickets, encryption, network);
  const earlier = known && isFor(known, target) ? known : null;
  const spool = await files.spool();
  const half: ByteProgress = (done, total) => onProgress?.(done / 2, total);
  try {
    let secrets: Secrets = earlier ?? freshSecrets();
    let document = await encrypt(network, source, spool, secrets, half);
    let run = { spool, attempts: earlier?.attempts ?? [] };
    if (earlier && !equalBytes(document.digest.digest, earlier.digest)) {
      // Another document by now: nothing of it leaves this machine under the key of the first.
      await spool.discard();
      secrets = freshSecrets();
      run = { spool: await files.spool(), attempts: [] };
      document = await encrypt(network, source, run.spool, secrets, half);
    }
    try {
      const { recordId } = secrets;
      const prepared = { source, target, secrets, document, tickets, attempts: run.attempts };
      const sealed = await register(uploader, prepared);
      const stored = await store(
        uploader,
        run.spool,
        { recordId, document, ...sealed },
        onProgress,
      );
      await tickets.clear();
      return { recordId, path: source.path, registered: sealed.registered, stored };
    } finally {
      secrets.key.fill(0);
      await run.spool.discard();
    }
  } finally {
    await spool.discard();
  }
}

/** What makes a ciphertext: the same of these and of the document make the same one. */
type Secrets = Pick<
  UploadTicket,
  'recordId' | 'key' | 'headerSalt' | 'noncePrefix' | 'commitmentSalt'
>;

const noTickets: TicketStore = {
  load: async () => null,
  save: async () => undefined,
  clear: async () => undefined,
};

function freshSecrets(): Secrets {
  return {
    recordId: randomId(),
    key: randomBytes(FILE_KEY_BYTES),
    headerSalt: randomBytes(32),
    noncePrefix: randomBytes(7),
    commitmentSalt: randomBytes(COMMITMENT_SALT_BYTES),
  };
}

function isFor(ticket: UploadTicket, target: UploadTarget): boolean {
  const { pseudonym, categoryTag, supersedes = null } = target;
  const isSame = ticket.pseudonym === pseudonym && ticket.categoryTag === categoryTag;
  return isSame && ticket.supersedes === supersedes;
}

async function encrypt(
  network: string,
  source: DocumentSource,
  spool: Spool,
  { recordId, key, headerSalt, noncePrefix, commitmentSalt }: Secrets,
  onProgress: ByteProgress,
): Promise<EncryptedDocument> {
  return encryptDocument(source, spool, {
    ...{ key, aad: fileAad(network, recordId), salt: commitmentSalt, onProgress },
    header: { salt: headerSalt, noncePrefix },
  });
}

interface Registered {
  readonly registered: CertifiedResult;
  readonly wrap: SealedText;
  readonly sealedMetadata: SealedText;
  /** By an earlier run, which may have brought parts too. */
  readonly isEarlier: boolean;
}

interface Prepared {
  readonly source: DocumentSource;
  readonly target: UploadTarget;
  readonly secrets: Secrets;
  readonly document: EncryptedDocument;
  readonly tickets: TicketStore;
  readonly attempts: readonly UploadAttempt[];
}

/** Seals to the present category key and registers; anew where the key was renewed meanwhile. */
async function register(uploader: Uploader, prepared: Prepared): Promise<Registered> {
  const { session, signer, encryption } = uploader;
  const { target, secrets, document, tickets } = prepared;
  const { recordId, key } = secrets;
  const network = session.client.name;
  const { pseudonym, categoryTag, dataMonth, supersedes } = target;
  const attempts = [...prepared.attempts];
  const before = await registeredBefore(uploader, recordId, attempts);
  if (before) return before;
  for (let attempt = 1; ; attempt += 1) {
    const { publicKey, month, revision } = await uploader.categoryKey(target);
    const epoch: CategoryEpoch = { pseudonym, categoryTag, month, revision };
    const to = { publicKey, network, recordId, epoch };
    const metadata = await sealMetadata(metadataOf(prepared.source, target, document), to);
    const { wrap, digest } = await sealFileKey({ fileKey: key, layers: [] }, to);
    const args = {
      recordId,
      pseudonym,
      categoryTag,
      epoch: { month, revision },
      dataMonth,
      ciphertextLength: document.digest.length,
      digest: toBase64url(document.digest.digest),
      metadataCommitment: metadata.commitment,
      wrapDigest: digest,
      ...(supersedes === undefined ? {} : { supersedes }),
    };
    const sealed = { wrap, sealedMetadata: metadata.sealed };
    const onSigned = async (transactionId: string): Promise<void> => {
      attempts.push({ transactionId, wrapDigest: digest, ...sealed });
      const ticket = ticketOf(prepared, attempts);
      await saveTicket(tickets, encryption, network, ticket);
    };
    try {
      const call = { fn: 'record.register', args };
      return {
        registered: await session.client.submit(call, signer, { onSigned }),
        ...sealed,
        isEarlier: false,
      };
    } catch (error) {
      const reason = reasonOf(error);
      // One of before was taken after all: it came late.
      const found =
        reason === 'record_exists' ? await registeredBefore(uploader, recordId, attempts) : null;
      if (found) return found;
      if (reason !== 'epoch_superseded' || attempt >= SEAL_TRIES_MAX) throw error;
    }
  }
}

function ticketOf({ target, secrets, document }: Prepared, attempts: UploadAttempt[]) {
  const { pseudonym, categoryTag, supersedes = null } = target;
  const { digest } = document.digest;
  const { recordId, key, headerSalt, noncePrefix, commitmentSalt } = secrets;
  return {
    format: 'carequorum-upload-1',
    ...{ recordId, pseudonym, categoryTag, supersedes, digest, attempts },
    ...{ key, headerSalt, noncePrefix, commitmentSalt },
  } as const;
}

/** The registration that a run before this one got through, if there is one. */
async function registeredBefore(
  uploader: Uploader,
  recordId: string,
  attempts: readonly UploadAttempt[],
): Promise<Registered | null> {
  if (attempts.length === 0) return null;
  const record = await findRecord(uploader, recordId);
  const made = attempts.find(({ wrapDigest }) => wrapDigest === record?.wrapDigest);
  if (!made) return null;
  const { transactionId, wrap, sealedMetadata } = made;
  const registered = await uploader.session.client.certified(transactionId);
  return { registered, wrap, sealedMetadata, isEarlier: true };
}

async function findRecord(
  { session, signer }: Uploader,
  recordId: string,
): Promise<MedicalRecord | null> {
  const call = { fn: 'record.get', args: { recordId } };
  try {
    const value = await session.client.query(call, signer, { fresh: true });
    return parseValue(itemSchemas.record, value, call.fn);
  } catch (error) {
    if (reasonOf(error) === 'unknown_record') return null;
    throw error;
  }
}

/** Brings the bytes to the custodian, and waits until the ledger says that it holds them. */
async function store(
  uploader: Uploader,
  spool: Spool,
  upload: Registered & { recordId: string; document: EncryptedDocument },
  onProgress: ByteProgress | undefined,
): Promise<CertifiedResult> {
  const { session, key } = uploader;
  const { recordId } = upload;
  const { digest } = upload.document;
  const parts = await sendParts(uploader, spool, upload, onProgress);
  const done = await session.custodian.completeUpload(recordId, parts, key);
  const stored = await session.client.certified(done.transactionId);
  const value = stored.value as { recordId?: unknown; objectDigest?: unknown };
  const isOurs = value.recordId === recordId && value.objectDigest === toBase64url(digest.digest);
  if (stored.status === 'COMMITTED' && isOurs) return stored;
  // An earlier try of the custodian may have been first.
  if (stored.code === 'already_stored' && (await isStored(uploader, recordId))) return stored;
  throw new SdkError(
    'mismatch',
    'The custodian did not say on the ledger that it holds the record.',
    {
      nextStep: 'Upload it again, and tell the custodian.',
      details: { recordId, status: stored.status, reason: stored.code },
    },
  );
}

/** Addresses are good for a quarter of an hour: a slow line asks for fresh ones, and goes on. */
async function sendParts(
  uploader: Uploader,
  spool: Spool,
  {
    recordId,
    document,
    registered,
    wrap,
    sealedMetadata,
    isEarlier,
  }: Registered & {
    recordId: string;
    document: EncryptedDocument;
  },
  onProgress: ByteProgress | undefined,
): Promise<StoredPart[]> {
  const { session, key } = uploader;
  const { digest } = document;
  const { receipt } = registered;
  const there = new Map<number, string>();
  const options = {
    transport: session.transport,
    clock: session.clock,
    onProgress: (done: number, total: number) => onProgress?.((total + done) / 2, total),
    there,
  };
  for (let isAgain = isEarlier; ; isAgain = true) {
    const begun = { wrap, sealedMetadata, parts: digest.parts };
    const opened = await session.custodian.startUpload(begun, { key, receipt });
    // What was brought before is not sent again.
    const known = isAgain ? await session.custodian.uploadedParts(recordId, key) : [];
    for (const one of known) {
      there.set(one.number, one.etag);
    }
    const before = there.size;
    try {
      return await putParts(spool, digest, opened.parts, options);
    } catch (error) {
      const isOver = error instanceof SdkError && error.code === 'problem';
      if (!isOver || there.size === before) throw error;
    }
  }
}

async function isStored(uploader: Uploader, recordId: string): Promise<boolean> {
  const record = await findRecord(uploader, recordId);
  return record !== null && record.stored !== null;
}

function metadataOf(
  source: DocumentSource,
  { category, mediaType }: UploadTarget,
  { commitment, salt }: EncryptedDocument,
): RecordMetadata {
  const path = source.path.slice(-PATH_CHARS_MAX);
  const size = source.length;
  return { format: 'carequorum-metadata-1', path, mediaType, size, category, commitment, salt };
}

const PATH_CHARS_MAX = 4_096;
