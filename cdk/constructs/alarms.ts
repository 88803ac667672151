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

/** Settings of one alarm. */
export interface WatchProps {
  readonly metric: IMetric;
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
}

/** The period that alarms look at. */
export const ALARM_PERIOD = Duration.minutes(5);

/** A topic for alarms, and the alarms that publish to it. */
export class Alarms extends Construct {
  readonly topic: Topic;

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

  /** Raises an alarm while `metric` is above a value; no data is no alarm. */
  watch(id: string, props: WatchProps): Alarm {
    const alarm = new Alarm(this, id, {
      metric: props.metric,
      alarmDescription: props.description,
      threshold: props.above ?? 0,
      evaluationPeriods: props.periods ?? 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    return alarm;
  }
}
