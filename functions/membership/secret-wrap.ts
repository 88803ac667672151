/** Wraps the vault's secrets with the KMS key of the membership service. */

import { DecryptCommand, EncryptCommand, type KMSClient } from '@aws-sdk/client-kms';
import type { SecretWrap } from './vault.ts';

/** The role is granted these purposes only, by a condition on the same context. */
export function kmsSecretWrap(client: KMSClient, keyId: string, network: string): SecretWrap {
  return {
    async wrap(purpose, secret) {
      const { CiphertextBlob } = await client.send(
        new EncryptCommand({
          KeyId: keyId,
          Plaintext: secret,
          EncryptionContext: { purpose, network },
        }),
      );
      return new Uint8Array(CiphertextBlob ?? []);
    },
    async unwrap(purpose, wrapped) {
      const { Plaintext } = await client.send(
        new DecryptCommand({
          KeyId: keyId,
          CiphertextBlob: wrapped,
          EncryptionContext: { purpose, network },
        }),
      );
      // A copy of exactly the secret: the SDK's view may lie in a larger, shared buffer.
      return new Uint8Array(Plaintext ?? []);
    },
  };
}
