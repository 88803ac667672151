/** The port to the store of ciphertext: uploads in parts, presigned addresses, composite digests. */

export interface StoredPart {
  number: number;
  etag: string;
  /** Bytes. */
  length: number;
}

/** What the store says of a finished object. */
export interface StoredObject {
  /** Bytes. */
  length: number;
  /** SHA-256 over the SHA-256s of its parts, if the store computed it; else null. */
  compositeDigest: Uint8Array | null;
}

export interface PresignedPart {
  url: string;
  /** The client sends exactly these. */
  headers: Record<string, string>;
}

export interface ObjectStore {
  /** Opens an upload in parts; gives its id. */
  begin(key: string): Promise<string>;
  /** An address that takes only bytes with this SHA-256. */
  presignPart(
    key: string,
    upload: { id: string; number: number; checksum: Uint8Array },
    expiresSeconds: number,
  ): Promise<PresignedPart>;
  /** Parts that are there, in order; null where the upload is unknown or finished. */
  parts(key: string, uploadId: string): Promise<StoredPart[] | null>;
  /**
   * Joins the parts. False where the upload is unknown or a part is missing; repeated, it may be
   * either.
   */
  complete(
    key: string,
    uploadId: string,
    parts: readonly { number: number; etag: string; checksum: Uint8Array }[],
  ): Promise<boolean>;
  /** Deletes an unfinished upload; harmless when repeated. */
  abort(key: string, uploadId: string): Promise<void>;
  describe(key: string): Promise<StoredObject | null>;
  read(key: string): AsyncIterable<Uint8Array>;
  /** From `start` up to but without `end`. */
  readRange(key: string, start: number, end: number): Promise<Uint8Array>;
  /** Puts one part of an upload of this service's own; gives its entity tag. */
  putPart(
    key: string,
    upload: { id: string; number: number; checksum: Uint8Array },
    bytes: Uint8Array,
  ): Promise<string>;
  remove(key: string): Promise<void>;
  presignGet(key: string, expiresSeconds: number): Promise<string>;
}
