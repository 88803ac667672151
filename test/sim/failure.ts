/** Errors of a simulated run: a check that failed, and faults that the simulator puts in. */

/** A property that does not hold: what a run is for. `checker` names the module that says so. */
export class CheckFailure extends Error {
  override readonly name = 'CheckFailure';
  readonly checker: string;
  constructor(checker: string, message: string) {
    super(message);
    this.checker = checker;
  }
}

/** An operation that a table or queue refused: throttled, unreachable, or timed out. */
export class InjectedError extends Error {
  override readonly name = 'InjectedError';
}
