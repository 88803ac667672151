// Failures of the local network that a person can act on: what happened, and what cures it.

export type LocalErrorCode =
  | 'missing_prerequisite'
  | 'bad_option'
  | 'unknown_account'
  | 'busy'
  | 'not_running'
  | 'port_in_use'
  | 'not_loopback'
  | 'lost_account'
  | 'no_quorum'
  | 'emulator_failed'
  | 'not_saved'
  | 'command_failed'
  | 'genesis_failed'
  | 'interrupted'
  | 'bad_state_file'
  | 'no_recovery'
  | 'not_proven'
  | 'bad_backup'
  | 'wrong_table'
  | 'table_in_use';

/** A failure with what to do about it; `cure` is a command or a sentence under the message. */
export class LocalError extends Error {
  override readonly name = 'LocalError';
  readonly code: LocalErrorCode;
  readonly cure: string | undefined;

  constructor(code: LocalErrorCode, message: string, options: LocalErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.cure = options.cure;
  }
}

export interface LocalErrorOptions {
  readonly cure?: string;
  readonly cause?: unknown;
}
