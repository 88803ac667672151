/**
 * A signature scheme for simulation: a signature is a hash of public key and bytes. It is
 * deterministic and synchronous, and "unforgeable" since no part of the simulator signs with a
 * key that it was not given.
 */
import { equalBytes, utf8 } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import type { SigningKey, VerifySignature } from '../../lib/crypto/p256.ts';

/** A key pair that follows from its name: the same in every process. */
export function simulatedKey(name: string): SigningKey {
  const publicKey = new Uint8Array(65);
  publicKey[0] = 4;
  publicKey.set(taggedHash('simulated-x', utf8(name)), 1);
  publicKey.set(taggedHash('simulated-y', utf8(name)), 33);
  return { publicKey, sign: (data) => Promise.resolve(signatureOf(publicKey, data)) };
}

/** Takes the place of P-256 wherever the production code checks a signature. */
export const verifySimulated: VerifySignature = (publicKey, data, signature) =>
  Promise.resolve(equalBytes(signatureOf(publicKey, data), signature));

/** 64 bytes; the second half is zero, which P-256 never gives. */
function signatureOf(publicKey: Uint8Array, data: Uint8Array): Uint8Array {
  const signature = new Uint8Array(64);
  signature.set(taggedHash('simulated-signature', publicKey, data), 0);
  return signature;
}
