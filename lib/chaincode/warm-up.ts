/** Reads ahead for a block: all its transactions are tried at once, and their reads batched. */
import type { PrefetchingView, StateView } from '../ledger/state-view.ts';
import type { Transaction } from '../wire/transaction.ts';
import { execute } from './execute.ts';
import type { ChaincodeContext } from './functions.ts';

interface Waiting {
  key: string;
  resume(value: Promise<Uint8Array | undefined>): void;
}

/**
 * Brings into `view` what executing these transactions will read, in as many round trips as the
 * longest of them has reads one after another, not as all of them have. Nothing is kept of the
 * trial: what it would write, and whether it fails, shows when the block is executed in order.
 */
export async function warmUp(
  view: PrefetchingView,
  transactions: readonly Transaction[],
  context: ChaincodeContext,
): Promise<void> {
  const failures: unknown[] = [];
  let running = transactions.length;
  let waiting: Waiting[] = [];

  // An execution waits for one read at a time; when all wait, their reads go together.
  const release = (): void => {
    if (waiting.length === 0 || waiting.length < running) return;
    const batch = waiting;
    waiting = [];
    view.prefetch(batch.map((one) => one.key)).then(
      () => batch.forEach((one) => one.resume(view.get(one.key))),
      (failure: unknown) => {
        failures.push(failure);
        batch.forEach((one) => one.resume(Promise.reject(asError(failure))));
      },
    );
  };
  const batching: StateView = {
    get: (key) =>
      new Promise((resume) => {
        waiting.push({ key, resume });
        release();
      }),
  };
  const tried = transactions.map(async (transaction) => {
    try {
      await execute(batching, transaction, context);
    } catch {
      // A bug shows in order, with the writes of earlier transactions; here it only ends a trial.
    } finally {
      running -= 1;
      release();
    }
  });
  await Promise.all(tried);
  if (failures.length > 0) throw asError(failures[0]);
}

function asError(failure: unknown): Error {
  return failure instanceof Error ? failure : new Error('reading ahead failed');
}
