/** `ObjectStore` in memory: uploads in parts, with or without checksums of its own. */
import { randomId } from '../../lib/crypto/random.ts';
import { concatBytes } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { compositeDigest } from '../../lib/records/upload-plan.ts';
import type { ObjectStore } from '../../functions/records/object-store.ts';

export interface MemoryObjects extends ObjectStore {
  /** What a client sends to a presigned address. */
  put(url: string, bytes: Uint8Array): void;
  objects: Map<string, { bytes: Uint8Array; parts: Uint8Array[] }>;
  uploads: Map<string, Map<number, Uint8Array>>;
  /** Without checksums the custodian reads the object itself. */
  hasChecksums: boolean;
}

export function memoryObjects(): MemoryObjects {
  const objects: MemoryObjects['objects'] = new Map();
  const uploads: MemoryObjects['uploads'] = new Map();
  const etagOf = (bytes: Uint8Array): string => `"${Buffer.from(sha256(bytes)).toString('hex')}"`;
  const store: MemoryObjects = {
    objects,
    uploads,
    hasChecksums: true,
    put(url, bytes) {
      const { searchParams, pathname } = new URL(url);
      const upload = uploads.get(`${pathname.slice(1)} ${searchParams.get('upload')}`);
      if (!upload) throw new Error('NoSuchUpload');
      upload.set(Number(searchParams.get('part')), bytes);
    },
    async begin(key) {
      const id = randomId();
      uploads.set(`${key} ${id}`, new Map());
      return id;
    },
    async presignPart(key, { id, number }) {
      return { url: `http://store.test/${key}?upload=${id}&part=${number}`, headers: {} };
    },
    async parts(key, uploadId) {
      const upload = uploads.get(`${key} ${uploadId}`);
      if (!upload) return null;
      return [...upload]
        .sort(([a], [b]) => a - b)
        .map(([number, bytes]) => ({ number, etag: etagOf(bytes), length: bytes.length }));
    },
    async complete(key, uploadId, parts) {
      const upload = uploads.get(`${key} ${uploadId}`);
      const there = parts.map(({ number }) => upload?.get(number));
      if (!upload || there.some((bytes, i) => !bytes || etagOf(bytes) !== parts[i]?.etag)) {
        return false;
      }
      const bytes = there as Uint8Array[];
      objects.set(key, { bytes: concatBytes(...bytes), parts: bytes });
      uploads.delete(`${key} ${uploadId}`);
      return true;
    },
    async abort(key, uploadId) {
      uploads.delete(`${key} ${uploadId}`);
    },
    async describe(key) {
      const object = objects.get(key);
      if (!object) return null;
      const digest = store.hasChecksums ? compositeDigest(object.parts.map(sha256)) : null;
      return { length: object.bytes.length, compositeDigest: digest };
    },
    async *read(key) {
      yield objects.get(key)?.bytes ?? new Uint8Array(0);
    },
    async readRange(key, start, end) {
      return (objects.get(key)?.bytes ?? new Uint8Array(0)).slice(start, end);
    },
    async putPart(key, { id, number }, bytes) {
      const upload = uploads.get(`${key} ${id}`);
      if (!upload) throw new Error('NoSuchUpload');
      upload.set(number, bytes.slice());
      return etagOf(bytes);
    },
    async remove(key) {
      objects.delete(key);
    },
    async presignGet(key, expiresSeconds) {
      return `http://store.test/${key}?expires=${expiresSeconds}`;
    },
  };
  return store;
}
