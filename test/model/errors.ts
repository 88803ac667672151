/** Failures of the model checker that a person can act on. */

export type ModelErrorCode = 'missing_tool' | 'bad_trace' | 'spin_failed' | 'bad_option';

export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly code: ModelErrorCode;

  constructor(code: ModelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
