// The network that a command works on: the one that runs in a folder, else one for this run alone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shortPath } from './lib/console.ts';
import { LocalError } from './lib/errors.ts';
import { type Layout, layoutOf } from './lib/layout.ts';
import type { Emulator } from './lib/plan.ts';
import type { Progress } from './lib/progress.ts';
import { runningPlan } from './lib/stop-network.ts';
import { startLocalNetwork, stopLocalNetwork } from './local-network.ts';

export interface NetworkForRunOptions {
  /** Folder of a network that may run. */
  readonly folder: string;
  /** Part of the name of a folder of its own. */
  readonly command: string;
  /** What a network of this run alone runs on. @default 'ministack' */
  readonly emulator?: Emulator | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface NetworkForRun {
  readonly layout: Layout;
  /**
   * Stops and removes what was started for this run, but the folder after a failure; a network that ran
   * before is left as it is.
   */
  readonly close: (hasFailed?: boolean) => Promise<void>;
}

/** Throws `bad_option` where the network that runs is on another emulator than the one asked for. */
export async function networkForRun(options: NetworkForRunOptions): Promise<NetworkForRun> {
  const { emulator, progress } = options;
  const layout = layoutOf(options.folder);
  const plan = runningPlan(layout);
  if (plan === undefined) return ownNetwork(options);
  if (emulator !== undefined && emulator !== plan.emulator) {
    throw new LocalError('bad_option', `The network in ${layout.root} runs on ${plan.emulator}.`, {
      cure: 'Leave --emulator out, or give another --folder.',
    });
  }
  progress.note(`Using the network in ${shortPath(layout.root)}.`);
  return { layout, close: () => Promise.resolve() };
}

async function ownNetwork(options: NetworkForRunOptions): Promise<NetworkForRun> {
  const { command, emulator, progress, signal } = options;
  progress.note('No network runs here (npm start keeps one): starting one for this run alone.');
  const layout = layoutOf(mkdtempSync(join(tmpdir(), `carequorum-${command}-`)));
  const remove = (): void => {
    rmSync(layout.root, { recursive: true, force: true });
  };
  try {
    await startLocalNetwork({ folder: layout.root, progress, signal, emulator });
  } catch (error) {
    if (signal.aborted) remove();
    else progress.note(`What was started is kept to look at: ${layout.root}`);
    throw error;
  }
  const close = async (hasFailed = false): Promise<void> => {
    const title = hasFailed ? 'Its network stopped' : 'Its network stopped and removed';
    await progress.step(title, () => stopLocalNetwork(layout));
    if (hasFailed) progress.note(`What was started is kept to look at: ${layout.root}`);
    else remove();
  };
  return { layout, close };
}
