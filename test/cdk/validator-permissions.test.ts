import { describe, expect, it } from 'vitest';

import { makeNetwork, configInput, templateOf } from './fixtures.ts';
import { linesOf, permissionsOf, resourcePolicy, roleNames, trustOf } from './permissions.ts';

const network = makeNetwork(configInput());
const template = templateOf(network, 'north');

const readWrite = (table: string): string[] =>
  [
    'BatchGetItem',
    'BatchWriteItem',
    'ConditionCheckItem',
    'DeleteItem',
    'GetItem',
    'PutItem',
    'Query',
    'UpdateItem',
  ].map((action) => `dynamodb:${action} on ${table}`);
const writeLog = (logs: string): string[] =>
  ['CreateLogStream', 'PutLogEvents'].map((action) => `logs:${action} on ${logs}`);
const consume = (queue: string): string[] =>
  [
    'ChangeMessageVisibility',
    'DeleteMessage',
    'GetQueueAttributes',
    'GetQueueUrl',
    'ReceiveMessage',
  ].map((action) => `sqs:${action} on ${queue}`);
const readKeyOnly = ['GetItem', 'Query'].map(
  (action) =>
    `dynamodb:${action} on SessionsTable if ` +
    '{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":["read"]},' +
    '"Null":{"dynamodb:LeadingKeys":"false"}}',
);
const purposes = (...names: string[]): string =>
  `if ${JSON.stringify({ StringEquals: { 'kms:EncryptionContext:purpose': names } })}`;

