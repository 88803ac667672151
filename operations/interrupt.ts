// Ctrl-C of an operator's command: work ends in order, and the exit code says so.
import { runMain } from '../local/lib/console.ts';
import { LocalError } from '../local/lib/errors.ts';
import { INTERRUPTED } from '../local/lib/interrupt.ts';

/** Runs a command's work; at Ctrl-C or SIGTERM its signal is aborted, with `after` for the person. */
export async function runInterruptible(
  after: string,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const control = new AbortController();
  const stop = (): void => control.abort(new LocalError('interrupted', `Interrupted: ${after}`));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  await runMain(() => work(control.signal));
  if (control.signal.aborted) process.exitCode = INTERRUPTED;
}
