import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import { configInput, localConfigInput, makeNetwork } from './fixtures.ts';

const acknowledgedSchema = z.record(z.string(), z.string());

/** Every finding that is accepted, with the reason. */
function acknowledgements(root: IConstruct): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const construct of root.node.findAll()) {
    for (const { type, data } of construct.node.metadata) {
      if (type !== Validations.ACKNOWLEDGED_RULES_METADATA_KEY) continue;
      for (const [id, reason] of Object.entries(acknowledgedSchema.parse(data))) {
        const rule = id.replace(/^Annotation::/, '').replace(/<\w+\.Arn>/, '<…>');
        found.set(rule, (found.get(rule) ?? new Set()).add(reason));
      }
    }
  }
  return found;
}

describe('cdk-nag AwsSolutions', () => {
  it.each([
    ['4 validators, retained', configInput(4)],
    ['7 validators, traced', configInput(7, { tracing: true })],
    ['local', localConfigInput()],
  ])('finds nothing: %s', (_name, input) => {
    const { app } = makeNetwork(input);
    const report = new AwsSolutionsChecks(app).validateScope(app);
    expect(report.violations).toEqual([]);
    expect(report.success).toBe(true);
  });

  it('has these findings accepted, each with one reason', () => {
    const found = acknowledgements(makeNetwork(configInput()).app);
    expect([...found.keys()].sort()).toEqual([
      'AwsSolutions-APIG3',
      'AwsSolutions-APIG4',
      'AwsSolutions-COG4',
      'AwsSolutions-DDB3',
      'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]',
      'AwsSolutions-IAM5[Resource::<…>/*]',
      'AwsSolutions-S1',
    ]);
    const reasonsMax: Record<string, number> = {
      'AwsSolutions-DDB3': 4,
      'AwsSolutions-IAM5[Resource::<…>/*]': 3,
    };
    for (const [id, reasons] of found) {
      expect(reasons.size, id).toBe(reasonsMax[id] ?? 1);
      for (const reason of reasons) expect(reason.length, id).toBeGreaterThan(40);
    }
  });
});
