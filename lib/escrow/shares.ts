/** Splitting a secret among validators (Shamir, by a library), sealing and checking its shares. */
import { combine, split } from 'shamir-secret-sharing';
import { equalBytes, toBase64url, u32be, utf8 } from '../crypto/bytes.ts';
import { CryptoError } from '../crypto/errors.ts';
import { taggedHash } from '../crypto/hash.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal, type HpkeSealed } from '../crypto/hpke.ts';
import { escrowBounds } from './bounds.ts';
import { EscrowError } from './errors.ts';

/** One deposit of one escrow on one network. */
export interface EscrowPlace {
  readonly network: string;
  readonly escrowId: string;
  readonly generation: number;
}

/** What a share is of and for whom: bound by its commitment and by HPKE. */
export interface SharePlace extends EscrowPlace {
  readonly validator: string;
}

/**
 * Splits a random secret of 32 bytes into as many shares as there are holders, of which `threshold`
 * give it back. Throws `invalid_argument`.
 */
export async function splitSecret(
  secret: Uint8Array,
  { holders, threshold }: { holders: number; threshold: number },
): Promise<Uint8Array[]> {
  const isInRange = threshold >= 2 && threshold <= holders && holders <= 255;
  if (secret.length !== escrowBounds.secretBytes || !isInRange) {
    throw new EscrowError('invalid_argument', 'a secret of 32 bytes and 2 ≤ threshold ≤ holders');
  }
  return split(Uint8Array.from(secret), holders, threshold);
}

/** A share that a validator gave, and the commitment that the ledger has for it. */
export interface GivenShare {
  readonly place: SharePlace;
  readonly commitment: string;
  readonly share: Uint8Array;
}

/**
 * Puts a secret together. Shares that are not those of their commitments are left out, so that a
 * validator that lies spoils nothing. Throws `too_few_shares`.
 */
export async function combineShares(
  given: readonly GivenShare[],
  threshold: number,
): Promise<Uint8Array> {
  const good = new Map<string, Uint8Array>();
  for (const { place, commitment, share } of given) {
    if (isShareOf(place, commitment, share)) good.set(place.validator, Uint8Array.from(share));
  }
  if (good.size < threshold) {
    throw new EscrowError('too_few_shares', `${good.size} good shares of ${threshold}`);
  }
  return combine([...good.values()].slice(0, threshold));
}

/** What the ledger holds of a share. It is random and long, so the hash tells nothing of it. */
export function shareCommitment(place: SharePlace, share: Uint8Array): string {
  const { network, escrowId, generation, validator } = place;
  const parts = [utf8(network), utf8(escrowId), u32be(generation), utf8(validator), share];
  return toBase64url(taggedHash('escrow-share', ...parts));
}

export function isShareOf(place: SharePlace, commitment: string, share: Uint8Array): boolean {
  if (share.length !== escrowBounds.shareBytes) return false;
  return equalBytes(utf8(shareCommitment(place, share)), utf8(commitment));
}

/** `payloadDigest` of the ledger. */
export function escrowPayloadDigest(payload: Uint8Array): string {
  return toBase64url(taggedHash('escrow-payload', payload));
}

/** Seals a share to its validator's share key. */
export function sealShare(
  shareKey: Uint8Array,
  place: SharePlace,
  share: Uint8Array,
): Promise<HpkeSealed> {
  const info = infoOf('escrow-share', place, place.validator);
  return hpkeSeal(shareKey, { info, aad: new Uint8Array(), plaintext: share });
}

/** Opens a validator's own share. Throws EscrowError `share_wrong` where it is none. */
export function openShare(
  seed: Uint8Array,
  place: SharePlace,
  sealed: HpkeSealed,
): Promise<Uint8Array> {
  return open(seed, infoOf('escrow-share', place, place.validator), sealed);
}

/** Seals a share for the reader of one release, whose key the ledger proves. */
export function sealForReader(
  readerKey: Uint8Array,
  place: SharePlace,
  { readerKid, share }: { readerKid: string; share: Uint8Array },
): Promise<HpkeSealed> {
  const info = infoOf('escrow-release', place, readerKid);
  return hpkeSeal(readerKey, { info, aad: new Uint8Array(), plaintext: share });
}

/** Opens what a validator released to this reader. Throws EscrowError `share_wrong`. */
export function openReleased(
  seed: Uint8Array,
  place: SharePlace,
  { readerKid, sealed }: { readerKid: string; sealed: HpkeSealed },
): Promise<Uint8Array> {
  return open(seed, infoOf('escrow-release', place, readerKid), sealed);
}

function infoOf(purpose: string, place: SharePlace, recipient: string): Uint8Array {
  const { network, escrowId, generation, validator } = place;
  const subject = `${escrowId}/${generation}/${validator}`;
  return hpkeInfo({ network, purpose, subject, recipient });
}

async function open(seed: Uint8Array, info: Uint8Array, sealed: HpkeSealed): Promise<Uint8Array> {
  try {
    return await hpkeOpen(seed, { ...sealed, info, aad: new Uint8Array() });
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    throw new EscrowError('share_wrong', 'the share does not open', { cause });
  }
}
