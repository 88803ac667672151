/** The card of a representative: two public keys made for one patient, and a name; for the patient. */
import { z } from 'zod';
import { fromBase64url, toBase64url, utf8 } from '../lib/crypto/bytes.ts';
import { taggedHash } from '../lib/crypto/hash.ts';
import { type SigningKey, verifyP256 } from '../lib/crypto/p256.ts';
import { publicKeyText, shareKeyText, signatureText } from '../lib/chaincode/fields.ts';
import { representativeSigningBytes } from '../lib/chaincode/representation.ts';
import { encryptionKeyDigest } from '../lib/membership/certificates.ts';
import { networkField } from '../lib/wire/fields.ts';
import { SdkError } from './errors.ts';
import { codeOf } from './recovery-files.ts';

export const representativeCardSchema = z.strictObject({
  format: z.literal('carequorum-representative-card-1'),
  network: networkField,
  name: z.string().min(1).max(128),
  publicKey: publicKeyText,
  encryptionKey: shareKeyText,
  /** As the ledger takes it; the name is compared by telephone. */
  signature: signatureText,
});
export type RepresentativeCard = z.infer<typeof representativeCardSchema>;

export async function makeCard(
  key: SigningKey,
  of: { network: string; name: string; encryptionKey: Uint8Array },
): Promise<RepresentativeCard> {
  const { network, name } = of;
  const keys = {
    publicKey: toBase64url(key.publicKey),
    encryptionKey: toBase64url(of.encryptionKey),
  };
  const signature = toBase64url(await key.sign(signedOf({ network, ...keys })));
  return { format: 'carequorum-representative-card-1', network, name, ...keys, signature };
}

/** Throws `bad_input` where the card is of another network, or not signed by its own key. */
export async function checkRepresentativeCard(
  card: RepresentativeCard,
  network: string,
): Promise<void> {
  if (card.network !== network) {
    throw new SdkError('bad_input', `The card of ${card.name} is for ${card.network}.`, {
      nextStep: `Ask for a card that was made for ${network}.`,
    });
  }
  const signature = fromBase64url(card.signature);
  const publicKey = fromBase64url(card.publicKey);
  const isSigned = await verifyP256(publicKey, signedOf(card), signature).catch(() => false);
  if (isSigned) return;
  throw new SdkError('bad_input', `The card of ${card.name} was altered.`, {
    nextStep: 'Ask for it again, and compare the number on it by telephone.',
  });
}

/** Sixteen digits that two people compare by telephone: whether they have the same card. */
export function representativeCardCode(card: RepresentativeCard): string {
  const { network, name, publicKey, encryptionKey } = card;
  const parts = [network, name, publicKey, encryptionKey];
  return codeOf(taggedHash('representative-card', ...parts.map(utf8)));
}

/** As `representative.appoint` takes it. */
export function cardDigest({ encryptionKey }: Pick<RepresentativeCard, 'encryptionKey'>): string {
  return toBase64url(encryptionKeyDigest(fromBase64url(encryptionKey)));
}

function signedOf(card: Pick<RepresentativeCard, 'network' | 'publicKey' | 'encryptionKey'>) {
  const { network, publicKey } = card;
  return representativeSigningBytes({ network, publicKey, encryptionKeyDigest: cardDigest(card) });
}
