// The network of a demonstration: one of its own that is gone afterwards, or one that runs already.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { endOfLocalstack } from './localstack/end.ts';
import { HOSTED_STOP_NOTE } from './localstack/hosted.ts';
import { killMember, restartMember, stopMember } from './lib/account-actions.ts';
import { LocalError } from './lib/errors.ts';
import { layoutOf } from './lib/layout.ts';
import type { Emulator } from './lib/plan.ts';
import { runningPlan } from './lib/stop-network.ts';
import { startLocalNetwork } from './local-network.ts';
import type { StageAccounts } from './scenarios/scenario.ts';

export interface DemoNetworkOptions {
  /** Folder of a local network that may be running. */
  readonly folder: string;
  /** Network file of a running network, instead of the folder. */
  readonly network?: string | undefined;
  /** What a network of its own runs on. @default 'ministack' */
  readonly emulator?: Emulator | undefined;
  /** Lets a running network lose an account for good. */
  readonly allowKill: boolean;
  readonly report: (line: string) => void;
}

export interface DemoNetwork {
  readonly networkFile: string;
  /** Null where the accounts must be left alone. */
  readonly accounts: StageAccounts | null;
  /** Stops and removes what was started for the demonstration alone. */
  close(): Promise<void>;
}

/** A running network is used as it is; where there is none, one is started for this run only. */
export async function openDemoNetwork(options: DemoNetworkOptions): Promise<DemoNetwork> {
  const { report, allowKill } = options;
  const folder = options.network ? dirname(resolve(options.network)) : options.folder;
  const layout = layoutOf(folder);
  const plan = runningPlan(layout);
  const isRunning = plan !== undefined;
  if (options.network !== undefined && !isRunning && allowKill) {
    throw new LocalError(
      'not_running',
      'Only a local network on this machine can lose an account.',
      {
        cure: 'Leave --allow-kill out, or give the --folder of a local network.',
      },
    );
  }
  if (options.network === undefined && !isRunning) return ownNetwork(report, options.emulator);
  const networkFile = options.network ? resolve(options.network) : layout.networkFile;
  report(`Using the network of ${networkFile}.`);
  if (!allowKill) {
    report(
      'Its accounts are left alone; --allow-kill lets them be stopped, and the leader be killed.',
    );
    return { networkFile, accounts: null, close: () => Promise.resolve() };
  }
  if (plan?.emulator === 'localstack') report(HOSTED_STOP_NOTE);
  return {
    networkFile,
    accounts: {
      stop: async (id) => void (await stopMember(layout, id)),
      restart: (id) => restartMember(layout, id),
      kill: (id) => killMember(layout, id),
    },
    close: () => Promise.resolve(),
  };
}

/** A network for one run alone: nothing of it is left afterwards. */
export async function ownNetwork(
  report: (line: string) => void,
  emulator: Emulator | undefined,
): Promise<DemoNetwork> {
  const folder = mkdtempSync(join(tmpdir(), 'carequorum-demo-'));
  report('Starting a network for this run alone.');
  if (emulator === 'localstack') report(HOSTED_STOP_NOTE);
  try {
    const network = await startLocalNetwork({ folder, emulator, log: report });
    return {
      networkFile: network.networkFile,
      accounts: {
        stop: (id) => network.stopAccount(id),
        restart: (id) => network.restart(id),
        kill: (id) => network.kill(id),
      },
      async close() {
        const hasEnded = endOfLocalstack(layoutOf(folder)) !== undefined;
        await network.stop();
        if (hasEnded) report(`Its logs are kept to look at: ${folder}`);
        else rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    report(`What was started is kept to look at: ${folder}`);
    throw error;
  }
}
