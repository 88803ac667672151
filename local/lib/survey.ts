// What a network's folder holds before a start, and what may therefore be started.
import { existsSync } from 'node:fs';
import { type AccountLife, lifeOf } from './account-process.ts';
import { LocalError } from './errors.ts';
import { accountLayout, type Layout } from './layout.ts';
import { quorumOf } from './members.ts';
import type { Plan, PlannedMember } from './plan.ts';

export interface Survey {
  /** True once the genesis ceremony was held: from then on state must never be lost. */
  readonly established: boolean;
  readonly lives: ReadonlyMap<string, AccountLife>;
  readonly startable: readonly PlannedMember[];
  /** Accounts whose state is gone, or older than what they did. */
  readonly lost: readonly PlannedMember[];
}

export function surveyOf(layout: Layout, plan: Plan): Survey {
  const established = existsSync(layout.networkFile);
  const lives = new Map(
    plan.members.map((member) => [member.id, lifeOf(accountLayout(layout, member.id))]),
  );
  const lost = plan.members.filter((member) => established && isLost(member, lives.get(member.id)));
  return {
    established,
    lives,
    lost,
    startable: plan.members.filter((member) => !lost.includes(member)),
  };
}

/** Throws `no_quorum` when so many validators are lost that nothing can ever be decided again. */
export function requireQuorum(plan: Plan, survey: Survey): void {
  const validators = plan.members.filter((member) => member.kind === 'validator');
  const left = survey.startable.filter((member) => member.kind === 'validator').length;
  const quorum = quorumOf(validators.length);
  if (left >= quorum) return;
  const names = survey.lost.map((member) => member.id).join(', ');
  throw new LocalError(
    'no_quorum',
    `Lost: ${names}. ${left} of ${validators.length} validators are left and a quorum is ` +
      `${quorum}, so this network can decide nothing any more.`,
    { cure: 'npm run reset && npm start   (a new network; this one and its records are deleted)' },
  );
}

/** Why an account cannot come back, for people. */
export function explainLoss(member: PlannedMember, life: AccountLife | undefined): string {
  const cause =
    life === 'killed'
      ? 'it was killed, which destroyed its state and its signing key'
      : 'it ended without saving (a crash, or the machine went down)';
  const after =
    member.kind === 'validator'
      ? 'Older state would make it forget votes that it gave (silent amnesia), so it is not ' +
        'loaded. It comes back with new keys, which the others put in by governance: ' +
        `npm run chaos -- replace --validator ${member.id}`
      : 'Its keys stand in the genesis document and cannot be made again.';
  return `${member.id} stays away: ${cause}. ${after}`;
}

/** What keeps nothing can always start. */
function isLost(member: PlannedMember, life: AccountLife | undefined): boolean {
  if (member.kind === 'registry' || member.kind === 'emulator') return false;
  return life === 'killed' || life === 'lost' || life === 'fresh';
}