describe('roles of a validator', () => {
  it('are these, assumed by their service only', () => {
    expect(roleNames(template)).toEqual([
      '(generated)',
      'cq-test-net-north-api',
      'cq-test-net-north-copies',
      'cq-test-net-north-escrow',
      'cq-test-net-north-inbox',
      'cq-test-net-north-replicator',
      'cq-test-net-north-timer',
    ]);
    expect(new Set(trustOf(template).map((principal) => JSON.stringify(principal)))).toEqual(
      new Set(['{"Service":"lambda.amazonaws.com"}', '{"Service":"apigateway.amazonaws.com"}']),
    );
  });

  it('api: ledger, read key, wake', () => {
    expect(permissionsOf(template, 'cq-test-net-north-api')).toEqual(
      [
        ...readWrite('LedgerTable'),
        'dynamodb:DescribeTable on LedgerTable',
        ...readKeyOnly,
        ...writeLog('ApiLogs'),
        'kms:GetPublicKey on SignKey',
        `kms:Decrypt on WrapKey ${purposes('read')}`,
        'sqs:SendMessage on InboxQueue',
      ].sort(),
    );
  });

  it('inbox: ledger and sessions, both keys, its timer and its peers', () => {
    expect(permissionsOf(template, 'cq-test-net-north-inbox')).toEqual(
      [
        ...readWrite('LedgerTable'),
        'dynamodb:DescribeTable on LedgerTable',
        ...readWrite('SessionsTable'),
        ...writeLog('InboxFunctionLogs'),
        ...consume('InboxQueue'),
        'kms:GetPublicKey on SignKey',
        'kms:Sign on SignKey',
        `kms:Decrypt on WrapKey ${purposes('session', 'read', 'share')}`,
        `kms:Encrypt on WrapKey ${purposes('session', 'read', 'share')}`,
        'sqs:SendMessage on TimersQueue',
        'sqs:SendMessage on CopiesNotesQueue',
        'sqs:SendMessage on arn:aws:sqs:eu-central-1:222222222222:cq-test-net-east-inbox.fifo',
        'sqs:SendMessage on arn:aws:sqs:eu-central-1:333333333333:cq-test-net-south-inbox.fifo',
        'sqs:SendMessage on arn:aws:sqs:eu-central-1:444444444444:cq-test-net-west-inbox.fifo',
      ].sort(),
    );
  });

  it('escrow: its table, the genesis document, the share key, and no queue', () => {
    expect(permissionsOf(template, 'cq-test-net-north-escrow')).toEqual(
      [
        ...readWrite('EscrowTable'),
        ...['BatchGetItem', 'GetItem', 'Query'].map(
          (action) => `dynamodb:${action} on LedgerTable`,
        ),
        ...readKeyOnly.map((line) => line.replace('"read"', '"share"')),
        ...writeLog('EscrowFunctionLogs'),
        `kms:Decrypt on WrapKey ${purposes('share')}`,
      ].sort(),
    );
  });

  it('copies: reads copies and the genesis document, deletes nothing', () => {
    expect(permissionsOf(template, 'cq-test-net-north-copies')).toEqual(
      [
        ...['BatchGetItem', 'BatchWriteItem', 'GetItem', 'PutItem', 'Query'].map(
          (action) => `dynamodb:${action} on CopiesWrapsTable`,
        ),
        ...['BatchGetItem', 'GetItem', 'Query'].map(
          (action) => `dynamodb:${action} on LedgerTable`,
        ),
        ...writeLog('CopiesFunctionLogs'),
        's3:GetObject on CopiesObjectsBucket/*',
        'sqs:SendMessage on CopiesNotesQueue',
      ].sort(),
    );
  });

  it('replicator: copies, the ledger to read, the read key, and no peer', () => {
    expect(permissionsOf(template, 'cq-test-net-north-replicator')).toEqual(
      [
        ...readWrite('CopiesWrapsTable'),
        ...['BatchGetItem', 'DescribeTable', 'GetItem', 'Query'].map(
          (action) => `dynamodb:${action} on LedgerTable`,
        ),
        ...readKeyOnly,
        ...writeLog('ReplicatorFunctionLogs'),
        ...consume('CopiesNotesQueue'),
        `kms:Decrypt on WrapKey ${purposes('read')}`,
        ...[
          'AbortMultipartUpload',
          'DeleteObject',
          'GetObject',
          'ListMultipartUploadParts',
          'PutObject',
        ].map((action) => `s3:${action} on CopiesObjectsBucket/*`),
        's3:ListBucket on CopiesObjectsBucket',
        'sqs:SendMessage on CopiesNotesQueue',
      ].sort(),
    );
  });

  it('timer: ledger, read key, own queues', () => {
    expect(permissionsOf(template, 'cq-test-net-north-timer')).toEqual(
      [
        ...readWrite('LedgerTable'),
        'dynamodb:DescribeTable on LedgerTable',
        ...readKeyOnly,
        ...writeLog('TimerFunctionLogs'),
        ...consume('TimersQueue'),
        `kms:Decrypt on WrapKey ${purposes('read')}`,
        'sqs:SendMessage on InboxQueue',
        'sqs:SendMessage on TimersQueue',
      ].sort(),
    );
  });

  it('hold no wildcard, and no permission over what administrates', () => {
    for (const role of ['api', 'inbox', 'timer', 'escrow']) {
      for (const line of permissionsOf(template, `cq-test-net-north-${role}`)) {
        expect(line).not.toMatch(
          /\*|iam:|sts:|lambda:|kms:(Put|Create|Schedule|Disable|ReEncrypt)/,
        );
      }
    }
  });

  it('only inbox signs, whatever other roles are granted', () => {
    const inboxRole = 'arn:aws:iam::111111111111:role/cq-test-net-north-inbox';
    expect(linesOf(resourcePolicy(template, 'AWS::KMS::Key', 'SignKey'))).toEqual([
      `DENY kms:Sign on * if {"ArnNotEquals":{"aws:PrincipalArn":"${inboxRole}"}}`,
      'kms:* on *',
    ]);
    const escrowRole = inboxRole.replace('north-inbox', 'north-escrow');
    const guard = (purpose: string, ...roles: string[]): string =>
      `on * if {"ArnNotEquals":{"aws:PrincipalArn":${JSON.stringify(roles)}},` +
      `"StringEquals":{"kms:EncryptionContext:purpose":["${purpose}"]}}`;
    expect(linesOf(resourcePolicy(template, 'AWS::KMS::Key', 'WrapKey'))).toEqual([
      `DENY kms:Decrypt ${guard('share', inboxRole, escrowRole)}`,
      `DENY kms:Decrypt ${guard('session', inboxRole)}`,
      `DENY kms:ReEncryptFrom ${guard('share', inboxRole, escrowRole)}`,
      `DENY kms:ReEncryptFrom ${guard('session', inboxRole)}`,
      'kms:* on *',
    ]);
    for (const key of ['SignKey', 'WrapKey']) {
      const allowed = resourcePolicy(template, 'AWS::KMS::Key', key).filter(
        ({ Effect }) => Effect === 'Allow',
      );
      expect(allowed.map(({ Principal }) => Principal)).toEqual([
        { AWS: 'arn:aws:iam::111111111111:root' },
      ]);
    }
  });

  it('invocations come from this API and this schedule only', () => {
    const permissions = Object.values(template.findResources('AWS::Lambda::Permission')).map(
      ({ Properties }) => Properties as Record<string, unknown>,
    );
    expect(permissions.map(({ Action, Principal }) => [Action, Principal]).sort()).toEqual([
      ['lambda:InvokeFunction', 'apigateway.amazonaws.com'],
      ['lambda:InvokeFunction', 'apigateway.amazonaws.com'],
      ['lambda:InvokeFunction', 'apigateway.amazonaws.com'],
      ['lambda:InvokeFunction', 'events.amazonaws.com'],
      ['lambda:InvokeFunction', 'events.amazonaws.com'],
    ]);
    for (const { SourceArn } of permissions) expect(SourceArn).toBeDefined();
  });

  it('the alarm topic takes messages from alarms of this account over TLS only', () => {
    expect(linesOf(resourcePolicy(template, 'AWS::SNS::TopicPolicy', 'AlarmsTopicPolicy'))).toEqual(
      [
        'DENY sns:Publish on AlarmsTopic if {"Bool":{"aws:SecureTransport":"false"}}',
        'sns:Publish on AlarmsTopic if {"StringEquals":{"aws:SourceAccount":"111111111111"}}',
      ],
    );
  });
});
