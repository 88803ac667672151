/** The inbox of a validator: a FIFO queue that its peers may send to, and its dead-letter queue. */

import { Duration } from 'aws-cdk-lib';
import { AccountPrincipal, CompositePrincipal, Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import {
  DeduplicationScope,
  FifoThroughputLimit,
  Queue,
  QueueEncryption,
} from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import type { NetworkConfig, ValidatorConfig } from '../config.ts';
import { inboxArn, inboxDlqName, inboxName, principalArn } from '../names.ts';
import { ALARM_PERIOD, type Alarms } from './alarms.ts';
import type { FunctionWithLogGroup } from './function-with-log-group.ts';

/** Seconds that a received message is hidden; longer than a run, so runs rarely overlap. */
export const VISIBILITY_SECONDS = 20;
/** Messages of one run, the most that a FIFO event source takes. */
const BATCH_MESSAGES_MAX = 10;
/** Tries of one message: failures make it visible at once, so a short outage needs several. */
const RECEIVES_MAX = 10;
/** Consensus messages are worthless after a day: peers retransmit. */
const RETENTION = Duration.days(1);
/** What is dead-lettered is kept for a person to look at. */
export const DLQ_RETENTION = Duration.days(14);
/** Age of the oldest message, in seconds, that means that the replica is stuck. */
const AGE_SECONDS_MAX = 300;

/** Properties of `FifoInbox`. */
export interface FifoInboxProps {
  readonly config: NetworkConfig;
  /** Id of the owner. */
  readonly validatorId: string;
  readonly alarms: Alarms;
}

/** The inbox. Content-based deduplication is off: ids are random per attempt to send (design §4). */
export class FifoInbox extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;
  private readonly config: NetworkConfig;

  constructor(scope: Construct, id: string, props: FifoInboxProps) {
    super(scope, id);
    this.config = props.config;
    this.deadLetters = new Queue(this, 'DeadLetters', {
      queueName: inboxDlqName(props.config, props.validatorId),
      fifo: true,
      contentBasedDeduplication: false,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: DLQ_RETENTION,
    });
    this.queue = new Queue(this, 'Queue', {
      queueName: inboxName(props.config, props.validatorId),
      fifo: true,
      contentBasedDeduplication: false,
      deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
      fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: Duration.seconds(VISIBILITY_SECONDS),
      retentionPeriod: RETENTION,
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: RECEIVES_MAX },
    });
    props.alarms.watch('InboxDeadLetters', {
      metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: ALARM_PERIOD,
      }),
      description: 'Consensus messages could not be handled. Read the inbox log; never redrive.',
      runbook: 'inbox-dead-letters',
    });
    props.alarms.watch('InboxAge', {
      metric: this.queue.metricApproximateAgeOfOldestMessage({
        statistic: 'Maximum',
        period: ALARM_PERIOD,
      }),
      above: AGE_SECONDS_MAX,
      description: 'The replica does not keep up, or is stopped.',
      runbook: 'inbox-age',
    });
  }

  /** Lets a role of this account send to a peer's inbox, whose owner must allow it as well. */
  static grantSendTo(config: NetworkConfig, peer: ValidatorConfig, grantee: IGrantable): Grant {
    return Grant.addToPrincipal({
      grantee,
      actions: ['sqs:SendMessage'],
      resourceArns: [inboxArn(config, peer)],
    });
  }

  /** Lets a role of this account send, and nothing else. */
  grantSend(grantee: IGrantable): Grant {
    return this.queue.grant(grantee, 'sqs:SendMessage');
  }

  /**
   * Lets the `inbox` roles of the peers' accounts send, and nothing else: one statement for all,
   * as SQS takes no more than ten conditions in a policy.
   */
  grantSendToPeers(peers: readonly ValidatorConfig[]): Grant {
    const accounts = peers.map(({ account }) => new AccountPrincipal(account));
    return Grant.addToPrincipalOrResource({
      grantee: new CompositePrincipal(...accounts).withConditions({
        ArnEquals: {
          'aws:PrincipalArn': peers.map((peer) => principalArn(this.config, peer, 'inbox')),
        },
      }),
      actions: ['sqs:SendMessage'],
      resourceArns: [this.queue.queueArn],
      resource: this.queue,
    });
  }

  /**
   * Lets a function consume the inbox, ten messages at a time.
   * @throws RangeError when a run could outlive the time that its messages are hidden
   */
  consumeWith(fn: FunctionWithLogGroup): void {
    if (fn.timeout.toSeconds() >= VISIBILITY_SECONDS) {
      throw new RangeError('the visibility time-out is longer than the time-out of the function');
    }
    fn.lambda.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize: BATCH_MESSAGES_MAX,
        reportBatchItemFailures: true,
        maxConcurrency: this.config.inboxConcurrency,
      }),
    );
  }
}
