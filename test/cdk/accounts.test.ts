import { describe, expect, it } from 'vitest';

import type { NetworkConfigInput } from '../../cdk/config.ts';
import { configInput, localConfigInput, makeNetwork, templateOf } from './fixtures.ts';
import { permissionsOf, resourcePolicy } from './permissions.ts';

describe.each([4, 7])('%i validators in accounts of their own', (n) => {
  const network = makeNetwork(configInput(n));
  const { validators } = network.config;

  it('admit to their inbox the inbox roles of exactly their peers, to send, over TLS', () => {
    for (const owner of validators) {
      const template = templateOf(network, owner.id);
      const statements = resourcePolicy(template, 'AWS::SQS::QueuePolicy', 'InboxQueuePolicy');
      const allowed = statements.filter(({ Effect }) => Effect === 'Allow');
      const peers = validators.filter(({ id }) => id !== owner.id);
      expect(allowed).toEqual([
        {
          Effect: 'Allow',
          Principal: { AWS: peers.map(({ account }) => `arn:aws:iam::${account}:root`) },
          Action: ['sqs:SendMessage'],
          Resource: [{ 'Fn::GetAtt': [expect.stringMatching(/^InboxQueue/), 'Arn'] }],
          Condition: {
            ArnEquals: {
              'aws:PrincipalArn': peers.map(
                ({ account, id }) => `arn:aws:iam::${account}:role/cq-test-net-${id}-inbox`,
              ),
            },
          },
        },
      ]);
      expect(statements.filter(({ Effect }) => Effect === 'Deny')).toMatchObject([
        { Action: ['sqs:*'], Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
      ]);
    }
  });

  it('send to exactly the inboxes that admit them', () => {
    for (const sender of validators) {
      const template = templateOf(network, sender.id);
      const elsewhere = permissionsOf(template, `cq-test-net-${sender.id}-inbox`).filter((line) =>
        line.includes('arn:aws:'),
      );
      expect(elsewhere).toEqual(
        validators
          .filter(({ id }) => id !== sender.id)
          .map(
            ({ id, account }) =>
              `sqs:SendMessage on arn:aws:sqs:eu-central-1:${account}:cq-test-net-${id}-inbox.fifo`,
          )
          .sort(),
      );
    }
  });

  it('admit nobody to any other queue', () => {
    for (const { id } of validators) {
      const template = templateOf(network, id);
      for (const queue of ['InboxDeadLettersPolicy', 'TimersQueuePolicy', 'TimersDeadLetters']) {
        const statements = resourcePolicy(template, 'AWS::SQS::QueuePolicy', queue);
        expect(statements.map(({ Effect }) => Effect)).toEqual(['Deny']);
      }
    }
  });

  it('name no other account anywhere else', () => {
    for (const owner of validators) {
      const template = structuredClone(templateOf(network, owner.id).toJSON()) as {
        Resources: Record<string, { Type: string; Properties: { Environment?: unknown } }>;
      };
      const allowedTypes = new Set(['AWS::SQS::QueuePolicy', 'AWS::IAM::Policy']);
      for (const [id, resource] of Object.entries(template.Resources)) {
        if (allowedTypes.has(resource.Type)) continue;
        if (id.startsWith('InboxFunction')) delete resource.Properties.Environment;
        for (const { account } of validators.filter((validator) => validator.id !== owner.id)) {
          expect(JSON.stringify(resource), `${owner.id} ${id}`).not.toContain(account);
        }
      }
    }
  });

  it('have stacks that import nothing from each other', () => {
    const stacks = [...network.validators, network.membership, network.records];
    for (const stack of stacks) {
      expect(stack.dependencies).toEqual([]);
      const id = stack.stackName.slice('cq-test-net-'.length);
      expect(JSON.stringify(templateOf(network, id).toJSON())).not.toMatch(
        /Fn::ImportValue|"Export"|Fn::GetStackOutput/,
      );
    }
  });

  it('are told their peers by environment', () => {
    templateOf(network, 'north').hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'cq-test-net-north-inbox',
      Environment: {
        Variables: {
          PEERS: JSON.stringify(
            Object.fromEntries(
              validators
                .slice(1)
                .map(({ id, account }) => [
                  id,
                  `https://sqs.eu-central-1.amazonaws.com/${account}/cq-test-net-${id}-inbox.fifo`,
                ]),
            ),
          ),
        },
      },
    });
  });
});

describe('for an emulator that enforces IAM', () => {
  const input = { ...localConfigInput(), emulatedIam: true };
  const network = makeNetwork(input);
  const full = makeNetwork(localConfigInput());

  it('names senders by their sessions', () => {
    const statements = resourcePolicy(
      templateOf(network, 'north'),
      'AWS::SQS::QueuePolicy',
      'InboxQueuePolicy',
    );
    expect(statements[1]?.Condition).toEqual({
      ArnEquals: {
        'aws:PrincipalArn': network.config.validators.slice(1).map(({ id, account }) => {
          const name = `cq-local-test-${id}-inbox`;
          return `arn:aws:sts::${account}:assumed-role/${name}/${name}`;
        }),
      },
    });
  });

  it.each(['api', 'inbox', 'timer'])('grants %s the same, without conditions', (fn) => {
    const role = `cq-local-test-north-${fn}`;
    const bare = (lines: string[]): string[] => lines.map((line) => line.replace(/ if .*/, ''));
    const lines = permissionsOf(templateOf(network, 'north'), role);
    expect(lines.filter((line) => line.includes(' if '))).toEqual([]);
    expect(new Set(lines)).toEqual(new Set(bare(permissionsOf(templateOf(full, 'north'), role))));
  });
});

describe('very many validators', () => {
  const many = (n: number): NetworkConfigInput => ({
    ...configInput(),
    validators: Array.from({ length: n }, (_, index) => ({
      id: `v${String(index).padStart(2, '0')}`,
      name: `Hospital ${index}`,
      account: String(100_000_000_000 + index),
      operatorKey: Buffer.alloc(32, index + 1).toString('base64url'),
    })),
  });

  it('stay within what SQS takes for a policy', () => {
    const template = templateOf(makeNetwork(many(31)), 'v00');
    const statements = resourcePolicy(template, 'AWS::SQS::QueuePolicy', 'InboxQueuePolicy');
    expect(statements.length).toBeLessThanOrEqual(20);
    expect(JSON.stringify(statements).length).toBeLessThan(8_192);
  });

  it('throws early when their names do not fit into an environment', () => {
    expect(() => makeNetwork(many(51))).toThrow('use shorter names, or fewer validators');
  });
});
