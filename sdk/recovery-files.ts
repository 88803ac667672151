/** What patient, guardians and a new device hand to each other: small files of JSON. */
import { z } from 'zod';
import { fromBase64url, utf8 } from '../lib/crypto/bytes.ts';
import { taggedHash } from '../lib/crypto/hash.ts';
import { verifyP256 } from '../lib/crypto/p256.ts';
import {
  digestField,
  idField,
  kidField,
  pseudonymField,
  publicKeyText,
  shareKeyText,
  signatureText,
} from '../lib/chaincode/fields.ts';
import { guardianIndexField, neededField } from '../lib/chaincode/recovery-values.ts';
import { escrowBounds } from '../lib/escrow/bounds.ts';
import { sealedSchema } from '../lib/records/sealed.ts';
import { networkField } from '../lib/wire/fields.ts';
import { SdkError } from './errors.ts';

const nameField = z.string().min(1).max(128);
const sealedShare = sealedSchema(escrowBounds.shareBytes + 16);

/** Who a guardian is: public keys and a name, signed by the guardian. For the patient. */
export const guardianCardSchema = z.strictObject({
  format: z.literal('carequorum-guardian-card-1'),
  name: nameField,
  publicKey: publicKeyText,
  encryptionKey: shareKeyText,
  signature: signatureText,
});
export type GuardianCard = z.infer<typeof guardianCardSchema>;

/** What a guardian keeps for a patient. The share opens with the guardian's keystore alone. */
export const guardianPackageSchema = z.strictObject({
  format: z.literal('carequorum-guardian-1'),
  network: networkField,
  /** What the patient is called by the guardian; stands in this file only. */
  patient: nameField,
  pseudonym: pseudonymField,
  setupId: idField,
  index: guardianIndexField,
  needed: neededField,
  of: neededField,
  /** The guardian's signing key, and the salt of its commitment. */
  kid: kidField,
  salt: idField,
  /** Commitments to the guardian's share, and to all keys: by the latter events are recognised. */
  commitment: digestField,
  key: digestField,
  share: sealedShare,
});
export type GuardianPackage = z.infer<typeof guardianPackageSchema>;

/** What a new device asks of the guardians. */
export const recoveryRequestSchema = z.strictObject({
  format: z.literal('carequorum-recovery-request-1'),
  network: networkField,
  recoveryId: idField,
  receivingKey: publicKeyText,
  encryptionKey: shareKeyText,
});
export type RecoveryRequest = z.infer<typeof recoveryRequestSchema>;

/** A guardian's answer: a signature for the ledger, and the share, sealed to the new device. */
export const approvalSchema = z.strictObject({
  format: z.literal('carequorum-approval-1'),
  network: networkField,
  pseudonym: pseudonymField,
  setupId: idField,
  recoveryId: idField,
  index: guardianIndexField,
  needed: neededField,
  publicKey: publicKeyText,
  salt: idField,
  signature: signatureText,
  share: sealedShare,
});
export type Approval = z.infer<typeof approvalSchema>;

/** Throws `bad_input` where a file is not what it should be. */
export function parseRecoveryFile<T>(schema: z.ZodType<T>, text: string, what: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SdkError('bad_input', `This is no ${what}.`, {
      nextStep: 'Ask for the file again; it must arrive as it was sent.',
      cause,
    });
  }
}

export function cardSigningBytes({
  name,
  publicKey,
  encryptionKey,
}: Pick<GuardianCard, 'name' | 'publicKey' | 'encryptionKey'>): Uint8Array {
  return taggedHash('guardian-card', utf8(name), utf8(publicKey), utf8(encryptionKey));
}

/** Throws `bad_input` where the card is not signed by its own key. */
export async function checkCard(card: GuardianCard): Promise<void> {
  const publicKey = fromBase64url(card.publicKey);
  const signature = fromBase64url(card.signature);
  const isSigned = await verifyP256(publicKey, cardSigningBytes(card), signature).catch(
    () => false,
  );
  if (isSigned) return;
  throw new SdkError('bad_input', `The card of ${card.name} was altered.`, {
    nextStep: 'Ask for it again, and compare the number on it by telephone.',
  });
}

/** Sixteen digits that two people compare by telephone: whether they have the same file. */
export function cardCode(card: GuardianCard): string {
  return codeOf(cardSigningBytes(card));
}

export function requestCode(request: RecoveryRequest): string {
  const { network, recoveryId, receivingKey, encryptionKey } = request;
  const parts = [network, recoveryId, receivingKey, encryptionKey];
  return codeOf(taggedHash('recovery-request', ...parts.map(utf8)));
}

/** 53 bits of a hash in decimal: finding a second file with this number takes too long. */
export function codeOf(hash: Uint8Array): string {
  const view = new DataView(Uint8Array.from(hash).buffer);
  const number = (view.getBigUint64(0) >> 11n) % 10n ** 16n;
  const digits = number.toString().padStart(16, '0');
  return (digits.match(/.{4}/g) ?? []).join(' ');
}
