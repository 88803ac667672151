/** Finds the genesis document of a file that is checked: beside it, or in the current folder. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { toHex } from '../lib/crypto/bytes.ts';
import { limits } from '../lib/limits.ts';
import { type Genesis, parseGenesis } from '../lib/wire/genesis.ts';

/** Files of a folder that are looked at, and their bytes: a document twice escaped, with signatures. */
const FILES_MAX = 64;
const BYTES_MAX = 4 * limits.genesisBytesMax;

export interface FoundGenesis {
  readonly path: string;
  readonly genesis: Genesis;
}

/** The document with this hash (hexadecimal) in the folders, or null; each folder is looked at once. */
export async function findGenesis(
  genesisHash: string,
  folders: readonly string[],
): Promise<FoundGenesis | null> {
  for (const folder of new Set(folders.map((one) => resolve(one)))) {
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
    for (const name of names.sort().slice(0, FILES_MAX)) {
      const path = join(folder, name);
      const genesis = await genesisIn(path);
      if (genesis && toHex(genesis.hash) === genesisHash) return { path, genesis };
    }
  }
  return null;
}

/** Where a document may lie: beside the file that is checked, then where the command runs. */
export function foldersOf(path: string): string[] {
  return [dirname(path), '.'];
}

/** A genesis document, bare or signed or in a network file; null for any other file. */
async function genesisIn(path: string): Promise<Genesis | null> {
  try {
    const { size } = await stat(path);
    return size > BYTES_MAX ? null : genesisOfText(await readFile(path, 'utf8')).genesis;
  } catch {
    return null;
  }
}

/** Throws unless the text is a genesis document, a signed one, or a network file. */
export function genesisOfText(content: string): { text: string; genesis: Genesis } {
  const parsed: unknown = JSON.parse(content);
  const text = documentIn(parsed) ?? documentIn(memberOf(parsed, 'genesis')) ?? content;
  return { text, genesis: parseGenesis(text) };
}

function documentIn(value: unknown): string | null {
  const document = memberOf(value, 'document');
  return typeof document === 'string' ? document : null;
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return null;
  return (value as Record<string, unknown>)[name] ?? null;
}
