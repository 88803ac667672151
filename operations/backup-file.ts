/** A backup as a file: lines of JSON, encrypted with age to keys that are kept elsewhere. */
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Decrypter, Encrypter } from 'age-encryption';
import { z } from 'zod';
import { LocalError } from '../local/lib/errors.ts';

const base64 = z.base64();

/** The first line: what the file is a backup of. */
export const headerSchema = z.strictObject({
  format: z.literal('carequorum-backup-1'),
  kind: z.literal('membership'),
  network: z.string(),
  /** SHA-256 of the genesis document, hexadecimal. */
  genesisHash: z.string().regex(/^[0-9a-f]{64}$/),
  takenAt: z.iso.datetime(),
  /** How many lines follow. */
  items: z.int().min(0),
});
export type BackupHeader = z.infer<typeof headerSchema>;

/** One item of a table, as `functions/aws/dynamo-item-store.ts` writes it. */
const itemSchema = z.strictObject({
  pk: z.string().min(1),
  sk: z.string().min(1),
  version: z.int().min(1),
  data: base64,
  /** Seconds since 1970 after which the table may forget it. */
  ttl: z.int().optional(),
});
export type BackupItem = z.infer<typeof itemSchema>;

/** Bytes of lines that are gathered before they are encrypted. */
const CHUNK_BYTES = 256 * 1024;
/** Above what an item of DynamoDB is as a line. */
const LINE_CHARS_MAX = 1_000_000;

/**
 * Writes a backup that the owners of `recipients` can open; the file has its name once it is whole.
 * Throws what `items` throws, or what the signal was aborted with; nothing is left then.
 */
export async function writeBackup(
  path: string,
  recipients: readonly string[],
  { header, items }: { header: BackupHeader; items: AsyncIterable<BackupItem> },
  signal?: AbortSignal,
): Promise<void> {
  const encrypter = encrypterTo(recipients);
  const partial = `${path}.partial-${process.pid}`;
  try {
    const plain = Readable.toWeb(Readable.from(linesOf(header, items), { objectMode: false }));
    const encrypted = await encrypter.encrypt(plain as ReadableStream<Uint8Array>);
    const file = createWriteStream(partial, { mode: 0o600 });
    await pipeline(Readable.fromWeb(encrypted as never), file, signal ? { signal } : {});
    await rename(partial, path);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    await rm(partial, { force: true });
  }
}

/** An open backup: its header, then its items, each time from the file's beginning. */
export interface OpenBackup {
  readonly header: BackupHeader;
  /** Throws `bad_backup` at the end where items are missing. */
  readonly items: () => AsyncGenerator<BackupItem>;
}

/** Opens a backup. Throws LocalError `bad_backup` for what is none, was changed or is cut off. */
export async function openBackup(path: string, identities: readonly string[]): Promise<OpenBackup> {
  const first = parsedLines(path, identities);
  const line = await first.next();
  await first.return(undefined);
  const header = headerSchema.safeParse(line.value);
  if (!header.success) throw badBackup(path, 'it does not begin as a backup does');
  return {
    header: header.data,
    async *items() {
      let count = -1;
      for await (const line of parsedLines(path, identities)) {
        count += 1;
        if (count === 0) continue;
        const item = itemSchema.safeParse(line);
        if (!item.success) throw badBackup(path, `line ${count + 1} is no item`);
        yield item.data;
      }
      if (count !== header.data.items) {
        throw badBackup(path, `it has ${count} of ${header.data.items} items`);
      }
    },
  };
}

function encrypterTo(recipients: readonly string[]): Encrypter {
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (cause) {
      throw new LocalError('bad_option', `${recipient.slice(0, 20)}… is no recipient of age.`, {
        cure: 'npm run backup -- key --out backup.key   (prints the recipient of a fresh key)',
        cause,
      });
    }
  }
  return encrypter;
}

async function* linesOf(
  header: BackupHeader,
  items: AsyncIterable<BackupItem>,
): AsyncGenerator<Buffer> {
  let text = `${JSON.stringify(header)}\n`;
  for await (const item of items) {
    text += `${JSON.stringify(item)}\n`;
    if (text.length < CHUNK_BYTES) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

async function* parsedLines(
  path: string,
  identities: readonly string[],
): AsyncGenerator<unknown, void> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  const file = createReadStream(path);
  try {
    const plain = await decrypter.decrypt(Readable.toWeb(file) as ReadableStream<Uint8Array>);
    let rest = '';
    const decoder = new TextDecoder();
    for await (const part of plain) {
      const lines = (rest + decoder.decode(part, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LINE_CHARS_MAX) throw badBackup(path, 'a line is too long');
      for (const line of lines) yield JSON.parse(line) as unknown;
    }
    if (rest !== '') throw badBackup(path, 'its last line is cut off');
  } catch (cause) {
    if (cause instanceof LocalError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw badBackup(path, why, cause);
  } finally {
    file.destroy();
  }
}

function badBackup(path: string, why: string, cause?: unknown): LocalError {
  return new LocalError('bad_backup', `${path} cannot be read as a backup: ${why}.`, {
    cure: 'Give the file as it was written, and the key that it was made for.',
    ...(cause === undefined ? {} : { cause }),
  });
}
