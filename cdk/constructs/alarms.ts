/** Alarms of one party, all sent to one topic that its operator subscribes to. */

import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  TreatMissingData,
  type IMetric,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Grant, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

/** Properties of `Alarms`. */
export interface AlarmsProps {
  /** Account whose alarms may publish. */
  readonly account: string;
}

/** Pages of `docs/runbook/`, without `.md`: what to do at an alarm. */
export type RunbookPage =
  | 'function-errors'
  | 'function-throttles'
  | 'function-critical'
  | 'api-server-errors'
  | 'inbox-dead-letters'
  | 'inbox-age'
  | 'timer-dead-letters'
  | 'note-dead-letters'
  | 'replica-silent'
  | 'replica-halted'
  | 'replica-not-voting'
  | 'view-changes'
  | 'slow-requests'
  | 'peers-unreachable';

/** Settings of one alarm. */
export interface WatchProps {
  readonly metric: IMetric;
  /** What to do: the page's name stands in the alarm's text. */
  readonly runbook: RunbookPage;
  /** What the operator reads: what happened, and what it means. */
  readonly description: string;
  /**
   * The alarm is raised above this value.
   * @default 0
   */
  readonly above?: number;
  /**
   * Periods of the metric in a row.
   * @default 1
   */
  readonly periods?: number;
  /**
   * Whether the alarm is raised where nothing is measured, instead of above a value.
   * @default false
   */
  readonly atSilence?: boolean;
}

/** The period that alarms look at. */
export const ALARM_PERIOD = Duration.minutes(5);

/** A topic for alarms, and the alarms that publish to it. */
export class Alarms extends Construct {
  readonly topic: Topic;
  readonly #all: Alarm[] = [];

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.topic = new Topic(this, 'Topic', { enforceSSL: true });
    Grant.addToPrincipalOrResource({
      grantee: new ServicePrincipal('cloudwatch.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': props.account } },
      }),
      actions: ['sns:Publish'],
      resourceArns: [this.topic.topicArn],
      resource: this.topic,
    });
  }

  /** All that were made so far. */
  get all(): readonly Alarm[] {
    return this.#all;
  }

  /** Raises an alarm while `metric` is above a value; no data is no alarm unless it says so. */
  watch(id: string, props: WatchProps): void {
    const { metric, description, runbook, atSilence = false } = props;
    const alarm = new Alarm(this, id, {
      metric,
      alarmDescription: `${description} What to do: docs/runbook/${runbook}.md`,
      threshold: atSilence ? 1 : (props.above ?? 0),
      evaluationPeriods: props.periods ?? 1,
      comparisonOperator: atSilence
        ? ComparisonOperator.LESS_THAN_THRESHOLD
        : ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: atSilence ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    this.#all.push(alarm);
  }
}
