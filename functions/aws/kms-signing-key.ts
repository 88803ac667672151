/** A P-256 key in KMS as a signing port: the private half never leaves it. */

import { GetPublicKeyCommand, SignCommand, type KMSClient } from '@aws-sdk/client-kms';
import { sha256 } from '../../lib/crypto/hash.ts';
import { derToRaw, normaliseLowS, spkiToRaw, type SigningKey } from '../../lib/crypto/p256.ts';

const publicKeys = new Map<string, Promise<Uint8Array>>();

/** The 65-byte point of a KMS key, asked for once per process. */
export async function kmsPublicKey(client: KMSClient, keyId: string): Promise<Uint8Array> {
  const known = publicKeys.get(keyId);
  if (known) return known;
  const asked = askPublicKey(client, keyId);
  publicKeys.set(keyId, asked);
  // A failure is not remembered.
  asked.catch(() => publicKeys.delete(keyId));
  return asked;
}

/** The signing port of a KMS key. Signatures have low S, whatever KMS gave. */
export async function kmsSigningKey(client: KMSClient, keyId: string): Promise<SigningKey> {
  const publicKey = await kmsPublicKey(client, keyId);
  return {
    publicKey,
    async sign(data) {
      const { Signature } = await client.send(
        new SignCommand({
          KeyId: keyId,
          Message: sha256(data),
          MessageType: 'DIGEST',
          SigningAlgorithm: 'ECDSA_SHA_256',
        }),
      );
      return normaliseLowS(derToRaw(Signature ?? new Uint8Array()));
    },
  };
}

async function askPublicKey(client: KMSClient, keyId: string): Promise<Uint8Array> {
  const { PublicKey } = await client.send(new GetPublicKeyCommand({ KeyId: keyId }));
  return spkiToRaw(PublicKey ?? new Uint8Array());
}
