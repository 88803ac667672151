/** What a replica measures of itself, as metrics of CloudWatch, and the alarms on it. */

import { Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';

import {
  METRIC_NAMESPACE,
  SERVICE_DIMENSION,
  type StepMetric,
} from '../../functions/aws/metric-names.ts';
import { ALARM_PERIOD, type Alarms } from './alarms.ts';

/** The schedule wakes a replica every five minutes: three times nothing is silence. */
const SILENT_PERIODS = 3;
/** One that came back votes again within minutes. */
const NOT_VOTING_PERIODS = 3;
/** Leaders given up in five minutes; one is given up now and then. */
const VIEW_CHANGES_MAX = 5;
/** Longer than a few view time-outs. */
const REQUEST_MS_MAX = 30_000;
/** A peer that is away costs one message a step, and steps go on. */
const SENDS_FAILED_MAX = 20;

/** Properties of `ReplicaMetrics`. */
export interface ReplicaMetricsProps {
  /** Physical name of the `inbox` function, under which it publishes. */
  readonly service: string;
  readonly alarms: Alarms;
}

/** The metrics of one replica. */
export class ReplicaMetrics extends Construct {
  readonly service: string;

  constructor(scope: Construct, id: string, { service, alarms }: ReplicaMetricsProps) {
    super(scope, id);
    this.service = service;
    alarms.watch('ReplicaSilent', {
      metric: this.metric('Height', Stats.SAMPLE_COUNT),
      atSilence: true,
      periods: SILENT_PERIODS,
      description: 'The replica has not run for fifteen minutes.',
      runbook: 'replica-silent',
    });
    alarms.watch('ReplicaHalted', {
      metric: this.metric('Halted', Stats.MAXIMUM),
      description: 'The replica has stopped itself and votes on nothing.',
      runbook: 'replica-halted',
    });
    alarms.watch('ReplicaNotVoting', {
      metric: this.metric('Learner', Stats.MINIMUM),
      periods: NOT_VOTING_PERIODS,
      description: 'The replica follows and does not vote: the network has one to spare less.',
      runbook: 'replica-not-voting',
    });
    alarms.watch('ViewChanges', {
      metric: this.metric('ViewChanges', Stats.SUM),
      above: VIEW_CHANGES_MAX,
      periods: 2,
      description: 'Leaders are given up again and again.',
      runbook: 'view-changes',
    });
    alarms.watch('SlowRequests', {
      metric: this.metric('RequestTime', Stats.MAXIMUM),
      above: REQUEST_MS_MAX,
      periods: 3,
      description: 'Requests wait more than 30 seconds for their block.',
      runbook: 'slow-requests',
    });
    alarms.watch('PeersUnreachable', {
      metric: this.metric('SendsFailed', Stats.SUM),
      above: SENDS_FAILED_MAX,
      periods: 3,
      description: "A peer's queue takes no messages of this replica.",
      runbook: 'peers-unreachable',
    });
  }

  /** Without a label: with one, an alarm on it would be one on arithmetic. */
  metric(name: StepMetric, statistic: string): Metric {
    return new Metric({
      namespace: METRIC_NAMESPACE,
      metricName: name,
      dimensionsMap: { [SERVICE_DIMENSION]: this.service },
      statistic,
      period: ALARM_PERIOD,
    });
  }
}
