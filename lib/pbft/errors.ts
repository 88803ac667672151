/** Invariants of consensus: a broken one is a bug, and the replica stops rather than goes on. */

export class PbftError extends Error {
  override readonly name = 'PbftError';
  readonly code: 'invariant';
  constructor(message: string) {
    super(message);
    this.code = 'invariant';
  }
}

/** Asserts one condition; kept on in production. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new PbftError(message);
}
