// The local network as a library: bring it up, stop it, and treat single accounts badly.
import type { Parameters } from '../lib/wire/parameters.ts';
import { killMember, restartMember, stopMember } from './lib/account-actions.ts';
import { bringUp } from './lib/bring-up.ts';
import { readApiUrls } from './lib/deploy.ts';
import { DEFAULT_FOLDER, type Layout, layoutOf } from './lib/layout.ts';
import { withLock } from './lib/lock.ts';
import { detach } from './lib/owner.ts';
import {
  type Emulator,
  type PlannedMember,
  readPlan,
  refuseForeignFolder,
  requirePlan,
} from './lib/plan.ts';
import { lineProgress, type Progress } from './lib/progress.ts';
import { stopProcesses } from './lib/stop-network.ts';

export interface StartOptions {
  /** Where the network lives. @default '.local' */
  readonly folder?: string;
  /** First of a row of ports. @default free ones, remembered */
  readonly ports?: number | undefined;
  /** @default 'ministack', or what the folder's network runs on */
  readonly emulator?: Emulator | undefined;
  /** @default 4 */
  readonly validators?: number | undefined;
  /** Folder of further answers of the registry of clinicians. */
  readonly fixtures?: string | undefined;
  /** Takes a line of progress at a time. @default nothing is shown */
  readonly log?: (line: string) => void;
  /** @default one that writes lines to `log` */
  readonly progress?: Progress;
  /** Ends the start early; what was started is stopped. */
  readonly signal?: AbortSignal;
  /** Parameters of the genesis document that differ from the defaults, for tests. */
  readonly parameters?: Partial<Parameters>;
  /** Keeps the network running when this program ends. @default false */
  readonly detached?: boolean;
}

export interface LocalNetwork {
  readonly folder: string;
  /** Genesis document and URLs, as the CLI and the SDK read them. */
  readonly networkFile: string;
  readonly members: readonly PlannedMember[];
  /** URL of each account's API, by id; the registry's own address under `registry`. */
  readonly urls: Readonly<Record<string, string>>;
  /** True when this start held the genesis ceremony. */
  readonly first: boolean;
  /** Stops all in order; state is kept for the next start. */
  stop(): Promise<void>;
  /** Stops one account in order. */
  stopAccount(id: string): Promise<void>;
  /** SIGKILL of the account's process group; state and keys of that account are lost. */
  kill(id: string): Promise<void>;
  /** Starts an account again with the state that its orderly stop saved. */
  restart(id: string): Promise<void>;
}

/** Brings the network of a folder up. After a failure nothing is left running. */
export async function startLocalNetwork(options: StartOptions = {}): Promise<LocalNetwork> {
  const layout = layoutOf(options.folder ?? DEFAULT_FOLDER);
  const progress = options.progress ?? lineProgress(options.log ?? (() => undefined));
  refuseForeignFolder(layout);
  const { first } = await withLock(layout, async () => {
    const result = await bringUp({ ...options, layout, progress });
    if (options.detached === true) detach(layout);
    return result;
  });
  return { ...describe(layout), first };
}

function describe(layout: Layout): Omit<LocalNetwork, 'first'> {
  const { members } = requirePlan(layout);
  return {
    folder: layout.root,
    networkFile: layout.networkFile,
    members,
    urls: networkUrls(layout),
    stop: () => stopLocalNetwork(layout).then(() => undefined),
    stopAccount: (id) => stopMember(layout, id).then(() => undefined),
    kill: (id) => killMember(layout, id),
    restart: (id) => restartMember(layout, id),
  };
}

/** Stops all processes of the network in order; returns how many there were. */
export async function stopLocalNetwork(layout: Layout): Promise<number> {
  return withLock(layout, async () => {
    const plan = readPlan(layout);
    return plan === undefined ? 0 : stopProcesses(layout, plan);
  });
}

/** URLs of the APIs by account, and the registry's address. */
export function networkUrls(layout: Layout): Readonly<Record<string, string>> {
  const registry = requirePlan(layout).members.find((member) => member.kind === 'registry');
  return {
    ...readApiUrls(layout),
    ...(registry === undefined ? {} : { registry: `http://localhost:${registry.port}/api/` }),
  };
}
