/** Files as ports: what is read from, where ciphertext waits, and where a document appears. */

/** A document to read; the same bytes each time. */
export interface DocumentSource {
  /** Name or path, with `/` between its parts. */
  readonly path: string;
  /** Bytes. */
  readonly length: number;
  /** From `start` (default 0) up to but without `end` (default the length). */
  stream(range?: { start: number; end: number }): AsyncIterable<Uint8Array>;
}

/** A place for bytes that come as a stream and are read again; private, and gone after `discard`. */
export interface Spool {
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing is written after it. */
  close(): Promise<void>;
  read(start: number, end: number): Promise<Uint8Array>;
  stream(): AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

/** A document that appears under its name at once and whole, or not at all. */
export interface DocumentSink {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes it appear; answers where. */
  keep(): Promise<string>;
  /** Removes what was written; harmless after `keep`. */
  discard(): Promise<void>;
}

/** Makes spools and sinks on a platform. */
export interface FilePlatform {
  spool(): Promise<Spool>;
}
