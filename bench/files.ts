/** `bench files`: encryption and decryption of files, against raw WebCrypto AES-GCM in one run. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { utf8 } from '../lib/crypto/bytes.ts';
import { decryptFile, encryptFile, SEGMENT_BYTES } from '../lib/crypto/file-format.ts';
import { Layers } from '../lib/crypto/layer.ts';
import { randomBytes } from '../lib/crypto/random.ts';
import { encryptDocument } from '../sdk/document.ts';
import type { Spool } from '../sdk/platform/files.ts';
import { median, table } from './report.ts';

const inFlight = 4;
const mebibyte = 1024 * 1024;

export interface FileFigures {
  size: string;
  encryptMiBs: number;
  decryptMiBs: number;
  rawEncryptMiBs: number;
  rawDecryptMiBs: number;
  encryptShare: number;
  decryptShare: number;
  /** Peak resident memory above the start of the measurement, MiB. */
  peakMiB: number;
}

const block = randomBytes(mebibyte);

/** A stream of one buffer over and over: the source costs nothing and memory stays flat. */
async function* source(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= block.length) {
    yield left >= block.length ? block : block.subarray(0, left);
  }
}

/** Raw AES-GCM over segments of the same size with as many in flight, nothing else. */
async function raw(bytes: number, mode: 'encrypt' | 'decrypt'): Promise<number> {
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ]);
  const iv = new Uint8Array(12);
  const plain = randomBytes(SEGMENT_BYTES - 16);
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, plain);
  const segments = Math.max(1, Math.ceil(bytes / SEGMENT_BYTES));
  const run = () =>
    mode === 'encrypt'
      ? crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, plain)
      : crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed);
  const started = performance.now();
  let left = segments;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await run();
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, segments) }, lane));
  return rate(bytes, started);
}

async function ours(bytes: number): Promise<{ encrypt: number; decrypt: number }> {
  const key = randomBytes(32);
  const aad = utf8('bench');
  const started = performance.now();
  const header = { salt: randomBytes(32), noncePrefix: randomBytes(7) };
  for await (const chunk of encryptFile(key, aad, source(bytes), { inFlight, ...header })) {
    void chunk;
  }
  const encrypt = rate(bytes, started);
  // Decryption is timed alone: each piece of ciphertext is made before its clock starts.
  const decrypt = await timedDecryption(key, aad, bytes, header);
  return { encrypt, decrypt };
}

async function timedDecryption(
  key: Uint8Array,
  aad: Uint8Array,
  bytes: number,
  header: { salt: Uint8Array; noncePrefix: Uint8Array },
): Promise<number> {
  const chunkBytes = Math.min(bytes, 64 * mebibyte);
  const pieces: Uint8Array[] = [];
  for await (const chunk of encryptFile(key, aad, source(chunkBytes), { inFlight, ...header })) {
    pieces.push(chunk);
  }
  const rounds = Math.max(1, Math.round(bytes / chunkBytes));
  const started = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    async function* sealed(): AsyncGenerator<Uint8Array> {
      yield* pieces;
    }
    for await (const chunk of decryptFile(key, aad, sealed(), { inFlight })) void chunk;
  }
  return rate(chunkBytes * rounds, started);
}

function rate(bytes: number, started: number): number {
  return bytes / mebibyte / ((performance.now() - started) / 1000);
}

export async function benchFiles(options: { sizesMiB?: number[] } = {}): Promise<FileFigures[]> {
  const figures: FileFigures[] = [];
  for (const sizeMiB of options.sizesMiB ?? [1, 100, 2048]) {
    const bytes = sizeMiB * mebibyte;
    const rounds = sizeMiB <= 1 ? 41 : sizeMiB <= 100 ? 7 : 1;
    const before = process.memoryUsage.rss();
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
    const runs: { encrypt: number; decrypt: number; e: number; d: number }[] = [];
    await ours(bytes < 2 * mebibyte ? bytes : 2 * mebibyte);
    for (let round = 0; round < rounds; round += 1) {
      await nextTurn();
      const own = await ours(bytes);
      const rawRates = { e: await raw(bytes, 'encrypt'), d: await raw(bytes, 'decrypt') };
      runs.push({ ...own, ...rawRates });
    }
    clearInterval(watch);
    const of = (pick: (run: (typeof runs)[number]) => number) => median(runs.map(pick));
    figures.push({
      size: sizeMiB < 1024 ? `${sizeMiB} MiB` : `${sizeMiB / 1024} GiB`,
      encryptMiBs: of((run) => run.encrypt),
      decryptMiBs: of((run) => run.decrypt),
      rawEncryptMiBs: of((run) => run.e),
      rawDecryptMiBs: of((run) => run.d),
      encryptShare: of((run) => run.encrypt / run.e),
      decryptShare: of((run) => run.decrypt / run.d),
      peakMiB: (peak - before) / mebibyte,
    });
  }
  return figures;
}

export interface DocumentFigures {
  size: string;
  /** Padding, encryption, commitment and registered digest, as an upload does them. */
  uploadMiBs: number;
  /** One layer of a rotation, put on part by part. */
  layerMiBs: number;
  peakMiB: number;
}

/** The way of a whole document, with nothing written: the source is made up, the spool forgets. */
export async function benchDocument(sizeMiB: number): Promise<DocumentFigures> {
  const bytes = sizeMiB * mebibyte;
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const started = performance.now();
  await encryptDocument({ path: 'made up', length: bytes, stream: () => source(bytes) }, nowhere, {
    ...{ key: randomBytes(32), aad: utf8('bench'), salt: randomBytes(32) },
    header: { salt: randomBytes(32), noncePrefix: randomBytes(7) },
  });
  const uploadMiBs = rate(bytes, started);
  const layers = await Layers.of([randomBytes(32)]);
  const again = performance.now();
  for (let at = 0; at < bytes; at += block.length) await layers.apply(at, block);
  const layerMiBs = rate(bytes, again);
  clearInterval(watch);
  const size = sizeMiB < 1024 ? `${sizeMiB} MiB` : `${sizeMiB / 1024} GiB`;
  return { size, uploadMiBs, layerMiBs, peakMiB: (peak - before) / mebibyte };
}

const nowhere: Spool = {
  write: async () => undefined,
  close: async () => undefined,
  read: async () => new Uint8Array(),
  stream: () => source(0),
  discard: async () => undefined,
};

export function documentTable(figures: readonly DocumentFigures[]): string {
  return table(
    ['document', 'made ready MiB/s', 'layer MiB/s', 'peak memory MiB'],
    figures.map((one) => [
      one.size,
      one.uploadMiBs.toFixed(0),
      one.layerMiBs.toFixed(0),
      one.peakMiB.toFixed(0),
    ]),
  );
}

export function filesTable(figures: readonly FileFigures[]): string {
  return table(
    ['file', 'encrypt MiB/s', 'of raw', 'decrypt MiB/s', 'of raw', 'peak memory MiB'],
    figures.map((one) => [
      one.size,
      one.encryptMiBs.toFixed(0),
      one.encryptShare.toFixed(2),
      one.decryptMiBs.toFixed(0),
      one.decryptShare.toFixed(2),
      one.peakMiB.toFixed(0),
    ]),
  );
}
