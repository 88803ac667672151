/** The network that a load drives: the one that runs in a folder, else one for this run alone. */
import { readFileSync } from 'node:fs';
import type { Layout } from '../../local/lib/layout.ts';
import { openOperator } from '../../local/lib/operators.ts';
import { type Plan, requirePlan } from '../../local/lib/plan.ts';
import type { Progress } from '../../local/lib/progress.ts';
import { networkForRun } from '../../local/network-for-run.ts';
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
  const used = await networkForRun({ folder, command: 'load', progress, signal });
  return standIn(used.layout, used.close);
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
