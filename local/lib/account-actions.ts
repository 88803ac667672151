// What can be done to one account of a running network: stop, kill, restart, build anew.
import { rmSync } from 'node:fs';
import { accountCommand } from './account-commands.ts';
import {
  type AccountLife,
  killAccount,
  lifeOf,
  pauseAccount,
  startAccount,
  stopAccount,
} from './account-process.ts';
import { bootstrapAccount, deployAccount, forgetDeployed, readApiUrls } from './deploy.ts';
import { LocalError } from './errors.ts';
import { accountLayout, type Layout } from './layout.ts';
import { isHosted, lifeOfMember, restartHosted, stopHosted } from '../localstack/hosted.ts';
import { withLock } from './lock.ts';
import { ownerOf } from './owner.ts';
import { memberOf, type PlannedMember, requirePlan } from './plan.ts';
import { preparePython } from './python-environment.ts';
import { explainLoss } from './survey.ts';

/** Stops an account in order; its state is kept. False when it was not running. */
export async function stopMember(layout: Layout, id: string): Promise<boolean> {
  const plan = requirePlan(layout);
  const member = memberOf(plan, id);
  return withLock(layout, async () => {
    if (lifeOfMember(layout, plan, member) !== 'running') return false;
    if (isHosted(plan, member)) await stopHosted(layout, member);
    else await stopAccount(accountLayout(layout, member.id));
    return true;
  });
}

/**
 * Ends an account's processes at once; its state and its KMS keys are destroyed. One that has no
 * process of its own is stopped (`HOSTED_STOP_NOTE`).
 */
export async function killMember(layout: Layout, id: string): Promise<void> {
  const plan = requirePlan(layout);
  const member = memberOf(plan, id);
  if (isHosted(plan, member)) return void (await stopMember(layout, id));
  await withLock(layout, () => killAccount(accountLayout(layout, member.id)));
}

/**
 * Freezes an account's processes as they are (SIGSTOP), or lets them go on (SIGCONT). Throws
 * `not_running` where it does not run, `bad_option` where it has no process of its own.
 */
export async function pauseMember(layout: Layout, id: string, isPaused: boolean): Promise<void> {
  const plan = requirePlan(layout);
  const member = memberOf(plan, id);
  if (isHosted(plan, member)) {
    throw new LocalError('bad_option', `${id} cannot be paused: all accounts are one process.`, {
      cure: 'npm start   (with an emulator for each account), then try there',
    });
  }
  await withLock(layout, async () => {
    if (pauseAccount(accountLayout(layout, member.id), isPaused)) return;
    throw new LocalError('not_running', `${id} does not run.`, {
      cure: `npm run network -- restart ${id}`,
    });
  });
}

/**
 * Starts an account again with the state that its orderly stop saved; stops it first if it runs.
 * Throws `lost_account` for one whose state is gone, `not_running` when the network is down.
 */
export async function restartMember(layout: Layout, id: string): Promise<void> {
  const plan = requirePlan(layout);
  const member = memberOf(plan, id);
  if (ownerOf(layout) === undefined) {
    throw new LocalError('not_running', 'The network is not running.', { cure: 'npm start' });
  }
  await withLock(layout, async () => {
    const account = accountLayout(layout, member.id);
    if (isHosted(plan, member)) {
      if (lifeOfMember(layout, plan, member) === 'saved') await restartHosted(layout, member);
      return;
    }
    if (lifeOf(account) === 'running') await stopAccount(account);
    refuseAmnesia(layout, member, lifeOf(account));
    const python = await preparePython({ log: `${layout.logs}/python.log` });
    await startAccount(account, accountCommand(layout, member, python, plan.fixtures));
  });
}

/**
 * Starts an account that lost everything as a new one: an empty emulator, then its stack from the
 * templates that are there. Its keys are new, so only the other hospitals can let it back in.
 */
export async function rebuildMember(layout: Layout, id: string): Promise<void> {
  const plan = requirePlan(layout);
  const member = memberOf(plan, id);
  const account = accountLayout(layout, member.id);
  if (isHosted(plan, member)) {
    throw new LocalError('bad_option', `${id} cannot lose its keys on LocalStack.`, {
      cure: 'npm start   (with an emulator for each account), then try there',
    });
  }
  await withLock(layout, async () => {
    const life = lifeOf(account);
    if (life === 'running' || life === 'saved') {
      throw new LocalError('bad_option', `${id} has its state: it needs no new account.`, {
        cure: `npm run network -- restart ${id}`,
      });
    }
    rmSync(account.root, { recursive: true, force: true });
    const before = readApiUrls(layout)[id];
    forgetDeployed(layout, id);
    const python = await preparePython({ log: `${layout.logs}/python.log` });
    await startAccount(account, accountCommand(layout, member, python, plan.fixtures));
    await bootstrapAccount({ layout }, member);
    await deployAccount({ layout }, member);
    const after = readApiUrls(layout)[id];
    if (after !== before) {
      throw new LocalError(
        'bad_state_file',
        `${id} is at ${after ?? ''} now, not at ${before ?? ''}.`,
      );
    }
  });
}

function refuseAmnesia(layout: Layout, member: PlannedMember, life: AccountLife): void {
  if (member.kind === 'registry' || life === 'saved') return;
  throw new LocalError('lost_account', explainLoss(member, life), {
    cure:
      member.kind === 'validator'
        ? `npm run chaos -- replace --validator ${member.id}   (a new account, let in by the others)`
        : `npm run reset   (gives up this whole network in ${layout.root})`,
  });
}
