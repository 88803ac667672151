// Stops every process of a network in order and says which of them could not save.
import { processOf, stopAccount } from './account-process.ts';
import { LocalError } from './errors.ts';
import { accountLayout, type Layout } from './layout.ts';
import { ownerOf, removeOwner } from './owner.ts';
import { forgetNetwork } from './folder.ts';
import { type Plan, type PlannedMember, readPlan } from './plan.ts';

/** Members whose process is alive. */
export function runningMembers(layout: Layout, plan: Plan): readonly PlannedMember[] {
  return plan.members.filter((member) => processOf(accountLayout(layout, member.id)) !== undefined);
}

/** The plan of the network that runs in a folder, undefined where none does. */
export function runningPlan(layout: Layout): Plan | undefined {
  const plan = readPlan(layout);
  const isRunning =
    plan !== undefined && ownerOf(layout) !== undefined && runningMembers(layout, plan).length > 0;
  return isRunning ? plan : undefined;
}

/**
 * Stops all that runs, side by side; returns how many were stopped. The caller holds the lock.
 * Throws `not_saved` after all are gone, naming those whose state is lost.
 */
export async function stopProcesses(layout: Layout, plan: Plan): Promise<number> {
  const running = runningMembers(layout, plan);
  const outcomes = await Promise.allSettled(
    running.map((member) => stopAccount(accountLayout(layout, member.id))),
  );
  removeOwner(layout);
  if (plan.emulator === 'localstack') forgetNetwork(layout);
  const failed = running.filter((_, index) => outcomes[index]?.status === 'rejected');
  if (failed.length > 0) {
    const names = failed.map((member) => member.id).join(', ');
    throw new LocalError('not_saved', `Ended without saving its state: ${names}.`, {
      cure: `Logs: ${layout.logs}`,
    });
  }
  return running.length;
}

/** Whether a start finds again what a stop leaves. */
export function keepsState(layout: Layout): boolean {
  return readPlan(layout)?.emulator !== 'localstack';
}

/** What a stop does, for people. */
export function stoppedTitle(layout: Layout): string {
  return keepsState(layout) ? 'Stopped, state saved' : 'Stopped; LocalStack keeps no state';
}
