/** The network that a load drives: the one that runs in a folder, else one for this run alone. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shortPath } from '../../local/lib/console.ts';
import { type Layout, layoutOf } from '../../local/lib/layout.ts';
import { openOperator } from '../../local/lib/operators.ts';
import { ownerOf } from '../../local/lib/owner.ts';
import { type Plan, readPlan, requirePlan } from '../../local/lib/plan.ts';
import type { Progress } from '../../local/lib/progress.ts';
import { runningMembers } from '../../local/lib/stop-network.ts';
import { startLocalNetwork, stopLocalNetwork } from '../../local/local-network.ts';
import { Cast, registeredDoctors } from '../../local/scenarios/cast.ts';
import { UnexpectedError } from '../../local/scenarios/steps.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Keystore } from '../../sdk/keystore.ts';
import { type Network, parseNetworkFile } from '../../sdk/network-file.ts';
import type { FoundDoctor } from './people.ts';

export interface Stand {
  readonly layout: Layout;
  readonly plan: Plan;
  readonly network: Network;
  readonly operator: (hospital: string) => Promise<Keystore>;
  /** Doctors of the register, each at the hospital where the stories have them. */
  readonly nextDoctors: readonly (() => Promise<FoundDoctor | null>)[];
  /** Stops and removes what was started for this run. */
  readonly close: () => Promise<void>;
}

export async function openStand(
  folder: string,
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
): Promise<Stand> {
  const layout = layoutOf(folder);
  const plan = readPlan(layout);
  const isRunning =
    plan !== undefined && ownerOf(layout) !== undefined && runningMembers(layout, plan).length > 0;
  if (isRunning) {
    progress.note(`Using the network in ${shortPath(layout.root)}.`);
    return standIn(layout, () => Promise.resolve());
  }
  progress.note('No network runs here (npm start keeps one): starting one for this run alone.');
  const own = layoutOf(mkdtempSync(join(tmpdir(), 'carequorum-load-')));
  const remove = (): void => {
    rmSync(own.root, { recursive: true, force: true });
  };
  try {
    await startLocalNetwork({ folder: own.root, progress, signal });
  } catch (error) {
    if (signal.aborted) remove();
    else progress.note(`What was started is kept to look at: ${own.root}`);
    throw error;
  }
  return standIn(own, async () => {
    await progress.step('Its network stopped and removed', () => stopLocalNetwork(own));
    remove();
  });
}

async function standIn(layout: Layout, close: Stand['close']): Promise<Stand> {
  const { networkFile } = layout;
  const network = await parseNetworkFile(readFileSync(networkFile, 'utf8'));
  const cast = new Cast({ network, networkFile });
  return {
    ...{ layout, network, plan: requirePlan(layout) },
    // The last first: stories take the first ones.
    nextDoctors: registeredDoctors.map((_, index) => () => doctorOf(cast, index)).reverse(),
    operator: (hospital) => openOperator(layout, hospital),
    close,
  };
}

/** Their keystores stay beside the network: a number of the register is enrolled once. */
async function doctorOf(cast: Cast, index: number): Promise<FoundDoctor | null> {
  const hospital = cast.hospitals[index % cast.hospitals.length] ?? '';
  try {
    const { doctor, approved } = await cast.doctor(hospital, index);
    return { clinician: doctor, approved };
  } catch (error) {
    const isTaken = reasonOf(error) !== null || error instanceof UnexpectedError;
    if (isTaken) return null;
    throw error;
  }
}
