// `npm start`: brings the local network up, shows how to go on, and stays until Ctrl-C.
import { setTimeout as sleep } from 'node:timers/promises';
import { addressLines, nextSteps, runMain, shortPath } from './lib/console.ts';
import { interruptSignal } from './lib/interrupt.ts';
import { type Layout, layoutOf } from './lib/layout.ts';
import { folderOf, localCommand, withEmulator, wholeNumber } from './lib/options.ts';
import { DEFAULT_FOLDER } from './lib/layout.ts';
import type { Emulator } from './lib/plan.ts';
import { isThisProcess, ownerOf } from './lib/owner.ts';
import { isAlive, npmAncestor } from './lib/process-identity.ts';
import { type Progress, progressFor } from './lib/progress.ts';
import { keepsState, stoppedTitle } from './lib/stop-network.ts';
import { endOfLocalstack } from './localstack/end.ts';
import { type LocalNetwork, startLocalNetwork } from './local-network.ts';

interface Options {
  readonly folder: string;
  readonly emulator?: Emulator;
  readonly ports?: number;
  readonly validators?: number;
  readonly fixtures?: string;
  readonly journey: boolean;
  readonly detach?: true;
  readonly json?: true;
}

const OWNER_POLL_MS = 500;

const command = withEmulator(
  localCommand(
    'npm start --',
    'Brings up the local network: one emulator per account, six stacks, the genesis ceremony.',
    `  npm start                          free ports, kept in .local; Ctrl-C stops and saves
  npm start -- --detach              returns once all is up; npm stop ends it
  npm start -- --ports 18000         hospital-a on 18000, hospital-b on 18001, …
  npm start -- --folder .local-two   a second network beside the first
  npm start -- --emulator localstack all accounts in one LocalStack (needs Java 17 and Maven)`,
  ),
)
  .option('--ports <base>', 'first of a row of ports (default: free ones, remembered)', wholeNumber)
  .option('--validators <n>', 'number of hospitals, 4 to 10 (default: 4)', wholeNumber)
  .option('--fixtures <dir>', 'folder of further NPPES answers for the registry')
  .option('--no-journey', 'skip the short journey after the first start')
  .option('--detach', 'leave the network running and return')
  .option('--json', 'print the addresses as JSON once all is up');

async function main(): Promise<void> {
  const given = command.parse().opts<Options>();
  const options = { ...given, folder: folderOf(command) };
  const layout = layoutOf(options.folder);
  const interrupt = listenForInterrupt();
  const progress = progressFor(options.json === true ? process.stderr : process.stdout);
  const started = performance.now();
  progress.note(`\nCareQuorum local network (${shortPath(layout.root)}; logs in logs/)\n`);
  const network = await startLocalNetwork({
    ...options,
    detached: options.detach === true,
    progress,
    signal: interrupt.signal,
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  progress.note(`\nUp after ${seconds} s. Addresses:\n`);
  show(network, layout, options, progress);
  if (options.journey && network.first) {
    await Promise.race([runJourney(network, progress), interrupt.interrupted]);
  }
  if (options.detach === true) return;
  await stay(network, layout, interrupt, progress);
  // A journey that was interrupted would go on against a network that is gone.
  process.exit();
}

function show(network: LocalNetwork, layout: Layout, options: Options, progress: Progress): void {
  const { members, urls, networkFile, folder } = network;
  for (const line of addressLines(members, urls)) progress.note(line);
  progress.note('');
  const named = folder === layoutOf(DEFAULT_FOLDER).root ? undefined : options.folder;
  for (const line of nextSteps(layout, named)) progress.note(line);
  if (options.json === true) console.log(JSON.stringify({ folder, networkFile, urls }, null, 2));
}

/**
 * Stays until Ctrl-C, or until npm is gone, then saves; ends, too, when another command has stopped
 * the network.
 */
async function stay(
  network: LocalNetwork,
  layout: Layout,
  interrupt: Interrupt,
  progress: Progress,
): Promise<void> {
  const kept = keepsState(layout) ? ' and keeps its state' : '';
  progress.note(`\nCtrl-C stops the network${kept}.`);
  const npm = npmAncestor();
  while (!interrupt.signal.aborted && (npm === undefined || isAlive(npm))) {
    const owner = ownerOf(layout);
    if (owner?.mode !== 'attached' || !isThisProcess(owner)) {
      progress.note('The network was stopped by another command.');
      return;
    }
    const end = endOfLocalstack(layout);
    if (end !== undefined) {
      await network.stop();
      throw end;
    }
    await sleep(OWNER_POLL_MS, undefined, { signal: interrupt.signal }).catch(() => undefined);
  }
  progress.note('');
  await progress.step(stoppedTitle(layout), () => network.stop());
}

/** A journey that fails is told; the network stays up to look at. */
async function runJourney(network: LocalNetwork, progress: Progress): Promise<void> {
  progress.note('\nA short journey through the network (--no-journey skips it):\n');
  try {
    const { runShortJourney } = await import('./scenarios/journey.ts');
    await runShortJourney({
      networkFile: network.networkFile,
      report: (line: string) => {
        progress.note(`  ${line}`);
      },
    });
  } catch (error) {
    process.exitCode = 1;
    console.error('\nThe journey failed; the network is up.', error);
  }
}

interface Interrupt {
  readonly signal: AbortSignal;
  readonly interrupted: Promise<void>;
}

/** Aborts at the first Ctrl-C; a later one asks for patience. */
function listenForInterrupt(): Interrupt {
  const signal = interruptSignal((isAgain) => {
    if (isAgain) console.error('Saving; this takes a few seconds.');
  });
  const interrupted = new Promise<void>((settle) => {
    signal.addEventListener('abort', () => {
      settle();
    });
  });
  return { signal, interrupted };
}

await runMain(main);
