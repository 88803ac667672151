/** Alarms and dashboards are made from what the functions publish. */
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';

import { ALARMS_PER_VALIDATOR } from '../../bench/costs.ts';
import { stepMetrics } from '../../functions/aws/metric-names.ts';
import { configInput, localConfigInput, makeNetwork, templateOf } from './fixtures.ts';

const network = makeNetwork(configInput());
const north = templateOf(network, 'north');
const dimensions = [{ Name: 'service', Value: 'cq-test-net-north-inbox' }];

interface Widget {
  readonly type: string;
  readonly properties: { readonly title?: string; readonly metrics?: unknown[][] };
}

/** The widgets of a party's dashboard; references stand as their own text. */
function widgetsOf(id: string): { name: unknown; widgets: Widget[] } {
  const [page] = Object.values(templateOf(network, id).findResources('AWS::CloudWatch::Dashboard'));
  const { DashboardName, DashboardBody } = page?.Properties as {
    DashboardName: unknown;
    DashboardBody: { 'Fn::Join': [string, unknown[]] };
  };
  const parts = DashboardBody['Fn::Join'][1];
  const text = parts.map((part) => (typeof part === 'string' ? part : 'reference')).join('');
  return { name: DashboardName, ...(JSON.parse(text) as { widgets: Widget[] }) };
}

describe('alarms on what a replica measures', () => {
  it('ring where it does not run: nothing measured is an alarm', () => {
    north.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'CareQuorum',
      MetricName: 'Height',
      Dimensions: dimensions,
      Statistic: 'SampleCount',
      Threshold: 1,
      ComparisonOperator: 'LessThanThreshold',
      EvaluationPeriods: 3,
      TreatMissingData: 'breaching',
      AlarmActions: [{ Ref: Match.stringLikeRegexp('^AlarmsTopic') }],
    });
  });

  it.each([
    ['Halted', 'Maximum', 0, 1],
    ['Learner', 'Minimum', 0, 3],
    ['ViewChanges', 'Sum', 5, 2],
    ['RequestTime', 'Maximum', 30_000, 3],
    ['SendsFailed', 'Sum', 20, 3],
  ])('ring when the %s is too high', (name, statistic, threshold, periods) => {
    north.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: name,
      Dimensions: dimensions,
      Statistic: statistic,
      Period: 300,
      Threshold: threshold,
      ComparisonOperator: 'GreaterThanThreshold',
      EvaluationPeriods: periods,
      TreatMissingData: 'notBreaching',
      AlarmActions: [{ Ref: Match.stringLikeRegexp('^AlarmsTopic') }],
    });
  });

  it('are as many as the guide counts with', () => {
    north.resourceCountIs('AWS::CloudWatch::Alarm', ALARMS_PER_VALIDATOR);
  });

  it('watch one metric each, as emulators take no arithmetic', () => {
    const local = templateOf(makeNetwork(localConfigInput()), 'north');
    for (const { Properties } of Object.values(local.findResources('AWS::CloudWatch::Alarm'))) {
      expect(Properties).toHaveProperty('MetricName');
      expect(Properties).not.toHaveProperty('Metrics');
    }
  });
});

describe('dashboards', () => {
  it.each(['north', 'membership', 'records'])('%s has one, by its own name', (id) => {
    const { name, widgets } = widgetsOf(id);
    expect(name).toBe(`cq-test-net-${id}`);
    const titles = widgets.map(({ properties }) => properties.title);
    for (const title of [
      'Alarms',
      'Requests',
      'Latency of the API',
      'Refused by the API',
      'Errors',
    ]) {
      expect(titles).toContain(title);
    }
    const alarms = widgets.find(({ type }) => type === 'alarm');
    const count = Object.keys(templateOf(network, id).findResources('AWS::CloudWatch::Alarm'));
    expect((alarms?.properties as { alarms?: unknown[] }).alarms).toHaveLength(count.length);
  });

  it('of a validator shows every metric of its replica, and nothing that none publishes', () => {
    const shown = widgetsOf('north').widgets.flatMap(({ properties }) =>
      (properties.metrics ?? []).filter(([namespace]) => namespace === 'CareQuorum'),
    );
    expect(new Set(shown.map(([, name]) => name))).toEqual(new Set(Object.keys(stepMetrics)));
    for (const metric of shown) {
      expect(metric.slice(2, 4)).toEqual(['service', 'cq-test-net-north-inbox']);
    }
  });

  it('look for the codes of refusals', () => {
    const searches = widgetsOf('north').widgets.flatMap(({ properties }) =>
      (properties.metrics ?? []).flatMap(([first]) =>
        typeof first === 'object' && first !== null && 'expression' in first
          ? [String(first.expression)]
          : [],
      ),
    );
    const [chaincode = '', api = ''] = searches;
    expect(chaincode).toBe(
      `SEARCH('{CareQuorum,service,code} MetricName="ChaincodeRefused" ` +
        `service=("cq-test-net-north-inbox")', 'Sum', 300)`,
    );
    for (const fn of ['api', 'escrow', 'copies'])
      expect(api).toContain(`"cq-test-net-north-${fn}"`);
  });

  it('of the custodian shows no replica', () => {
    expect(JSON.stringify(widgetsOf('records').widgets)).not.toContain('PrepareTime');
  });
});
