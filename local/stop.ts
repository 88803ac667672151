// `npm stop`: stops the local network in order and keeps its state, whoever started it.
import { existsSync } from 'node:fs';
import { runMain } from './lib/console.ts';
import { layoutOf } from './lib/layout.ts';
import { lockHolder } from './lib/lock.ts';
import { type FolderOption, localCommand } from './lib/options.ts';
import { signalProcess, waitUntilGone } from './lib/process-identity.ts';
import { progressFor } from './lib/progress.ts';
import { stoppedTitle } from './lib/stop-network.ts';
import { stopLocalNetwork } from './local-network.ts';

/** Deploying and saving both end well within this. */
const HOLDER_TIMEOUT_MS = 90_000;

const command = localCommand(
  'npm stop --',
  'Stops the local network in order; state is kept for the next start.',
  `  npm stop
  npm stop -- --folder .local-two`,
);

async function main(): Promise<void> {
  const layout = layoutOf(command.parse().opts<FolderOption>().folder);
  if (!existsSync(layout.root)) {
    console.log('Nothing runs here.');
    return;
  }
  await progressFor(process.stdout).step(stoppedTitle(layout), async (step) => {
    // A start that is still under way is asked to end first; it cleans up after itself.
    const holder = lockHolder(layout);
    if (holder !== undefined) {
      signalProcess(holder, 'SIGTERM');
      await waitUntilGone(holder, HOLDER_TIMEOUT_MS);
    }
    const count = await stopLocalNetwork(layout);
    const started = holder === undefined ? 'nothing was running' : 'a start that was under way';
    step.result(count === 0 ? started : `${count} processes`);
  });
}

await runMain(main);
