/** The guardians' half of a recovery: their shares, and what both halves together open. */
import { combine } from 'shamir-secret-sharing';
import { concatBytes, equalBytes, toBase64url, u32be, utf8 } from '../crypto/bytes.ts';
import { CryptoError } from '../crypto/errors.ts';
import { hkdfSha256, taggedHash } from '../crypto/hash.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal, type HpkeSealed } from '../crypto/hpke.ts';
import { xWingKeyPair } from '../crypto/x-wing.ts';
import { escrowBounds } from './bounds.ts';
import { EscrowError } from './errors.ts';

/** One guardian of one setup. */
export interface GuardianPlace {
  readonly network: string;
  readonly setupId: string;
  readonly index: number;
}

/** Whose keys a blob holds, by which setup. */
export interface BlobPlace {
  readonly network: string;
  readonly setupId: string;
  readonly pseudonym: string;
}

/** What the ledger holds of a guardian's share: it is random and long. */
export function guardianShareCommitment(place: GuardianPlace, share: Uint8Array): string {
  const { network, setupId, index } = place;
  const parts = [utf8(network), utf8(setupId), u32be(index), share];
  return toBase64url(taggedHash('guardian-share', ...parts));
}

/** Seals a share to its guardian, whom `kid` names. */
export function sealGuardianShare(
  publicKey: Uint8Array,
  place: GuardianPlace,
  { kid, share }: { kid: string; share: Uint8Array },
): Promise<HpkeSealed> {
  return seal(publicKey, infoOf('guardian-share', place, kid), share);
}

/** Opens a guardian's own share. Throws EscrowError `share_wrong`. */
export function openGuardianShare(
  seed: Uint8Array,
  place: GuardianPlace,
  { kid, sealed }: { kid: string; sealed: HpkeSealed },
): Promise<Uint8Array> {
  return open(seed, infoOf('guardian-share', place, kid), sealed);
}

/** Seals a share to the new device of one recovery. */
export function handOverShare(
  publicKey: Uint8Array,
  place: GuardianPlace,
  { receivingKid, share }: { receivingKid: string; share: Uint8Array },
): Promise<HpkeSealed> {
  return seal(publicKey, infoOf('guardian-release', place, receivingKid), share);
}

/** Opens what a guardian handed over. Throws EscrowError `share_wrong`. */
export function openHandedOver(
  seed: Uint8Array,
  place: GuardianPlace,
  { receivingKid, sealed }: { receivingKid: string; sealed: HpkeSealed },
): Promise<Uint8Array> {
  return open(seed, infoOf('guardian-release', place, receivingKid), sealed);
}

/**
 * The guardians' secret. Shares that are not those of their commitments are left out: a guardian
 * who lies spoils nothing while enough do not. Throws `too_few_shares`.
 */
export async function combineGuardianShares(
  given: readonly { place: GuardianPlace; commitment: string; share: Uint8Array }[],
  needed: number,
): Promise<Uint8Array> {
  const good = new Map<number, Uint8Array>();
  for (const { place, commitment, share } of given) {
    const own = guardianShareCommitment(place, share);
    const isGood = share.length === escrowBounds.shareBytes;
    if (isGood && equalBytes(utf8(own), utf8(commitment))) {
      good.set(place.index, Uint8Array.from(share));
    }
  }
  if (good.size < needed) {
    throw new EscrowError('too_few_shares', `${good.size} good shares of ${needed}`);
  }
  return combine([...good.values()].slice(0, needed));
}

/** The two halves, neither of which says anything of the other. */
export interface RecoverySecrets {
  readonly guardians: Uint8Array;
  readonly validators: Uint8Array;
}

/** Seals what a patient's keystore needs, so that only both secrets together open it. */
export async function sealBlob(
  secrets: RecoverySecrets,
  place: BlobPlace,
  plaintext: Uint8Array,
): Promise<HpkeSealed> {
  const { publicKey } = await xWingKeyPair(blobSeed(secrets, place));
  return seal(publicKey, blobInfo(place), plaintext);
}

/** Throws EscrowError `share_wrong` where the secrets are not those of this blob. */
export function openBlob(
  secrets: RecoverySecrets,
  place: BlobPlace,
  sealed: HpkeSealed,
): Promise<Uint8Array> {
  return open(blobSeed(secrets, place), blobInfo(place), sealed);
}

function blobSeed({ guardians, validators }: RecoverySecrets, place: BlobPlace): Uint8Array {
  for (const half of [guardians, validators]) {
    if (half.length !== escrowBounds.secretBytes) {
      throw new EscrowError('invalid_argument', 'each half is 32 bytes');
    }
  }
  const { network, setupId, pseudonym } = place;
  const info = taggedHash('recovery-blob', utf8(network), utf8(setupId), utf8(pseudonym));
  return hkdfSha256(concatBytes(guardians, validators), { info, length: 32 });
}

function blobInfo({ network, setupId, pseudonym }: BlobPlace): Uint8Array {
  return hpkeInfo({ network, purpose: 'recovery-blob', subject: setupId, recipient: pseudonym });
}

function infoOf(purpose: string, place: GuardianPlace, recipient: string): Uint8Array {
  const { network, setupId, index } = place;
  return hpkeInfo({ network, purpose, subject: `${setupId}/${index}`, recipient });
}

function seal(publicKey: Uint8Array, info: Uint8Array, plaintext: Uint8Array): Promise<HpkeSealed> {
  return hpkeSeal(publicKey, { info, aad: new Uint8Array(), plaintext });
}

async function open(seed: Uint8Array, info: Uint8Array, sealed: HpkeSealed): Promise<Uint8Array> {
  try {
    return await hpkeOpen(seed, { ...sealed, info, aad: new Uint8Array() });
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    throw new EscrowError('share_wrong', 'it does not open with these keys', { cause });
  }
}
