/** One page of CloudWatch for a party: its alarms, API and functions, and a validator's replica. */

import { Duration } from 'aws-cdk-lib';
import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import {
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type IAlarm,
  type IMetric,
  type IWidget,
  MathExpression,
  Stats,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

import {
  CODE_DIMENSION,
  METRIC_NAMESPACE,
  type RefusalMetric,
  SERVICE_DIMENSION,
  type StepMetric,
  stepMetrics,
} from '../../functions/aws/metric-names.ts';
import { ALARM_PERIOD } from './alarms.ts';
import type { FunctionWithLogGroup } from './function-with-log-group.ts';
import type { ReplicaMetrics } from './replica-metrics.ts';

/** Columns of a dashboard. */
const FULL_WIDTH = 24;
const THIRD = FULL_WIDTH / 3;
const HEIGHT = 6;
const SHOWN = Duration.hours(3);

/** Properties of `PartyDashboard`. */
export interface PartyDashboardProps {
  readonly name: string;
  readonly api: RestApi;
  readonly alarms: readonly IAlarm[];
  readonly functions: readonly FunctionWithLogGroup[];
  /** @default none: only validators have one */
  readonly replica?: ReplicaMetrics;
}

/** The dashboard of one party. */
export class PartyDashboard extends Construct {
  constructor(scope: Construct, id: string, props: PartyDashboardProps) {
    super(scope, id);
    const { name, api, alarms, functions, replica } = props;
    const dashboard = new Dashboard(this, 'Page', { dashboardName: name, defaultInterval: SHOWN });
    const title = 'Alarms';
    dashboard.addWidgets(new AlarmStatusWidget({ title, width: FULL_WIDTH, alarms: [...alarms] }));
    if (replica !== undefined) dashboard.addWidgets(...replicaWidgets(replica));
    dashboard.addWidgets(...apiWidgets(api, functions));
    dashboard.addWidgets(...functionWidgets(functions));
  }
}

function replicaWidgets(replica: ReplicaMetrics): IWidget[] {
  const of = (name: StepMetric, statistic: string): IMetric => {
    const label = stepMetrics[name] === 'Milliseconds' ? `${name} ${statistic}` : name;
    return replica.metric(name, statistic).with({ label });
  };
  return [
    graph('Committed', [of('Transactions', Stats.SUM), of('Blocks', Stats.SUM)]),
    graph('Height and view', [of('Height', Stats.MAXIMUM)], [of('View', Stats.MAXIMUM)]),
    graph('Waiting', [of('Waiting', Stats.MAXIMUM)]),
    graph('Latency by phase', [
      of('PrepareTime', Stats.p(50)),
      of('PrepareTime', Stats.p(99)),
      of('CommitTime', Stats.p(50)),
      of('CommitTime', Stats.p(99)),
      of('RequestTime', Stats.p(50)),
      of('RequestTime', Stats.p(99)),
    ]),
    graph('Inbox', [of('QueueTime', Stats.p(99)), of('StepTime', Stats.p(99))]),
    graph('Trouble', [
      of('ViewChanges', Stats.SUM),
      of('Dropped', Stats.SUM),
      of('SendsFailed', Stats.SUM),
      of('Learner', Stats.MAXIMUM),
      of('Halted', Stats.MAXIMUM),
    ]),
    graph('Refused by the chaincode', [byCode('ChaincodeRefused', [replica.service])]),
  ];
}

function apiWidgets(api: RestApi, functions: readonly FunctionWithLogGroup[]): IWidget[] {
  const period = ALARM_PERIOD;
  const services = functions.map(({ service }) => service);
  return [
    graph('Requests', [
      api.metricCount({ period }),
      api.metricClientError({ period }),
      api.metricServerError({ period }),
    ]),
    graph('Latency of the API', [
      api.metricLatency({ period, statistic: Stats.p(50), label: 'p50' }),
      api.metricLatency({ period, statistic: Stats.p(99), label: 'p99' }),
    ]),
    graph('Refused by the API', [byCode('Refused', services)]),
  ];
}

function functionWidgets(functions: readonly FunctionWithLogGroup[]): IWidget[] {
  const period = ALARM_PERIOD;
  const statistic = Stats.p(99);
  const of = (make: (fn: IFunction, label: string) => IMetric): IMetric[] =>
    functions.map(({ lambda, service }) => make(lambda, service));
  return [
    graph(
      'Duration, 99 of 100',
      of((fn, label) => fn.metricDuration({ period, statistic, label })),
    ),
    graph(
      'Errors',
      of((fn, label) => fn.metricErrors({ period, label })),
    ),
    graph(
      'Throttles',
      of((fn, label) => fn.metricThrottles({ period, label })),
    ),
  ];
}

function graph(title: string, left: IMetric[], right: IMetric[] = []): GraphWidget {
  return new GraphWidget({ title, width: THIRD, height: HEIGHT, left, right });
}

/** Codes come and go: the page looks for those that there are. */
function byCode(name: RefusalMetric, services: readonly string[]): MathExpression {
  const schema = `{${METRIC_NAMESPACE},${SERVICE_DIMENSION},${CODE_DIMENSION}}`;
  const those = services.map((service) => `"${service}"`).join(' OR ');
  const search = `${schema} MetricName="${name}" ${SERVICE_DIMENSION}=(${those})`;
  return new MathExpression({
    expression: `SEARCH('${search}', 'Sum', ${ALARM_PERIOD.toSeconds()})`,
    period: ALARM_PERIOD,
    label: `\${PROP('Dim.${CODE_DIMENSION}')}`,
    usingMetrics: {},
  });
}
