/** The one error class of the SDK: what went wrong, and what to do next. */

/** Stable codes; programs branch on these, never on messages. */
export type SdkErrorCode =
  /** An argument or a file that the caller gave does not fit. */
  | 'bad_input'
  /** There is no keystore at this path. */
  | 'keystore_missing'
  /** A keystore is already there, and is never overwritten. */
  | 'keystore_exists'
  /** The file is no keystore, or was altered. */
  | 'keystore_malformed'
  /** Another program saved the keystore since it was opened. */
  | 'keystore_changed'
  /** The passphrase does not open the keystore. */
  | 'wrong_passphrase'
  /** The keystore is of another kind, or lacks what this step needs. */
  | 'wrong_keystore'
  /** No party answered in time. */
  | 'unreachable'
  /** A party answered with problem details (RFC 9457); `details.problem` holds them. */
  | 'problem'
  /** A party answered with something that its interface does not allow. */
  | 'bad_answer'
  /** A receipt or a proof does not verify: the party that gave it lies or is broken. */
  | 'not_proven'
  /** The time of a transaction ran out before its certified outcome was seen; it may have one. */
  | 'expired'
  /** A quorum decided, and refused; `details.reason` is the chaincode's code. */
  | 'refused'
  /** Parties have not installed their genesis document yet. */
  | 'not_initialised'
  /** What the ledger proves and what a party or a file says are two different things. */
  | 'mismatch'
  /** A sealed message or a file does not open with the keys at hand. */
  | 'not_readable'
  /** Something that was looked for is not there. */
  | 'not_found'
  /** The work was given up at the caller's wish. */
  | 'aborted';

export interface SdkErrorOptions {
  /** What a person does next: one sentence or command. */
  readonly nextStep: string;
  /** Facts for programs: reason codes, ids; never a key or a patient's fact. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/** Thrown by every function of `sdk/`. */
export class SdkError extends Error {
  override readonly name = 'SdkError';
  readonly code: SdkErrorCode;
  readonly nextStep: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: SdkErrorCode, message: string, options: SdkErrorOptions) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.nextStep = options.nextStep;
    this.details = options.details ?? {};
  }
}
