/** Errors of the stores: something that no caller can repair by asking again at once. */

export type StorageErrorCode =
  /** Replica state is over what one item holds. */
  | 'state_too_large'
  /** DynamoDB left items of a batch unprocessed after every attempt. */
  | 'unprocessed'
  /** A stored item lacks what its writer always writes. */
  | 'corrupt_item';

/** Thrown by the DynamoDB adapters; `code` is stable. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  constructor(code: StorageErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
