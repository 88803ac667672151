/** Timers of a validator: hints with `DelaySeconds`, and a schedule that re-arms a broken chain. */

import type { Construct } from 'constructs';

import type { NetworkConfig } from '../config.ts';
import { timerDlqName, timerName } from '../names.ts';
import type { Alarms } from './alarms.ts';
import { VISIBILITY_SECONDS } from './fifo-inbox.ts';
import { HintQueue } from './hint-queue.ts';

/** Properties of `TimerChain`. */
export interface TimerChainProps {
  readonly config: NetworkConfig;
  /** Id of the owner. */
  readonly validatorId: string;
  readonly alarms: Alarms;
}

/** A timer is a hint against a stored deadline; one is handled at a time. */
export class TimerChain extends HintQueue {
  constructor(scope: Construct, id: string, { config, validatorId, alarms }: TimerChainProps) {
    super(scope, id, {
      queueName: timerName(config, validatorId),
      deadLetterName: timerDlqName(config, validatorId),
      alarms,
      alarm: {
        id: 'TimerDeadLetters',
        description: 'Timers could not be handled: view changes may be late. Read the timer log.',
        runbook: 'timer-dead-letters',
      },
      schedule: { id: 'Rearm', description: 'Re-arms a broken chain of timers' },
      visibilitySeconds: VISIBILITY_SECONDS,
      batchSize: 1,
    });
  }
}
