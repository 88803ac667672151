// LocalStack is all accounts in one process, and keeps nothing: once it has ended, the network is gone.
import { setTimeout as sleep } from 'node:timers/promises';
import { lifeOf, logTail } from '../lib/account-process.ts';
import { LocalError } from '../lib/errors.ts';
import { accountLayout, type Layout } from '../lib/layout.ts';
import { LOCALSTACK } from '../lib/members.ts';

const POLL_MS = 500;

/** What to say once the LocalStack of a network has ended by itself; undefined for any other network. */
export function endOfLocalstack(layout: Layout): LocalError | undefined {
  const account = accountLayout(layout, LOCALSTACK.id);
  if (lifeOf(account) !== 'lost') return undefined;
  return new LocalError(
    'emulator_failed',
    `LocalStack ended by itself, and the network with it:\n${logTail(account.log)}`,
    {
      cure:
        `Its log: ${account.log}\n` +
        'Exit code -9 is a kill, often for want of memory. Start again: that is a new network.',
    },
  );
}

/** The answer of the work; throws `emulator_failed` as soon as LocalStack has ended by itself. */
export async function whileLocalstackRuns<T>(layout: Layout, work: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  try {
    return await Promise.race([work(), untilEnd(layout, done.signal)]);
  } finally {
    done.abort();
  }
}

async function untilEnd(layout: Layout, signal: AbortSignal): Promise<never> {
  for (;;) {
    const end = endOfLocalstack(layout);
    if (end !== undefined) throw end;
    await sleep(POLL_MS, undefined, { signal });
  }
}
