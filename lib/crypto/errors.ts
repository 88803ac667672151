/** The one error class of `lib/crypto`; callers branch on `code`, never on the message. */

/** Every way in which a function of this folder can refuse its input. */
export type CryptoErrorCode =
  /** Text is not the one canonical encoding (hex, base64, base64url, UTF-8, DER). */
  | 'invalid_encoding'
  /** An argument is outside what the function is defined for. */
  | 'invalid_argument'
  /** A key has the wrong length, curve or form. */
  | 'invalid_key'
  /** A signature is not two integers in the range of the group. */
  | 'invalid_signature'
  /** A JWS is not of the one form that is accepted. */
  | 'invalid_jws'
  /** An input is over the bound that the caller gave. */
  | 'too_large'
  /** HPKE: wrong key, info or associated data, or altered bytes. */
  | 'open_failed'
  /** File: wrong key or associated data, or altered, reordered, truncated or extended bytes. */
  | 'decrypt_failed'
  /** A stream held more or fewer bytes than were announced. */
  | 'length_mismatch'
  /** What follows the true plaintext is not exactly the zeros of Padmé. */
  | 'invalid_padding';

/** Thrown by every function of `lib/crypto`; `cause` keeps what a library threw. */
export class CryptoError extends Error {
  override readonly name = 'CryptoError';
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
