// Ctrl-C of a local command: its work ends in order, and the exit code says so.
import { LocalError } from './errors.ts';

/** Exit code of a command that was interrupted. */
export const INTERRUPTED = 130;

/**
 * Aborts at the first Ctrl-C, hang-up or SIGTERM. `tell` hears of that one, before it aborts, and of
 * each later one.
 */
export function interruptSignal(tell: (isAgain: boolean) => void): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      tell(controller.signal.aborted);
      controller.abort(interruption());
    });
  }
  return controller.signal;
}

/** What the work of an interrupted command is aborted with. */
export function interruption(): LocalError {
  return new LocalError('interrupted', 'Interrupted.');
}
