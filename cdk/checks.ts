/** What every synthesis must pass; apart from the stacks, since loading all rules takes seconds. */

import { Validations, type App } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';

/** Makes synthesis fail on a finding of cdk-nag's AwsSolutions that no construct gives a reason for. */
export function addChecks(app: App): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
}
