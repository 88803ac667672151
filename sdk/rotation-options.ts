/** What a rotation is told, what it tells, and how it stops. */
import type { SigningKey } from '../lib/crypto/p256.ts';
import { SdkError } from './errors.ts';

export interface RotationProgress {
  readonly step: 'keys' | 'permissions' | 'records';
  readonly done: number;
  readonly of: number;
}

/** A permission, and which state of its terms. */
export interface Kept {
  readonly id: string;
  readonly version: number;
}

/** Whether it goes on as the patient saw it. */
export function isKept(choice: { keep: readonly Kept[] } | undefined, one: Kept): boolean {
  return (
    choice === undefined ||
    choice.keep.some(({ id, version }) => id === one.id && version === one.version)
  );
}

export interface RotateOptions {
  /** The key that `guardRotation` named: a rotation needs it then. */
  readonly rotationKey?: SigningKey | undefined;
  /**
   * The permissions to give again, as the patient saw them; without it, all that hold. Whatever is
   * not named ends, also what a thief gives or extends while the patient still chooses.
   */
  readonly keep?: readonly Kept[] | undefined;
  /** Leave behind what the custodian lost, and what nobody could open before. */
  readonly leaveBehind?: boolean | undefined;
  readonly onProgress?: ((progress: RotationProgress) => void) | undefined;
  /** Ends the run between two records; the next one goes on. */
  readonly signal?: AbortSignal | undefined;
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw new SdkError('aborted', 'The rotation was stopped; what is done is safe.', {
    nextStep: 'Run `carequorum rotate` again: it goes on where it ended.',
  });
}

export function notProven(what: string): SdkError {
  return new SdkError('not_proven', `${what} is not in the history.`, {
    nextStep: 'Run the command again; then tell the operators.',
  });
}
