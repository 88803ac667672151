/** Timers of a validator: a standard queue for `DelaySeconds`, and a schedule that re-arms a broken chain. */

import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import type { NetworkConfig } from '../config.ts';
import { timerDlqName, timerName } from '../names.ts';
import { ALARM_PERIOD, type Alarms } from './alarms.ts';
import { DLQ_RETENTION, VISIBILITY_SECONDS } from './fifo-inbox.ts';
import type { FunctionWithLogGroup } from './function-with-log-group.ts';

/** A timer is a hint against a stored deadline: the next one makes up for it. */
const RECEIVES_MAX = 5;
/** The least that SQS event sources take. */
const CONCURRENCY = 2;
/** How often a broken chain of timers is re-armed. */
const REARM = Duration.minutes(5);

/** Properties of `TimerChain`. */
export interface TimerChainProps {
  readonly config: NetworkConfig;
  /** Id of the owner. */
  readonly validatorId: string;
  readonly alarms: Alarms;
}

/** The timer queue with its dead-letter queue. */
export class TimerChain extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: TimerChainProps) {
    super(scope, id);
    this.deadLetters = new Queue(this, 'DeadLetters', {
      queueName: timerDlqName(props.config, props.validatorId),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: DLQ_RETENTION,
    });
    this.queue = new Queue(this, 'Queue', {
      queueName: timerName(props.config, props.validatorId),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: Duration.seconds(VISIBILITY_SECONDS),
      retentionPeriod: Duration.hours(1),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: RECEIVES_MAX },
    });
    props.alarms.watch('TimerDeadLetters', {
      metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: ALARM_PERIOD,
      }),
      description: 'Timers could not be handled: view changes may be late. Read the timer log.',
    });
  }

  /** Lets a role set a timer, and nothing else. */
  grantSend(grantee: IGrantable): Grant {
    return this.queue.grant(grantee, 'sqs:SendMessage');
  }

  /**
   * Lets a function handle timers one at a time, and calls it every five minutes.
   * @throws RangeError when a run could outlive the time that its message is hidden
   */
  consumeWith(fn: FunctionWithLogGroup): void {
    if (fn.timeout.toSeconds() >= VISIBILITY_SECONDS) {
      throw new RangeError('the visibility time-out is longer than the time-out of the function');
    }
    fn.lambda.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize: 1,
        reportBatchItemFailures: true,
        maxConcurrency: CONCURRENCY,
      }),
    );
    new Rule(this, 'Rearm', {
      description: 'Re-arms a broken chain of timers',
      schedule: Schedule.rate(REARM),
      targets: [new LambdaFunction(fn.lambda, { retryAttempts: 1, maxEventAge: REARM })],
    });
  }
}
