/** A standard queue of hints, and a schedule that makes up for what no hint came for. */

import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { ALARM_PERIOD, type Alarms, type RunbookPage } from './alarms.ts';
import { DLQ_RETENTION } from './fifo-inbox.ts';
import type { FunctionWithLogGroup } from './function-with-log-group.ts';

/** A hint is judged against what is stored: the next one, or the schedule, makes up for it. */
const RECEIVES_MAX = 5;
/** The least that SQS event sources take. */
const CONCURRENCY = 2;
/** How often the function is called without a hint. */
const SCHEDULE = Duration.minutes(5);

/** Properties of `HintQueue`. */
export interface HintQueueProps {
  readonly queueName: string;
  readonly deadLetterName: string;
  readonly alarms: Alarms;
  /** Raised where hints end in the dead-letter queue. */
  readonly alarm: {
    readonly id: string;
    readonly description: string;
    readonly runbook: RunbookPage;
  };
  readonly schedule: { readonly id: string; readonly description: string };
  /** How long a hint that was taken is hidden: longer than its function runs. */
  readonly visibilitySeconds: number;
  /** Hints of one run. Where there are several, they fail together. */
  readonly batchSize: number;
}

/** The queue with its dead-letter queue. */
export class HintQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;
  readonly #props: HintQueueProps;

  constructor(scope: Construct, id: string, props: HintQueueProps) {
    super(scope, id);
    this.#props = props;
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
      visibilityTimeout: Duration.seconds(props.visibilitySeconds),
      retentionPeriod: Duration.hours(1),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: RECEIVES_MAX },
    });
    props.alarms.watch(props.alarm.id, {
      metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: ALARM_PERIOD,
      }),
      description: props.alarm.description,
      runbook: props.alarm.runbook,
    });
  }

  /** Lets a role leave a hint, and nothing else. */
  grantSend(grantee: IGrantable): Grant {
    return this.queue.grant(grantee, 'sqs:SendMessage');
  }

  /**
   * Lets a function take hints, and calls it every five minutes.
   * @throws RangeError when a run could outlive the time that its message is hidden
   */
  consumeWith(fn: FunctionWithLogGroup): void {
    const { batchSize, schedule, visibilitySeconds } = this.#props;
    if (fn.timeout.toSeconds() >= visibilitySeconds) {
      throw new RangeError('the visibility time-out is longer than the time-out of the function');
    }
    fn.lambda.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize,
        ...(batchSize === 1 ? { reportBatchItemFailures: true } : {}),
        maxConcurrency: CONCURRENCY,
      }),
    );
    new Rule(this, schedule.id, {
      description: schedule.description,
      schedule: Schedule.rate(SCHEDULE),
      targets: [new LambdaFunction(fn.lambda, { retryAttempts: 1, maxEventAge: SCHEDULE })],
    });
  }
}
