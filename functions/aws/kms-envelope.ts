/** Wraps small secrets with a symmetric KMS key; the encryption context names purpose and owner. */

import { DecryptCommand, EncryptCommand, type KMSClient } from '@aws-sdk/client-kms';
import { CryptoError } from '../../lib/crypto/errors.ts';
import type { KeyWrap } from '../validator/ports.ts';

/** What KMS encrypts directly, bytes. */
const SECRET_BYTES_MAX = 4_096;

/** Roles are granted some purposes only, by a condition on the same context. */
export function kmsEnvelope(client: KMSClient, keyId: string, validator: string): KeyWrap {
  return {
    async wrap(purpose, secret) {
      if (secret.length > SECRET_BYTES_MAX) {
        throw new CryptoError('too_large', `a secret of ${secret.length} bytes`);
      }
      const { CiphertextBlob } = await client.send(
        new EncryptCommand({
          KeyId: keyId,
          Plaintext: secret,
          EncryptionContext: { purpose, validator },
        }),
      );
      return CiphertextBlob ?? new Uint8Array();
    },
    async unwrap(purpose, wrapped) {
      const { Plaintext } = await client.send(
        new DecryptCommand({
          KeyId: keyId,
          CiphertextBlob: wrapped,
          EncryptionContext: { purpose, validator },
        }),
      );
      // A copy of exactly the secret: the SDK's view may lie in a larger, shared buffer.
      return new Uint8Array(Plaintext ?? []);
    },
  };
}
