/** Files on Node: written whole or not at all, readable by their owner only, streamed. */
import { randomBytes } from 'node:crypto';
import { createReadStream, type PathLike } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { SdkError } from '../errors.ts';
import type { DocumentSink, DocumentSource, FilePlatform, Spool } from './files.ts';

/** Bytes read from a file at once. */
const READ_CHUNK_BYTES = 1_048_576;
const PRIVATE_MODE = 0o600;
const PUBLIC_MODE = 0o644;

export interface WriteOptions {
  /** @default false: readable by others */
  readonly isPrivate?: boolean;
  /** @default true; false throws EEXIST where the path is taken */
  readonly overwrite?: boolean;
}

/** The text of a file, or null where there is none. */
export async function readTextFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Writes `text` so that a crash leaves the old file or the new one, never a mixture. */
export async function writeTextFile(
  path: string,
  text: string,
  { isPrivate = false, overwrite = true }: WriteOptions = {},
): Promise<void> {
  if (!overwrite && (await fileExists(path))) throw taken(path);
  await mkdir(dirname(path), { recursive: true });
  const temporary = siblingPath(path);
  try {
    const file = await open(temporary, 'wx', isPrivate ? PRIVATE_MODE : PUBLIC_MODE);
    try {
      await file.writeFile(text, 'utf8');
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

export async function fileExists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** Length of a regular file in bytes. Throws `bad_input` on anything else. */
async function fileLength(path: PathLike): Promise<number> {
  const found = await stat(path).catch(() => null);
  if (!found?.isFile()) {
    throw new SdkError('bad_input', `${shown(path)} is not a file that can be read.`, {
      nextStep: 'Check the path.',
    });
  }
  return found.size;
}

/** The bytes of a file from `start` up to but without `end`, in chunks; memory stays flat. */
function readFileStream(
  path: PathLike,
  range?: { start: number; end: number },
): AsyncIterable<Uint8Array> {
  if (range && range.end <= range.start) return emptyStream();
  const bounds = range ? { start: range.start, end: range.end - 1 } : {};
  return createReadStream(path, { highWaterMark: READ_CHUNK_BYTES, ...bounds });
}

/** Part of a file as one array. */
async function readFileRange(path: string, start: number, end: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(end - start);
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}

/** Spools among the system's temporary files; private to this user. */
export const nodeFiles: FilePlatform = {
  async spool() {
    const path = siblingPath(join(tmpdir(), 'carequorum'));
    const file = await openStaged(path);
    return {
      ...file,
      read: (start, end) => readFileRange(path, start, end),
      stream: () => readFileStream(path),
    };
  },
};

/** A document on disk. Throws `bad_input` unless it is a regular file. */
export async function fileSource(
  path: PathLike,
  shownAs: string = shown(path),
): Promise<DocumentSource> {
  return {
    path: shownAs,
    length: await fileLength(path),
    stream: (range) => readFileStream(path, range),
  };
}

/** The first bytes of a file: what tells its type. */
export async function readFileStart(path: PathLike, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readFileStream(path, { start: 0, end: bytesMax })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A regular file below a folder. */
export interface FoundFile {
  /** Bytes, since a name need not be valid text. */
  readonly path: Buffer;
  /** Path below the folder, with `/` between its parts. */
  readonly relative: string;
}

/** Every regular file below a folder, in the order of names; links and devices are passed over. */
export async function walkFiles(folder: string): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  const separator = Buffer.from('/');
  const visit = async (at: Buffer, relative: string): Promise<void> => {
    const entries = await readdir(at, { withFileTypes: true, encoding: 'buffer' });
    entries.sort((a, b) => Buffer.compare(a.name, b.name));
    for (const entry of entries) {
      const path = Buffer.concat([at, separator, entry.name]);
      const below = `${relative}${entry.name.toString('utf8')}`;
      if (entry.isDirectory()) await visit(path, `${below}/`);
      else if (entry.isFile()) found.push({ path, relative: below });
    }
  };
  const top = await stat(folder).catch(() => null);
  if (!top?.isDirectory()) {
    throw new SdkError('bad_input', `${folder} is not a folder.`, { nextStep: 'Check the path.' });
  }
  await visit(Buffer.from(folder), '');
  return found;
}

/** A document that appears at `target`, whose folder is made. Throws `bad_input` where it is taken. */
export async function fileSink(target: string): Promise<DocumentSink> {
  if (await fileExists(target)) {
    throw new SdkError('bad_input', `${target} is there already.`, {
      nextStep: 'Give another --out, or move that file away: nothing is overwritten.',
    });
  }
  await mkdir(dirname(target), { recursive: true });
  const path = siblingPath(target);
  const file = await openStaged(path);
  return {
    write: (bytes) => file.write(bytes),
    discard: () => file.discard(),
    async keep() {
      await file.close();
      await rename(path, target);
      return target;
    },
  };
}

async function openStaged(path: string): Promise<Pick<Spool, 'write' | 'close' | 'discard'>> {
  const file = await open(path, 'wx', PRIVATE_MODE);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await file.close();
  };
  return {
    close,
    async write(bytes) {
      let written = 0;
      while (written < bytes.length) {
        const { bytesWritten } = await file.write(bytes, written);
        written += bytesWritten;
      }
    },
    async discard() {
      await close();
      await rm(path, { force: true });
    },
  };
}

/** Runs `work` while no other program holds the lock file of `path`. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  await takeLock(lock);
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

const LOCK_TRIES_MAX = 100;
const LOCK_WAIT_MS = 50;
/** A lock is held for milliseconds; one this old was left by a program that ended. */
const LOCK_STALE_MS = 10_000;

async function takeLock(lock: string): Promise<void> {
  await mkdir(dirname(lock), { recursive: true });
  for (let attempt = 0; attempt < LOCK_TRIES_MAX; attempt += 1) {
    try {
      await (await open(lock, 'wx', PRIVATE_MODE)).close();
      return;
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    const age = Date.now() - ((await stat(lock).catch(() => null))?.mtimeMs ?? Date.now());
    if (age > LOCK_STALE_MS) await rm(lock, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, LOCK_WAIT_MS));
  }
  throw new SdkError('keystore_changed', `${basename(lock)} is held by another program.`, {
    nextStep: `Wait for it to end, or delete ${lock} if there is none.`,
  });
}

function shown(path: PathLike): string {
  return Buffer.isBuffer(path) ? path.toString('utf8') : String(path);
}

function siblingPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
}

function taken(path: string): Error {
  return Object.assign(new Error(`${path} is there already`), { code: 'EEXIST' });
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

async function* emptyStream(): AsyncGenerator<Uint8Array, void, undefined> {
  // A range without bytes.
}
