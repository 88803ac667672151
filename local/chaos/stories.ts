// The stories of `npm run chaos`: what happens in each, to whom, and what its clients may see.
import { RECORDS_ID } from '../../cdk/names.ts';
import { byzantine, reinstate } from './byzantine.ts';
import { kill } from './kill.ts';
import { pause } from './pause.ts';
import { proveVote } from './proof.ts';
import { recordsAway, type SeenErrors } from './records-away.ts';
import { executedOnce, redelivery } from './redelivery.ts';
import { replace } from './replace.ts';
import { restart } from './restart.ts';
import { MEMBERSHIP_AND_RECORDS, restore } from './restore.ts';
import type { Stage } from './stage.ts';
import { upgrade } from './upgrade.ts';
import { wipe } from './wipe.ts';

export const PAUSE_SECONDS = 20;

export interface StoryOptions {
  /** How long `pause` lasts, seconds. */
  readonly pauseSeconds: number;
  /** Whether the liar gets its vote back at the end. */
  readonly reinstate: boolean;
  /** Commit whose bundle all run before the upgrade; undefined: the one that is deployed. */
  readonly from: string | undefined;
}

export interface Story {
  readonly description: string;
  /** The validator that it happens to, unless the person names one. */
  readonly validator: string;
  /** True where nobody can name another one. */
  readonly isFixed?: true;
  /** The account or accounts that it happens to, where that is no validator. */
  readonly account?: string;
  /** Whose operators submit. @default 'others' */
  readonly clients?: 'others' | 'all';
  /** True where the others must be able to go on without one more. */
  readonly needsSpare: boolean;
  /** True where an account must have processes of its own, which LocalStack does not give. */
  readonly needsProcess?: true;
  /** Codes with which a client's transaction may fail. @default none */
  readonly allowed?: readonly string[];
  /** Answers the errors that clients had to see. */
  play(stage: Stage, options: StoryOptions): Promise<SeenErrors | void>;
  /** Once the load has ended: what else is wrong. */
  judge?(stage: Stage): readonly string[];
}

export const stories: Readonly<Record<string, Story>> = {
  'kill-leader': {
    description:
      'kills the account that leads; the others elect another, it comes back by the operators',
    validator: 'leader',
    isFixed: true,
    clients: 'all',
    needsSpare: true,
    play: (stage) => kill(stage, 'leader'),
  },
  'kill-follower': {
    description: 'kills an account that does not lead; it comes back by the operators',
    validator: 'follower',
    clients: 'all',
    needsSpare: true,
    play: (stage) => kill(stage, 'follower'),
  },
  restart: {
    description: 'stops all validators in order, the named one first, and starts them again',
    validator: 'leader',
    clients: 'all',
    needsSpare: false,
    // What a client submitted may run out of time while nobody answers.
    allowed: ['expired'],
    play: restart,
  },
  pause: {
    description: 'freezes the processes of one account, and lets them go on later',
    validator: 'leader',
    clients: 'all',
    needsSpare: true,
    needsProcess: true,
    play: (stage, { pauseSeconds }) => pause(stage, pauseSeconds),
  },
  redelivery: {
    description: 'delivers every message to one validator twice, and again late and out of order',
    validator: 'leader',
    clients: 'all',
    needsSpare: true,
    play: redelivery,
    judge: executedOnce,
  },
  'records-away': {
    description:
      'stops the custodian of records; clinicians read copies at a hospital, writing waits',
    validator: 'leader',
    isFixed: true,
    account: RECORDS_ID,
    clients: 'all',
    needsSpare: false,
    play: recordsAway,
  },
  restore: {
    description:
      'empties membership and the custodian; a backup and the hospitals give back what they held',
    validator: 'leader',
    isFixed: true,
    account: MEMBERSHIP_AND_RECORDS,
    clients: 'all',
    needsSpare: false,
    play: restore,
  },
  wipe: {
    description: 'empties tables and queues; it recovers, catches up, rejoins and votes by itself',
    validator: 'hospital-c',
    needsSpare: true,
    async play(stage) {
      await wipe(stage);
      await proveVote(stage);
    },
  },
  replace: {
    description: 'kills the account with its KMS key; a new one is let in by the operators',
    validator: 'hospital-c',
    needsSpare: true,
    needsProcess: true,
    async play(stage) {
      await replace(stage);
      await proveVote(stage);
    },
  },
  byzantine: {
    description: 'one account runs a bundle that equivocates; it is blamed and suspended',
    validator: 'leader',
    needsSpare: true,
    async play(stage, { reinstate: isReinstated }) {
      await byzantine(stage);
      if (!isReinstated) return;
      await reinstate(stage);
      await proveVote(stage);
    },
  },
  upgrade: {
    description:
      'gives all validators a new bundle, one at a time, the named one first; old and new work together',
    validator: 'leader',
    needsSpare: true,
    play: (stage, { from }) => upgrade(stage, from),
  },
};
