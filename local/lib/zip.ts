// A ZIP archive of one small file, stored as it is (PKWARE APPNOTE 4.3), for Lambda's API.
import { crc32 } from 'node:zlib';

const VERSION = 20;
/** 1980-01-01: the archive of the same file is the same bytes. */
const DATE = 0x21;
/** A regular file that its owner may write and everybody may read. */
const UNIX_MODE = 0o100644;
const MADE_BY_UNIX = (3 << 8) | VERSION;

/** The archive's bytes; the name is ASCII. */
export function zipOf(name: string, content: Buffer): Buffer {
  const path = Buffer.from(name, 'ascii');
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  writeEntry(local, 4, path, content);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(MADE_BY_UNIX, 4);
  writeEntry(central, 6, path, content);
  central.writeUInt32LE(UNIX_MODE * 0x10000, 38);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length + path.length, 12);
  end.writeUInt32LE(local.length + path.length + content.length, 16);
  return Buffer.concat([local, path, content, central, path, end]);
}

/** The fields that both headers of an entry share, in the same order. */
function writeEntry(header: Buffer, at: number, path: Buffer, content: Buffer): void {
  header.writeUInt16LE(VERSION, at);
  header.writeUInt16LE(DATE, at + 8);
  header.writeUInt32LE(crc32(content), at + 10);
  header.writeUInt32LE(content.length, at + 14);
  header.writeUInt32LE(content.length, at + 18);
  header.writeUInt16LE(path.length, at + 22);
}
