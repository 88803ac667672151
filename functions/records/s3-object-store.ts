/** `ObjectStore` in S3: multipart uploads with SHA-256 of every part. */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { fromBase64, toBase64 } from '../../lib/crypto/bytes.ts';
import { counted } from '../aws/call-count.ts';
import type { ObjectStore, StoredObject, StoredPart } from './object-store.ts';

const CHECKSUM_HEADER = 'x-amz-checksum-sha256';
const DIGEST_BYTES = 32;
/** What S3 says of an upload or object that is not there, or of parts that do not fit. */
const UNKNOWN_UPLOAD: ReadonlySet<string> = new Set(['NoSuchUpload', 'InvalidPart']);
const UNKNOWN_OBJECT: ReadonlySet<string> = new Set(['NotFound', 'NoSuchKey']);

/** A client whose addresses clients can reach: by path where an endpoint is configured. */
export function s3Client(endpoint: string | undefined): S3Client {
  return counted(
    new S3Client({
      maxAttempts: 4,
      // Checksums that nobody asked for would become part of presigned addresses.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    }),
  );
}

export function s3ObjectStore(client: S3Client, bucket: string): ObjectStore {
  const at = (key: string) => ({ Bucket: bucket, Key: key });
  return {
    async begin(key) {
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({
          ...at(key),
          ChecksumAlgorithm: 'SHA256',
          ChecksumType: 'COMPOSITE',
          ContentType: 'application/octet-stream',
        }),
      );
      if (UploadId === undefined) throw new Error('the store opened no upload');
      return UploadId;
    },
    async presignPart(key, { id, number, checksum }, expiresSeconds) {
      const text = toBase64(checksum);
      const command = new UploadPartCommand({
        ...at(key),
        UploadId: id,
        PartNumber: number,
        ChecksumSHA256: text,
      });
      const url = await getSignedUrl(client, command, {
        expiresIn: expiresSeconds,
        // Signed as a header, it binds the address to these bytes.
        unhoistableHeaders: new Set([CHECKSUM_HEADER]),
      });
      return { url, headers: { [CHECKSUM_HEADER]: text } };
    },
    parts: (key, uploadId) => listParts(client, { ...at(key), UploadId: uploadId }),
    async complete(key, uploadId, parts) {
      const command = new CompleteMultipartUploadCommand({
        ...at(key),
        UploadId: uploadId,
        MultipartUpload: {
          Parts: parts.map(({ number, etag, checksum }) => ({
            PartNumber: number,
            ETag: etag,
            ChecksumSHA256: toBase64(checksum),
          })),
        },
      });
      return isKnown(UNKNOWN_UPLOAD, () => client.send(command));
    },
    async abort(key, uploadId) {
      const command = new AbortMultipartUploadCommand({ ...at(key), UploadId: uploadId });
      await isKnown(UNKNOWN_UPLOAD, () => client.send(command));
    },
    describe: (key) => describe(client, at(key)),
    async *read(key) {
      const { Body } = await client.send(new GetObjectCommand(at(key)));
      if (!Body) throw new Error('the store gave an object without bytes');
      yield* Body.transformToWebStream() as unknown as AsyncIterable<Uint8Array>;
    },
    readRange: (key, start, end) => readRange(client, at(key), start, end),
    putPart: (key, upload, bytes) => putPart(client, at(key), upload, bytes),
    async remove(key) {
      await client.send(new DeleteObjectCommand(at(key)));
    },
    async presignGet(key, expiresSeconds) {
      const command = new GetObjectCommand({ ...at(key), ResponseCacheControl: 'no-store' });
      return getSignedUrl(client, command, { expiresIn: expiresSeconds });
    },
  };
}

async function readRange(
  client: S3Client,
  object: { Bucket: string; Key: string },
  start: number,
  end: number,
): Promise<Uint8Array> {
  const range = { ...object, Range: `bytes=${start}-${end - 1}` };
  const { Body } = await client.send(new GetObjectCommand(range));
  const bytes = await Body?.transformToByteArray();
  if (bytes?.length !== end - start) throw new Error('the store gave another range');
  return bytes;
}

async function putPart(
  client: S3Client,
  object: { Bucket: string; Key: string },
  { id, number, checksum }: { id: string; number: number; checksum: Uint8Array },
  bytes: Uint8Array,
): Promise<string> {
  const upload = { UploadId: id, PartNumber: number, ChecksumSHA256: toBase64(checksum) };
  const { ETag } = await client.send(new UploadPartCommand({ ...object, ...upload, Body: bytes }));
  if (ETag === undefined) throw new Error('the store gave no entity tag');
  return ETag;
}

async function listParts(
  client: S3Client,
  upload: { Bucket: string; Key: string; UploadId: string },
): Promise<StoredPart[] | null> {
  const parts: StoredPart[] = [];
  let marker: string | undefined;
  try {
    do {
      const page = await client.send(
        new ListPartsCommand({ ...upload, ...(marker && { PartNumberMarker: marker }) }),
      );
      for (const { PartNumber, ETag, Size } of page.Parts ?? []) {
        if (PartNumber === undefined || ETag === undefined) continue;
        parts.push({ number: PartNumber, etag: ETag, length: Size ?? 0 });
      }
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return parts;
  } catch (error) {
    if (hasName(error, UNKNOWN_UPLOAD)) return null;
    throw error;
  }
}

async function describe(
  client: S3Client,
  object: { Bucket: string; Key: string },
): Promise<StoredObject | null> {
  try {
    const head = await client.send(new HeadObjectCommand({ ...object, ChecksumMode: 'ENABLED' }));
    return {
      length: head.ContentLength ?? 0,
      compositeDigest: compositeOf(head.ChecksumSHA256, head.ChecksumType),
    };
  } catch (error) {
    if (hasName(error, UNKNOWN_OBJECT)) return null;
    throw error;
  }
}

/** `<digest>-<parts>`: only this form is over the parts' digests. */
function compositeOf(checksum: string | undefined, type: string | undefined): Uint8Array | null {
  const [digest, parts] = (checksum ?? '').split('-');
  if (type !== 'COMPOSITE' || !digest || !parts || !/^\d+$/.test(parts)) return null;
  const bytes = fromBase64(digest);
  return bytes.length === DIGEST_BYTES ? bytes : null;
}

async function isKnown(
  unknown: ReadonlySet<string>,
  send: () => Promise<unknown>,
): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    if (hasName(error, unknown)) return false;
    throw error;
  }
}

function hasName(error: unknown, names: ReadonlySet<string>): boolean {
  return error instanceof Error && names.has(error.name);
}
