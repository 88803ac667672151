// What each account holds, and the roles that its functions run under, from the deployed stacks.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig } from '../../cdk/config.ts';
import { stackName } from '../../cdk/names.ts';
import { readDeployed } from '../lib/deploy.ts';
import { REGION } from '../lib/environment.ts';
import type { Layout } from '../lib/layout.ts';
import type { PlannedMember } from '../lib/plan.ts';

export interface Party {
  readonly member: PlannedMember;
  readonly account: string;
  readonly roles: readonly string[];
  /** ARNs, so that a call from another account names exactly this resource. */
  readonly tables: readonly string[];
  readonly keys: readonly string[];
  readonly buckets: readonly string[];
  readonly queues: readonly string[];
  /** Where peers' inbox roles may send; null for an account without inbox. */
  readonly inbox: string | null;
}

const templateSchema = z.looseObject({
  Resources: z.record(
    z.string(),
    z.looseObject({ Type: z.string(), Properties: z.looseObject({}).optional() }),
  ),
});
const lambdaRoleSchema = z.looseObject({
  RoleName: z.string(),
  AssumeRolePolicyDocument: z.looseObject({
    Statement: z.tuple([z.looseObject({ Principal: z.object({ Service: z.string() }) })]),
  }),
});

export function partyOf(layout: Layout, member: PlannedMember): Party {
  const account = member.account ?? '';
  const outputs = readDeployed(layout).outputs[member.id] ?? {};
  const named = (pattern: RegExp): readonly string[] =>
    Object.keys(outputs)
      .filter((name) => pattern.test(name))
      .map((name) => outputs[name] ?? '');
  return {
    member,
    account,
    roles: functionRoles(layout, member),
    tables: named(/Table$/).map((name) => `arn:aws:dynamodb:${REGION}:${account}:table/${name}`),
    keys: named(/KeyId$/).map((id) => `arn:aws:kms:${REGION}:${account}:key/${id}`),
    buckets: named(/Bucket$/),
    queues: named(/^(Inbox|Timer|CopyNotes)Url$/),
    inbox: outputs['InboxUrl'] ?? null,
  };
}

/** Names of the roles in the account's template that Lambda may assume. */
function functionRoles(layout: Layout, member: PlannedMember): readonly string[] {
  const stack = stackName(loadConfig(layout.config), member.id);
  const text = readFileSync(join(layout.cloudAssembly, `${stack}.template.json`), 'utf8');
  return Object.values(templateSchema.parse(JSON.parse(text)).Resources).flatMap((resource) => {
    if (resource.Type !== 'AWS::IAM::Role') return [];
    const role = lambdaRoleSchema.safeParse(resource.Properties);
    const service = role.data?.AssumeRolePolicyDocument.Statement[0].Principal.Service;
    return role.success && service === 'lambda.amazonaws.com' ? [role.data.RoleName] : [];
  });
}
