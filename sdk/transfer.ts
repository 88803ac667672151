/** Bytes to and from the custodian's store over presigned addresses: parts up, one stream down. */
import { equalBytes, toBase64url } from '../lib/crypto/bytes.ts';
import { type FileDigest, FileDigester } from '../lib/crypto/file-digest.ts';
import { Layers } from '../lib/crypto/layer.ts';
import { planUpload } from '../lib/records/upload-plan.ts';
import { backOffMs, type Clock } from './clock.ts';
import type { UploadTarget } from './custodian-client.ts';
import type { ByteProgress } from './document.ts';
import { SdkError } from './errors.ts';
import type { Transport } from './http.ts';
import type { Spool } from './platform/files.ts';

export interface TransferOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly onProgress?: ByteProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A part that the store holds. */
export interface StoredPart {
  readonly number: number;
  readonly etag: string;
  /** SHA-256 of the part, base64url. */
  readonly checksum: string;
}

const PARTS_IN_FLIGHT = 2;
const TRIES_MAX = 5;
const RETRY_BASE_MS = 300;
const RETRY_MAX_MS = 5_000;
/** For one part of 8 MiB: a link of 0.5 Mbit/s is still served. */
const PART_TIMEOUT_MS = 180_000;
const DOWNLOAD_TIMEOUT_MS = 3_600_000;

/**
 * Puts all parts but those that `there` names; gives them in order, as the custodian is told of
 * them. Each part that is done is in `there` afterwards, also where the transfer breaks off.
 */
export async function putParts(
  spool: Spool,
  digest: FileDigest,
  targets: readonly UploadTarget[],
  options: TransferOptions & { readonly there: Map<number, string> },
): Promise<StoredPart[]> {
  const plan = planUpload(digest.length);
  const { there: etags } = options;
  let done = 0;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let part = plan[next]; part; part = plan[next]) {
      next += 1;
      if (etags.has(part.number)) {
        done += part.length;
        continue;
      }
      const target = targets.find((one) => one.number === part.number);
      if (!target) throw badPlan();
      const bytes = await spool.read(part.offset, part.offset + part.length);
      etags.set(part.number, await putPart(target, bytes, options));
      done += part.length;
      options.onProgress?.(done, digest.length);
    }
  };
  await Promise.all(Array.from({ length: PARTS_IN_FLIGHT }, worker));
  return plan.map(({ number }) => ({
    number,
    etag: etags.get(number) as string,
    checksum: toBase64url(digest.parts[number - 1] as Uint8Array),
  }));
}

async function putPart(
  target: UploadTarget,
  bytes: Uint8Array,
  { transport, clock, signal }: TransferOptions,
): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    const timeout = AbortSignal.timeout(PART_TIMEOUT_MS);
    try {
      const response = await transport(target.url, {
        method: 'PUT',
        body: bytes as Uint8Array<ArrayBuffer>,
        // Signed with the address: the store takes no bytes of another SHA-256.
        headers: target.headers,
        signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
      });
      await response.arrayBuffer();
      if (response.ok) return response.headers.get('etag') ?? '';
      if (response.status < 500 && response.status !== 429) throw refusedBytes(response.status);
      throw new Error(`HTTP ${response.status}`);
    } catch (cause) {
      if (cause instanceof SdkError) throw cause;
      if (signal?.aborted || attempt + 1 >= TRIES_MAX) throw interrupted(cause);
    }
    await clock.sleep(backOffMs(attempt, RETRY_BASE_MS, RETRY_MAX_MS), signal);
  }
}

/** What the ledger says of the ciphertext. */
export interface ExpectedCiphertext {
  readonly length: number;
  /** Of the bytes as they are stored now, 32 bytes. */
  readonly digest: Uint8Array;
  /** Keys of the layers that rotations put on, and the digest below them: as it was uploaded. */
  readonly layers: readonly Uint8Array[];
  readonly original: Uint8Array;
}

/**
 * Streams a ciphertext into `spool`, without its layers, and compares length and both digests with
 * the ledger. `address`
 * gives a fresh URL for each try; a broken stream goes on where it ended. Throws `mismatch`.
 */
export async function download(
  address: () => Promise<string>,
  spool: Spool,
  expected: ExpectedCiphertext,
  options: TransferOptions,
): Promise<void> {
  const { transport, clock, onProgress, signal } = options;
  const digester = new FileDigester();
  const layers = await Layers.of(expected.layers);
  const below = expected.layers.length > 0 ? new FileDigester() : null;
  let done = 0;
  for (let attempt = 0; done < expected.length; attempt += 1) {
    const timeout = AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS);
    try {
      const response = await transport(await address(), {
        method: 'GET',
        headers: done > 0 ? { range: `bytes=${done}-` } : {},
        signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
      });
      if (response.status === 404) throw lostBytes();
      if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
      if ((announcedLength(response) ?? expected.length) !== expected.length) throw wrongBytes();
      let skip = response.status === 206 ? 0 : done;
      for await (const received of response.body as AsyncIterable<Uint8Array>) {
        const chunk = received.subarray(Math.min(skip, received.length));
        skip -= received.length - chunk.length;
        if (done + chunk.length > expected.length) throw wrongBytes();
        await digester.update(chunk);
        const stripped = await layers.apply(done, chunk);
        await below?.update(stripped);
        await spool.write(stripped);
        done += chunk.length;
        onProgress?.(done, expected.length);
      }
      if (done < expected.length) throw new Error('the stream ended early');
    } catch (cause) {
      const isFinal = cause instanceof SdkError && cause.code !== 'unreachable';
      if (isFinal) throw cause;
      if (signal?.aborted || attempt + 1 >= TRIES_MAX) throw interrupted(cause);
      await clock.sleep(backOffMs(attempt, RETRY_BASE_MS, RETRY_MAX_MS), signal);
    }
  }
  await spool.close();
  const found = await digester.finish();
  if (!equalBytes(found.digest, expected.digest)) throw wrongBytes();
  const original = below ? await below.finish() : found;
  if (!equalBytes(original.digest, expected.original)) throw wrongLayers();
}

/** Length of the whole object as the store tells it (RFC 9110, 8.6 and 14.4), or null. */
function announcedLength({ status, headers }: Response): number | null {
  const range = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
  const length = headers.get('content-encoding') ? null : headers.get('content-length');
  const text = status === 206 ? range : length;
  return text === undefined || text === null ? null : Number(text);
}

function badPlan(): SdkError {
  return new SdkError('bad_answer', 'The custodian gave addresses for other parts.', {
    nextStep: 'Check that both sides have the same version.',
  });
}

function refusedBytes(status: number): SdkError {
  return new SdkError('problem', `The store refused a part (HTTP ${status}).`, {
    nextStep: 'Run the command again: an upload goes on where it ended.',
  });
}

function interrupted(cause: unknown): SdkError {
  return new SdkError('unreachable', 'The transfer to or from the store broke off.', {
    nextStep: 'Run the command again.',
    cause,
  });
}

function wrongLayers(): SdkError {
  return new SdkError('mismatch', 'Below its layers the record is not what was uploaded.', {
    nextStep: 'Nothing was written. Tell the patient and the custodian.',
  });
}

function lostBytes(): SdkError {
  return new SdkError('mismatch', 'The store does not have the bytes that the ledger names.', {
    nextStep: 'Nothing was written. Tell the custodian.',
  });
}

function wrongBytes(): SdkError {
  return new SdkError('mismatch', 'The custodian gave other bytes than the ledger names.', {
    nextStep: 'Nothing was written. Tell the custodian.',
  });
}
