/** X-Wing key pairs (draft-connolly-cfrg-xwing-kem: ML-KEM-768 with X25519), by 32-byte seed. */

import { XWing } from '@hpke/hybridkem-x-wing';
import type { Bytes } from './bytes.ts';
import { CryptoError } from './errors.ts';
import { randomBytes } from './random.ts';

/** An X-Wing pair as it is stored: the seed is the whole private key. */
export type XWingKeyPair = {
  /** 1,216 bytes: ML-KEM-768 encapsulation key ‖ X25519 public key. */
  readonly publicKey: Uint8Array;
  /** 32 bytes, secret. */
  readonly seed: Uint8Array;
};

/** Length of a seed, in bytes. */
export const X_WING_SEED_BYTES = 32;

/** Length of a public key, in bytes. */
export const X_WING_PUBLIC_KEY_BYTES = 1_216;

/** The pair of `seed`, or of a fresh random one. Throws `invalid_key` on another length. */
export async function xWingKeyPair(seed?: Uint8Array): Promise<XWingKeyPair> {
  const secret = seed === undefined ? randomBytes(X_WING_SEED_BYTES) : copySeed(seed);
  const kem = new XWing();
  // `deriveKeyPair` would hash the seed first and give another key; and the library keeps the
  // whole buffer under the view, so that it gets a copy of exactly 32 bytes.
  const pair = await kem.generateKeyPairDerand(new Uint8Array(secret));
  return { publicKey: new Uint8Array(await kem.serializePublicKey(pair.publicKey)), seed: secret };
}

/** A copy of a 32-byte seed in a buffer of its own. Throws `invalid_key` on another length. */
export function copySeed(seed: Uint8Array): Bytes {
  if (seed.length !== X_WING_SEED_BYTES) {
    throw new CryptoError('invalid_key', 'an X-Wing seed is 32 bytes');
  }
  return new Uint8Array(seed);
}
