/** Notes that wake a worker: a standard queue, and a schedule for what no note came for. */

import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { ALARM_PERIOD, type Alarms } from './alarms.ts';
import { DLQ_RETENTION } from './fifo-inbox.ts';
import type { FunctionWithLogGroup } from './function-with-log-group.ts';

/** Seconds that a note is hidden: longer than any function runs. */
const VISIBILITY_SECONDS = 60;
/** A note is a hint: the next one, or the schedule, makes up for it. */
const RECEIVES_MAX = 5;
/** The least that SQS event sources take. */
const CONCURRENCY = 2;
/** Notes of one run; all say the same. */
const BATCH_NOTES_MAX = 10;
/** How often the worker looks without a note. */
const LOOK = Duration.minutes(5);

/** Properties of `NoteQueue`. */
export interface NoteQueueProps {
  readonly queueName: string;
  readonly deadLetterName: string;
  readonly alarms: Alarms;
}

/** The queue with its dead-letter queue. */
export class NoteQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: NoteQueueProps) {
    super(scope, id);
    this.deadLetters = new Queue(this, 'DeadLetters', {
      queueName: props.deadLetterName,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: DLQ_RETENTION,
    });
    this.queue = new Queue(this, 'Queue', {
      queueName: props.queueName,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: Duration.seconds(VISIBILITY_SECONDS),
      retentionPeriod: Duration.hours(1),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: RECEIVES_MAX },
    });
    props.alarms.watch('NoteDeadLetters', {
      metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: ALARM_PERIOD,
      }),
      description: 'Copies of records could not be made or deleted. Read the replicator log.',
    });
  }

  /** Lets a role leave a note, and nothing else. */
  grantSend(grantee: IGrantable): Grant {
    return this.queue.grant(grantee, 'sqs:SendMessage');
  }

  /** Lets a function take notes, and calls it every five minutes. */
  consumeWith(fn: FunctionWithLogGroup): void {
    fn.lambda.addEventSource(
      new SqsEventSource(this.queue, { batchSize: BATCH_NOTES_MAX, maxConcurrency: CONCURRENCY }),
    );
    new Rule(this, 'Look', {
      description: 'Looks for copies to make and to delete',
      schedule: Schedule.rate(LOOK),
      targets: [new LambdaFunction(fn.lambda, { retryAttempts: 1, maxEventAge: LOOK })],
    });
  }
}
