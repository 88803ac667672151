/** Public keys as people give them: as text, or as the open part of a keystore file. */
import { readFile } from 'node:fs/promises';
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { parseKeystoreFile } from '../sdk/keystore-format.ts';

export async function publicKeyOf(text: string): Promise<Uint8Array> {
  const isKey = /^[A-Za-z0-9_-]{87}$/.test(text);
  return fromBase64url(isKey ? text : parseKeystoreFile(await readFile(text, 'utf8')).publicKey);
}
