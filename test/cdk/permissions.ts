/** Reads who may do what out of a template, as sorted lines that a test can enumerate. */

import type { Template } from 'aws-cdk-lib/assertions';
import { z } from 'zod';

const actionSchema = z.union([z.array(z.string()), z.string().transform((one) => [one])]);
const resourceSchema = z.union([z.array(z.unknown()), z.unknown().transform((one) => [one])]);

const statementSchema = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Principal: z.unknown().optional(),
  Action: actionSchema,
  Resource: resourceSchema.optional(),
  Condition: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
});
/** One statement of a policy. */
export type Statement = z.output<typeof statementSchema>;

const documentSchema = z.object({ Statement: z.array(statementSchema) });
const rolePolicySchema = z.object({
  Properties: z.object({
    PolicyDocument: documentSchema,
    Roles: z.array(z.object({ Ref: z.string() })),
  }),
});
const roleSchema = z.object({
  Properties: z.object({
    RoleName: z.string().optional(),
    ManagedPolicyArns: z.array(z.unknown()).optional(),
    Policies: z.array(z.unknown()).optional(),
    AssumeRolePolicyDocument: documentSchema,
  }),
});

/** Logical ids without the digest that CDK appends: `LedgerTable9343E4AA` is `LedgerTable`. */
function plain(logicalId: string): string {
  return logicalId.replace(/[0-9A-F]{8}$/, '');
}

/** A short name for a resource of a statement. */
export function nameOf(resource: unknown): string {
  if (typeof resource === 'string') return resource;
  const { data } = z
    .union([
      z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) }),
      z.object({ Ref: z.string() }),
      z.object({ 'Fn::Join': z.tuple([z.string(), z.array(z.unknown())]) }),
    ])
    .safeParse(resource);
  if (data === undefined) return JSON.stringify(resource);
  if ('Ref' in data) return plain(data.Ref);
  if ('Fn::Join' in data) return data['Fn::Join'][1].map(nameOf).join(data['Fn::Join'][0]);
  return plain(data['Fn::GetAtt'][0]);
}

/** `action on resource [if condition]`, one line for each pair. */
export function linesOf(statements: readonly Statement[]): string[] {
  return statements
    .flatMap(({ Effect, Action, Resource, Condition }) =>
      Action.flatMap((action) =>
        (Resource ?? []).map((resource) =>
          [
            ...(Effect === 'Deny' ? ['DENY'] : []),
            `${action} on ${nameOf(resource)}`,
            ...(Condition === undefined ? [] : [`if ${JSON.stringify(Condition)}`]),
          ].join(' '),
        ),
      ),
    )
    .sort();
}

/** Everything that the role of a function may do; refuses managed and inline policies. */
export function permissionsOf(template: Template, roleName: string): string[] {
  const roles = Object.entries(template.findResources('AWS::IAM::Role'));
  const found = roles.find(([, role]) => roleSchema.parse(role).Properties.RoleName === roleName);
  if (found === undefined) throw new Error(`no role ${roleName}`);
  const { ManagedPolicyArns, Policies } = roleSchema.parse(found[1]).Properties;
  if (ManagedPolicyArns !== undefined || Policies !== undefined) {
    throw new Error(`${roleName} has policies beside its own`);
  }
  return Object.values(template.findResources('AWS::IAM::Policy'))
    .map((policy) => rolePolicySchema.parse(policy).Properties)
    .filter(({ Roles }) => Roles.some(({ Ref }) => Ref === found[0]))
    .flatMap(({ PolicyDocument }) => linesOf(PolicyDocument.Statement));
}

/** Names of all roles with a policy or not; roles without a physical name show as `(generated)`. */
export function roleNames(template: Template): string[] {
  return Object.values(template.findResources('AWS::IAM::Role'))
    .map((role) => roleSchema.parse(role).Properties.RoleName ?? '(generated)')
    .sort();
}

/** Who may assume each role. */
export function trustOf(template: Template): unknown[] {
  return Object.values(template.findResources('AWS::IAM::Role')).flatMap((role) =>
    roleSchema
      .parse(role)
      .Properties.AssumeRolePolicyDocument.Statement.map(({ Principal }) => Principal),
  );
}

/** The statements of the policy of a queue, topic, bucket or key, found by a part of its logical id. */
export function resourcePolicy(template: Template, type: string, idPart: string): Statement[] {
  const entries = Object.entries(template.findResources(type)).filter(([id]) =>
    plain(id).startsWith(idPart),
  );
  if (entries.length !== 1) throw new Error(`${entries.length} of ${type} start with ${idPart}`);
  const properties = z
    .object({
      Properties: z.union([
        z.object({ PolicyDocument: documentSchema }),
        z.object({ KeyPolicy: documentSchema }),
      ]),
    })
    .parse(entries[0]?.[1]).Properties;
  return 'KeyPolicy' in properties
    ? properties.KeyPolicy.Statement
    : properties.PolicyDocument.Statement;
}
