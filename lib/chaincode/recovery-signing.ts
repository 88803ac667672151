/** What guardians commit to and sign: the same bytes on every device and validator. */
import { toBase64url, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';

/** The commitment to a guardian's signing key. The salt keeps two patients' apart. */
export function guardianKeyCommitment({
  network,
  setupId,
  salt,
  publicKey,
}: {
  network: string;
  setupId: string;
  /** Random, 16 bytes as text. */
  salt: string;
  publicKey: Uint8Array;
}): string {
  const parts = [utf8(network), utf8(setupId), utf8(salt), publicKey];
  return toBase64url(taggedHash('guardian-key', ...parts));
}

/** A recovery as guardians agree to it: whose, under which setup, and to which new device. */
export interface RecoveryStart {
  readonly network: string;
  readonly pseudonym: string;
  readonly setupId: string;
  readonly recoveryId: string;
  /** Point of the new device's signing key, base64url. */
  readonly receivingKey: string;
  /** Digest of its X-Wing key, base64url. */
  readonly encryptionKeyDigest: string;
}

/** What each guardian signs. */
export function recoverySigningBytes(start: RecoveryStart): Uint8Array {
  const { network, pseudonym, setupId, recoveryId, receivingKey, encryptionKeyDigest } = start;
  const parts = [network, pseudonym, setupId, recoveryId, receivingKey, encryptionKeyDigest];
  return taggedHash('recovery-start', ...parts.map(utf8));
}
