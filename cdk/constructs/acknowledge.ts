/** Reasons for what cdk-nag would refuse, kept beside the construct that they are about. */

import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Accepts one wildcard of a role's policies: `Resource::*` or `Action::s3:*`. */
export function acknowledgeWildcard(scope: IConstruct, finding: string, reason: string): void {
  Validations.of(scope).acknowledge({ id: `AwsSolutions-IAM5[${finding}]`, reason });
}
