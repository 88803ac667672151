/** Upload of one document: encrypted first, then registered, stored, and seen stored on the ledger. */
import { toBase64url } from '../lib/crypto/bytes.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import type { CategoryKey } from '../lib/records/category-keys.ts';
import type { SealedText } from '../lib/records/sealed.ts';
import { type ByteProgress, encryptDocument, type EncryptedDocument } from './document.ts';
import { SdkError } from './errors.ts';
import { reasonOf } from './http.ts';
import { itemSchemas, parseValue } from './pages.ts';
import type { DocumentSource, FilePlatform, Spool } from './platform/files.ts';
import type { CertifiedResult } from './proofs.ts';
import {
  type CategoryEpoch,
  FILE_KEY_BYTES,
  fileAad,
  type PreparedMetadata,
  type RecordMetadata,
  sealFileKey,
  sealMetadata,
} from './seal.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';
import { putParts, type TransferOptions } from './transfer.ts';

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

/** Uploads a document; memory is flat. The spool is gone afterwards, whatever happens. */
export async function uploadDocument(
  uploader: Uploader,
  source: DocumentSource,
  target: UploadTarget,
  onProgress?: ByteProgress,
): Promise<Uploaded> {
  const { session, files } = uploader;
  const recordId = randomId();
  const key = randomBytes(FILE_KEY_BYTES);
  const spool = await files.spool();
  try {
    const aad = fileAad(session.client.name, recordId);
    const half: ByteProgress = (done, total) => onProgress?.(done / 2, total);
    const document = await encryptDocument(source, spool, { key, aad, onProgress: half });
    const sealed = await register(uploader, source, target, { recordId, key, document });
    const stored = await store(uploader, spool, { recordId, document, ...sealed }, onProgress);
    return { recordId, path: source.path, registered: sealed.registered, stored };
  } finally {
    key.fill(0);
    await spool.discard();
  }
}

interface Registered {
  readonly registered: CertifiedResult;
  readonly wrap: SealedText;
  readonly metadata: PreparedMetadata;
}

/** Seals to the present category key and registers; anew where the key was renewed meanwhile. */
async function register(
  uploader: Uploader,
  source: DocumentSource,
  target: UploadTarget,
  prepared: { recordId: string; key: Uint8Array; document: EncryptedDocument },
): Promise<Registered> {
  const { session, signer } = uploader;
  const { recordId, key, document } = prepared;
  const network = session.client.name;
  const { pseudonym, categoryTag, dataMonth, supersedes } = target;
  for (let attempt = 1; ; attempt += 1) {
    const { publicKey, month, revision } = await uploader.categoryKey(target);
    const epoch: CategoryEpoch = { pseudonym, categoryTag, month, revision };
    const to = { publicKey, network, recordId, epoch };
    const metadata = await sealMetadata(metadataOf(source, target, document), to);
    const { wrap, digest } = await sealFileKey({ fileKey: key, layers: [] }, to);
    try {
      const registered = await session.client.submit(
        {
          fn: 'record.register',
          args: {
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
          },
        },
        signer,
      );
      return { registered, wrap, metadata };
    } catch (error) {
      if (reasonOf(error) !== 'epoch_superseded' || attempt >= SEAL_TRIES_MAX) throw error;
    }
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
  const { recordId, registered, wrap, metadata } = upload;
  const { digest } = upload.document;
  const options: TransferOptions = {
    transport: session.transport,
    clock: session.clock,
    onProgress: (done, total) => onProgress?.((total + done) / 2, total),
  };
  const opened = await session.custodian.startUpload(
    { wrap, sealedMetadata: metadata.sealed, parts: digest.parts },
    { key, receipt: registered.receipt },
  );
  const parts = await putParts(spool, digest, opened.parts, options);
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

async function isStored({ session, signer }: Uploader, recordId: string): Promise<boolean> {
  const call = { fn: 'record.get', args: { recordId } };
  const value = await session.client.query(call, signer, { fresh: true });
  return parseValue(itemSchemas.record, value, call.fn).stored !== null;
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
