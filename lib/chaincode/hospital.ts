/** A hospital's own service: it signs with the read key that its validator's KMS key certified. */
import { thumbprint } from '../crypto/p256.ts';
import { cells } from './cells.ts';
import type { Reader } from './draft.ts';
import { entryOf } from './seats.ts';
import type { Identity } from './values.ts';

/** The read key of a present seat with this thumbprint: it dies with the seat's incarnation. */
export async function readKeyNamed(
  reader: Pick<Reader, 'get'>,
  kid: string,
): Promise<{ hospital: string; publicKey: Uint8Array } | null> {
  const sessions = (await reader.get(cells.sessions)) ?? [];
  const found = sessions.find(
    ({ body }) => body.purpose === 'read' && thumbprint(body.key) === kid,
  );
  return found ? { hospital: found.body.validator, publicKey: found.body.key } : null;
}

/** Who acts with that key. It has no entry of its own, so nothing is left when the key is over. */
export async function hospitalIdentity(reader: Reader, kid: string): Promise<Identity | null> {
  const found = await readKeyNamed(reader, kid);
  if (!found) return null;
  const { hospital, publicKey } = found;
  const { name, since } = await entryOf(reader, hospital);
  return {
    role: 'hospital',
    subject: `hospital-${hospital}`,
    ...{ hospital, name, publicKey, since },
    encryptionKeyDigest: null,
    validUntil: null,
    serial: '',
    status: 'active',
    ended: null,
    successor: null,
  };
}
