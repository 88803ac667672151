// An account inside LocalStack: it has no process, so "stopped" means that nothing reaches it.
import { existsSync, rmSync } from 'node:fs';
import { accountClient } from '../lib/account-client.ts';
import { type AccountLife, lifeOf, processOf } from '../lib/account-process.ts';
import { writeJsonFile } from '../lib/json-file.ts';
import { accountLayout, type Layout } from '../lib/layout.ts';
import { LOCALSTACK } from '../lib/members.ts';
import type { Plan, PlannedMember } from '../lib/plan.ts';

/** Said wherever an account is stopped or killed here. */
export const HOSTED_STOP_NOTE =
  'LocalStack runs all accounts in one process: "stopped" means that the event sources and the API ' +
  'stage of the account are disabled; its tables, queues and keys stay.';

/** True for an account that has no process of its own. */
export function isHosted(plan: Plan, member: PlannedMember): boolean {
  return plan.emulator === 'localstack' && member.account !== null;
}

/** The life of any member, whoever runs it. */
export function lifeOfMember(layout: Layout, plan: Plan, member: PlannedMember): AccountLife {
  const own = accountLayout(layout, member.id);
  if (!isHosted(plan, member)) return lifeOf(own);
  const isUp = processOf(accountLayout(layout, LOCALSTACK.id)) !== undefined;
  return isUp && !existsSync(own.life) ? 'running' : lifeOf(own);
}

/** Takes the account's queues and API away. */
export async function stopHosted(layout: Layout, member: PlannedMember): Promise<void> {
  const client = accountClient(member);
  await client.setConsuming(false);
  await client.setServing(false);
  writeJsonFile(accountLayout(layout, member.id).life, { life: 'clean' });
}

export async function restartHosted(layout: Layout, member: PlannedMember): Promise<void> {
  const client = accountClient(member);
  await client.setServing(true);
  await client.setConsuming(true);
  rmSync(accountLayout(layout, member.id).life, { force: true });
}
