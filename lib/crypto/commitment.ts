/** Salted SHA-256 commitments: binding always, hiding while the salt is secret. */

import { CryptoError } from './errors.ts';
import { FileDigester } from './file-digest.ts';
import { taggedHash } from './hash.ts';

/** Length of a commitment's salt, in bytes. */
export const COMMITMENT_SALT_BYTES = 32;

/** Takes a plaintext piece by piece and gives the commitment to it. */
export type PlaintextCommitment = {
  /** Adds `chunk`; the caller waits on the promise, if any, before it gives more. */
  update(chunk: Uint8Array): Promise<void> | void;
  /** The commitment, 32 bytes. */
  finish(): Promise<Uint8Array>;
};

/** The commitment to `value` for one use `tag`, 32 bytes. Throws `invalid_argument` on the salt. */
export function commit(tag: string, salt: Uint8Array, value: Uint8Array): Uint8Array {
  return taggedHash(`commitment/${tag}`, requireSalt(salt), value);
}

/**
 * The commitment to a plaintext of any length: the tagged hash of `salt` (32 bytes) and the
 * plaintext's `fileDigest`. It is what shows a wrong key, since GCM does not commit to its own.
 */
export function plaintextCommitment(salt: Uint8Array): PlaintextCommitment {
  const ownSalt = new Uint8Array(requireSalt(salt));
  const digester = new FileDigester();
  return {
    update: (chunk) => digester.update(chunk),
    finish: async () => taggedHash('plaintext', ownSalt, (await digester.finish()).digest),
  };
}

function requireSalt(salt: Uint8Array): Uint8Array {
  if (salt.length !== COMMITMENT_SALT_BYTES) {
    throw new CryptoError('invalid_argument', 'the salt of a commitment is 32 bytes');
  }
  return salt;
}
