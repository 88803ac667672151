/** What is sealed to one person by HPKE, as it travels and as the ledger names it. */
import { z } from 'zod';
import { fromBase64url, isBase64url, toBase64url } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import type { HpkeSealed } from '../crypto/hpke.ts';

/** Length of an X-Wing encapsulation, bytes and characters of base64url. */
const ENC_BYTES = 1_120;
const ENC_CHARS = Math.ceil((ENC_BYTES * 4) / 3);

/**
 * `{enc, ciphertext}` in JSON, canonical base64url, up to a bound in bytes: what it takes, decodes,
 * so that whoever lies makes no reader throw.
 */
export function sealedSchema(ciphertextBytesMax: number) {
  return z.strictObject({
    enc: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/)
      .length(ENC_CHARS)
      .refine(isBase64url, 'canonical base64url'),
    ciphertext: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/)
      .max(Math.ceil((ciphertextBytesMax * 4) / 3))
      .refine(isBase64url, 'canonical base64url'),
  });
}

export type SealedText = z.infer<ReturnType<typeof sealedSchema>>;

export function toSealedText({ enc, ciphertext }: HpkeSealed): SealedText {
  return { enc: toBase64url(enc), ciphertext: toBase64url(ciphertext) };
}

/** Throws CryptoError `invalid_encoding` unless both are canonical base64url. */
export function fromSealedText({ enc, ciphertext }: SealedText): HpkeSealed {
  return { enc: fromBase64url(enc), ciphertext: fromBase64url(ciphertext) };
}

/** `wrapDigest` and `shareDigest` of the ledger, 32 bytes: HPKE does not say who sealed. */
export function sealedDigest({ enc, ciphertext }: HpkeSealed): Uint8Array {
  return taggedHash('sealed', enc, ciphertext);
}

/** As the ledger has it: base64url, of the text form. */
export function digestOfSealed(sealed: SealedText): string {
  return toBase64url(sealedDigest(fromSealedText(sealed)));
}
