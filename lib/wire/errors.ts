/** Errors of the wire formats: what an outside party sent could not be taken. */

export type WireErrorCode =
  | 'malformed'
  | 'not_canonical'
  | 'too_large'
  | 'wrong_network'
  | 'wrong_ledger'
  | 'bad_signature'
  | 'expired'
  | 'not_yet_valid'
  | 'validity_too_long'
  | 'unsupported_version';

/** Thrown by parsers of `lib/wire`; `code` is stable and reaches clients. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;
  constructor(code: WireErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
