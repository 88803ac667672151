/** Notes that wake the replicator, and a schedule for what no note came for. */

import type { Construct } from 'constructs';

import type { Alarms } from './alarms.ts';
import { HintQueue } from './hint-queue.ts';

/** Properties of `NoteQueue`. */
export interface NoteQueueProps {
  readonly queueName: string;
  readonly deadLetterName: string;
  readonly alarms: Alarms;
}

/** All notes say the same: look what is new. */
export class NoteQueue extends HintQueue {
  constructor(scope: Construct, id: string, props: NoteQueueProps) {
    super(scope, id, {
      ...props,
      alarm: {
        id: 'NoteDeadLetters',
        description: 'Copies of records could not be made or deleted. Read the replicator log.',
        runbook: 'note-dead-letters',
      },
      schedule: { id: 'Look', description: 'Looks for copies to make and to delete' },
      visibilitySeconds: 60,
      batchSize: 10,
    });
  }
}
