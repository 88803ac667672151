/** Errors of escrows: why a secret is not split, or cannot be put together. */

export type EscrowErrorCode =
  /** An argument is outside what the function is defined for. */
  | 'invalid_argument'
  /** A share is not the one that the ledger commits to. */
  | 'share_wrong'
  /** Fewer good shares than the threshold. */
  | 'too_few_shares';

/** Thrown by `lib/escrow`; `code` is stable. */
export class EscrowError extends Error {
  override readonly name = 'EscrowError';
  readonly code: EscrowErrorCode;

  constructor(code: EscrowErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
