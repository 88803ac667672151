/** Letters: sealed to one key for one purpose, kept by the custodian under an id of the ledger. */
import { fromBase64url, toBase64url, utf8 } from '../lib/crypto/bytes.ts';
import { hkdfSha256, taggedHash } from '../lib/crypto/hash.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import { digestOfSealed, fromSealedText, sealedDigest } from '../lib/records/sealed.ts';
import { type SealedText, toSealedText } from '../lib/records/sealed.ts';
import { SdkError } from './errors.ts';

export type LetterPurpose = 'prescription' | 'claim-request' | 'claim-answer';

/** What a letter is about, and for whom: another opens nothing. */
export interface LetterContext {
  readonly network: string;
  readonly purpose: LetterPurpose;
  /** Id of the prescription, or of the claim. */
  readonly about: string;
  /** Subject of the person, or the box. */
  readonly recipient: string;
}

export async function sealLetter(
  plaintext: Uint8Array,
  to: LetterContext & { readonly publicKey: Uint8Array },
): Promise<{ sealed: SealedText; digest: string }> {
  const info = infoOf(to);
  const sealed = await hpkeSeal(to.publicKey, { info, aad: new Uint8Array(), plaintext });
  return { sealed: toSealedText(sealed), digest: toBase64url(sealedDigest(sealed)) };
}

/** Throws `mismatch` where it is not the letter that the ledger names, `not_readable` where not ours. */
export async function openLetter(
  sealed: SealedText,
  by: LetterContext & { readonly seed: Uint8Array; readonly digest: string },
): Promise<Uint8Array> {
  if (digestOfSealed(sealed) !== by.digest) {
    throw new SdkError('mismatch', 'The custodian gave another letter than the ledger names.', {
      nextStep: 'Rely on nothing in it, and tell the custodian.',
      details: { about: by.about },
    });
  }
  try {
    const info = infoOf(by);
    return await hpkeOpen(by.seed, { ...fromSealedText(sealed), info, aad: new Uint8Array() });
  } catch (cause) {
    throw new SdkError('not_readable', 'This keystore does not open the letter.', {
      nextStep: 'It was sealed to another key: ask the sender to send it again.',
      cause,
    });
  }
}

/** Secrets of the answer to one claim, derived, so that any copy of the keystore has them. */
interface ReplySecrets {
  /** Seed of the X-Wing pair that the answer is sealed to. */
  readonly seed: Uint8Array;
  /** Opens the box at the custodian, base64url. */
  readonly secret: string;
}

export function replySecrets(
  root: Uint8Array,
  { network, claimId }: { network: string; claimId: string },
): ReplySecrets {
  const derive = (use: string): Uint8Array => {
    const info = taggedHash(use, utf8(network), fromBase64url(claimId));
    return hkdfSha256(root, { info, length: 32 });
  };
  return { seed: derive('claim-reply-seed'), secret: toBase64url(derive('claim-reply-box')) };
}

function infoOf({ network, purpose, about, recipient }: LetterContext): Uint8Array {
  return hpkeInfo({ network, purpose: `letter/${purpose}`, subject: about, recipient });
}
