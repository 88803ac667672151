/** Errors of the record formats: why the custodian or its client does not take something. */

export type RecordsErrorCode =
  /** An argument is outside what the function is defined for. */
  | 'invalid_argument'
  /** A proof of possession is not of the right form. */
  | 'proof_malformed'
  /** It is not by the key that it names, or not by the key that is wanted. */
  | 'proof_bad_signature'
  | 'proof_wrong_key'
  /** It was made for another method, address or receipt. */
  | 'proof_wrong_request'
  /** It is older than a minute, or from the future. */
  | 'proof_not_fresh'
  /** The receipt's transaction was refused by the chaincode. */
  | 'receipt_not_committed'
  /** The receipt's result is not of the function that permits this. */
  | 'receipt_wrong_kind'
  /** The chaincode decided against the reader. */
  | 'receipt_denied'
  /** What the receipt permits is over: ask for access anew. */
  | 'receipt_expired'
  /** The receipt is of another ledger than the main one. */
  | 'receipt_wrong_ledger'
  /** A list of category keys has an entry twice, out of order, or is not under the root. */
  | 'keys_malformed';

/** Thrown by `lib/records`; `code` is stable and reaches clients. */
export class RecordsError extends Error {
  override readonly name = 'RecordsError';
  readonly code: RecordsErrorCode;

  constructor(code: RecordsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
