/** A guardian: makes a card for the patient, opens the package, and answers a new device. */
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { thumbprint } from '../lib/crypto/p256.ts';
import { recoverySigningBytes } from '../lib/chaincode/recovery-signing.ts';
import { EscrowError } from '../lib/escrow/errors.ts';
import {
  guardianShareCommitment,
  handOverShare,
  openGuardianShare,
} from '../lib/escrow/guardians.ts';
import { encryptionKeyDigest } from '../lib/membership/certificates.ts';
import { fromSealedText, toSealedText } from '../lib/records/sealed.ts';
import { SdkError } from './errors.ts';
import { recoveryAnswer, type RecoveryAnswer } from './guardians.ts';
import type { Keystore } from './keystore.ts';
import { parseValue } from './pages.ts';
import {
  type Approval,
  cardSigningBytes,
  type GuardianCard,
  type GuardianPackage,
  type RecoveryRequest,
} from './recovery-files.ts';
import type { Session } from './session.ts';
import { keySigner } from './signing.ts';

/** Public keys and a name, for a patient who asks one to be a guardian. Any keystore will do. */
export async function guardianCard(keystore: Keystore, name: string): Promise<GuardianCard> {
  const card = {
    name,
    publicKey: toBase64url(keystore.publicKey),
    encryptionKey: toBase64url(keystore.encryption.publicKey),
  };
  const signature = toBase64url(await keystore.signingKey.sign(cardSigningBytes(card)));
  return { format: 'carequorum-guardian-card-1', ...card, signature };
}

/** Opens the share of a package. Throws `not_readable`, `mismatch`, `wrong_keystore`. */
export async function openPackage(keystore: Keystore, box: GuardianPackage): Promise<Uint8Array> {
  if (box.kid !== keystore.kid) {
    throw new SdkError('wrong_keystore', 'This package is for another keystore.', {
      nextStep: 'Give the keystore whose card the patient had, or the package for this one.',
    });
  }
  const { network, setupId, index, kid } = box;
  const place = { network, setupId, index };
  try {
    const sealed = fromSealedText(box.share);
    const share = await openGuardianShare(keystore.encryption.seed, place, { kid, sealed });
    if (guardianShareCommitment(place, share) === box.commitment) return share;
  } catch (cause) {
    if (!(cause instanceof EscrowError)) throw cause;
  }
  throw new SdkError('not_readable', 'The package does not open: it was damaged or altered.', {
    nextStep: 'Ask the patient for a new one while all is well (`carequorum guardians set`).',
  });
}

/**
 * What the ledger has for a package: whether it still counts, and whether a recovery is open. The
 * guardian need not be enrolled. Throws `refused` where the setup was replaced or ended.
 */
export async function packageStanding(
  { client }: Session,
  keystore: Keystore,
  { pseudonym, setupId, salt }: GuardianPackage,
): Promise<RecoveryAnswer> {
  const guardian = { publicKey: toBase64url(keystore.publicKey), salt };
  const call = { fn: 'recovery.get', args: { pseudonym, setupId, guardian } };
  const value = await client.query(call, keySigner(keystore.signingKey), { fresh: true });
  return parseValue(recoveryAnswer, value, call.fn);
}

/**
 * Signs for a new device and hands the share over to it. The caller has made sure, by talking to
 * the patient, that the request is the patient's. Throws as `openPackage`, and `bad_input`.
 */
export async function approveRecovery(
  keystore: Keystore,
  box: GuardianPackage,
  request: RecoveryRequest,
): Promise<Approval> {
  const { network, pseudonym, setupId, index, needed, salt } = box;
  if (request.network !== network) {
    throw new SdkError('bad_input', `The request is for the network ${request.network}.`, {
      nextStep: `Your package is of ${network}: choose the package of that network.`,
    });
  }
  const share = await openPackage(keystore, box);
  const { recoveryId, receivingKey } = request;
  const encryptionKey = fromBase64url(request.encryptionKey);
  const digest = toBase64url(encryptionKeyDigest(encryptionKey));
  const start = { network, pseudonym, setupId, recoveryId, receivingKey };
  const bytes = recoverySigningBytes({ ...start, encryptionKeyDigest: digest });
  const receivingKid = thumbprint(fromBase64url(receivingKey));
  const place = { network, setupId, index };
  const sealed = await handOverShare(encryptionKey, place, { receivingKid, share });
  return {
    format: 'carequorum-approval-1',
    ...{ network, pseudonym, setupId, recoveryId, index, needed, salt },
    publicKey: toBase64url(keystore.publicKey),
    signature: toBase64url(await keystore.signingKey.sign(bytes)),
    share: toSealedText(sealed),
  };
}
