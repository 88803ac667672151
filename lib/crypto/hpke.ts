/** HPKE base mode (RFC 9180): X-Wing (0x647a), HKDF-SHA256 (0x0001), AES-256-GCM (0x0002). */

import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core';
import { XWing } from '@hpke/hybridkem-x-wing';
import { utf8 } from './bytes.ts';
import { CryptoError } from './errors.ts';
import { taggedHash } from './hash.ts';
import { copySeed, X_WING_PUBLIC_KEY_BYTES } from './x-wing.ts';

/** What HPKE gives: both parts are needed to open it. */
export type HpkeSealed = {
  /** The encapsulated key, 1,120 bytes. */
  readonly enc: Uint8Array;
  /** The plaintext's length and 16 bytes of tag. */
  readonly ciphertext: Uint8Array;
};

/** What binds a sealed message to its one use (RFC 9180 §8.1). */
export type HpkeContext = {
  /** Name of the network. */
  readonly network: string;
  /** What it is sealed for, e.g. `file-key`. */
  readonly purpose: string;
  /** The record or grant that it belongs to. */
  readonly subject: string;
  /** Who is to open it. */
  readonly recipient: string;
};

const suite = new CipherSuite({
  kem: new XWing(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

/**
 * Seals `plaintext` once to `publicKey` (1,216 bytes). HPKE base mode does not say who sealed it:
 * the sender signs over `enc ‖ ciphertext`. Throws `invalid_key`.
 */
export async function hpkeSeal(
  publicKey: Uint8Array,
  { info, aad, plaintext }: { info: Uint8Array; aad: Uint8Array; plaintext: Uint8Array },
): Promise<HpkeSealed> {
  if (publicKey.length !== X_WING_PUBLIC_KEY_BYTES) {
    throw new CryptoError('invalid_key', 'an X-Wing public key is 1,216 bytes');
  }
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(bufferOf(publicKey));
    const params = { recipientPublicKey, info: bufferOf(info) };
    const { enc, ct } = await suite.seal(params, bufferOf(plaintext), bufferOf(aad));
    return { enc: new Uint8Array(enc), ciphertext: new Uint8Array(ct) };
  } catch (cause) {
    throw new CryptoError('invalid_key', 'the X-Wing public key cannot be sealed to', { cause });
  }
}

/**
 * Opens what was sealed to the pair of `seed` under the same `info` and `aad`. Throws
 * `invalid_key` on a seed of another length, else `open_failed`, which says nothing of the reason.
 */
export async function hpkeOpen(
  seed: Uint8Array,
  { enc, ciphertext, info, aad }: HpkeSealed & { info: Uint8Array; aad: Uint8Array },
): Promise<Uint8Array> {
  const secret = copySeed(seed);
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(secret.buffer);
    const params = { recipientKey, enc: bufferOf(enc), info: bufferOf(info) };
    return new Uint8Array(await suite.open(params, bufferOf(ciphertext), bufferOf(aad)));
  } catch (cause) {
    throw new CryptoError('open_failed', 'the sealed message does not open', { cause });
  }
}

/** The `info` of HPKE: 32 bytes that bind network, subject, recipient and purpose. */
export function hpkeInfo({ network, purpose, subject, recipient }: HpkeContext): Uint8Array {
  return taggedHash('hpke-info', utf8(network), utf8(subject), utf8(recipient), utf8(purpose));
}

/** A copy in a buffer of its own: the library reads whole buffers, not views. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
