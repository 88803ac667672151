// `npm run reset`: stops the local network and deletes all of it: ledgers, records, keys, ports.
import { rmSync } from 'node:fs';
import { runMain, shortPath } from './lib/console.ts';
import { killAccount } from './lib/account-process.ts';
import { accountLayout, layoutOf } from './lib/layout.ts';
import { lockHolder, withLock } from './lib/lock.ts';
import { type FolderOption, localCommand } from './lib/options.ts';
import { readPlan } from './lib/plan.ts';
import { signalProcess, waitUntilGone } from './lib/process-identity.ts';
import { progressFor } from './lib/progress.ts';

const HOLDER_TIMEOUT_MS = 90_000;

const command = localCommand(
  'npm run reset --',
  'Stops the local network and deletes it: ledgers, records, keys and logs. Nothing is kept.',
  `  npm run reset
  npm run reset -- --folder .local-two`,
);

async function main(): Promise<void> {
  const layout = layoutOf(command.parse().opts<FolderOption>().folder);
  const plan = readPlan(layout);
  if (plan === undefined) {
    console.log('There is nothing to reset.');
    return;
  }
  await progressFor(process.stdout).step(`Deleted ${shortPath(layout.root)}`, async () => {
    const holder = lockHolder(layout);
    if (holder !== undefined) {
      signalProcess(holder, 'SIGTERM');
      await waitUntilGone(holder, HOLDER_TIMEOUT_MS);
    }
    await withLock(layout, async () => {
      await Promise.all(plan.members.map(({ id }) => killAccount(accountLayout(layout, id))));
      rmSync(layout.root, { recursive: true, force: true });
    });
  });
}

await runMain(main);
