import { Match, type Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import {
  apiEnvironmentSchema,
  copiesEnvironmentSchema,
  escrowEnvironmentSchema,
  inboxEnvironmentSchema,
  replicatorEnvironmentSchema,
  timerEnvironmentSchema,
} from '../../functions/validator/environment.ts';
import { configInput, localConfigInput, makeNetwork, templateOf } from './fixtures.ts';

const retained = templateOf(makeNetwork(configInput()), 'north');
const local = templateOf(makeNetwork(localConfigInput()), 'north');

/** The environment of a function; what is known after deployment only reads as a URL. */
function environmentOf(template: Template, functionName: string): Record<string, string> {
  const found = Object.values(template.findResources('AWS::Lambda::Function'))
    .map((resource) =>
      z
        .object({
          Properties: z.object({
            FunctionName: z.string(),
            Environment: z.object({ Variables: z.record(z.string(), z.unknown()) }),
          }),
        })
        .parse(resource),
    )
    .find(({ Properties }) => Properties.FunctionName === functionName);
  return Object.fromEntries(
    Object.entries(found?.Properties.Environment.Variables ?? {}).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : 'https://known-later.example',
    ]),
  );
}

describe('functions of a validator', () => {
  it.each([
    ['api', 25, 'Terminate'],
    ['inbox', 10, 'Allow'],
    ['timer', 10, 'Allow'],
    ['escrow', 10, 'Terminate'],
  ])('%s runs Node 24 for %i s, and its SQS cycle: %s', (fn, seconds, recursiveLoop) => {
    retained.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: `cq-test-net-north-${fn}`,
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      MemorySize: 1769,
      Timeout: seconds,
      RecursiveLoop: recursiveLoop,
      LoggingConfig: { LogFormat: 'JSON', LogGroup: Match.anyValue() },
    });
  });

  it('inbox has capacity reserved; its event source asks for no more', () => {
    retained.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'cq-test-net-north-inbox',
      ReservedConcurrentExecutions: 10,
    });
  });

  it('are given exactly the environment that they read', () => {
    const namesOf = (fn: string): string[] =>
      Object.keys(environmentOf(retained, `cq-test-net-north-${fn}`)).sort();
    const common = ['LEDGER_TABLE', 'NETWORK', 'NODE_OPTIONS', 'SESSION_TABLE', 'VALIDATOR_ID'];
    const keys = ['INBOX_URL', 'OPERATOR_KEY', 'SIGN_KEY_ID', 'WRAP_KEY_ID'];
    expect(namesOf('api')).toEqual([...common, ...keys, 'API_URL', 'INBOX_ROLE_ID'].sort());
    expect(namesOf('inbox')).toEqual(
      [...common, ...keys, 'NOTES_URL', 'TIMER_URL', 'PEERS', 'SELF_SENDERS'].sort(),
    );
    expect(namesOf('escrow')).toEqual([...common, 'API_URL', 'ESCROW_TABLE', 'WRAP_KEY_ID'].sort());
    const copies = ['COPIES_BUCKET', 'COPIES_TABLE', 'NOTES_URL'];
    const noSession = common.filter((name) => name !== 'SESSION_TABLE');
    expect(namesOf('copies')).toEqual([...noSession, ...copies, 'API_URL'].sort());
    expect(namesOf('replicator')).toEqual([...common, ...copies, 'WRAP_KEY_ID'].sort());
    expect(namesOf('timer')).toEqual([...common, 'INBOX_URL', 'TIMER_URL', 'WRAP_KEY_ID'].sort());
  });

  it('can start with it', () => {
    const environment = (fn: string): Record<string, string> =>
      environmentOf(retained, `cq-test-net-north-${fn}`);
    expect(apiEnvironmentSchema.parse(environment('api'))).toMatchObject({
      VALIDATOR_ID: 'north',
    });
    expect(timerEnvironmentSchema.parse(environment('timer'))).toMatchObject({
      NETWORK: 'test-net',
    });
    expect(escrowEnvironmentSchema.parse(environment('escrow'))).toMatchObject({
      VALIDATOR_ID: 'north',
    });
    expect(copiesEnvironmentSchema.parse(environment('copies'))).toMatchObject({
      VALIDATOR_ID: 'north',
    });
    expect(replicatorEnvironmentSchema.parse(environment('replicator'))).toMatchObject({
      NETWORK: 'test-net',
    });
    // The ids of roles are known only once they are made.
    const inbox = { ...environment('inbox'), SELF_SENDERS: '["AROAAPI"]' };
    expect(Object.keys(inboxEnvironmentSchema.parse(inbox).PEERS)).toEqual([
      'east',
      'south',
      'west',
    ]);
  });

  it('inbox believes notes to itself from the roles of api and timer', () => {
    retained.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'cq-test-net-north-inbox',
      Environment: {
        Variables: {
          SELF_SENDERS: {
            'Fn::Join': [
              '',
              [
                '["',
                { 'Fn::GetAtt': [Match.stringLikeRegexp('^ApiRole'), 'RoleId'] },
                '","',
                { 'Fn::GetAtt': [Match.stringLikeRegexp('^TimerFunctionRole'), 'RoleId'] },
                '","111111111111"]',
              ],
            ],
          },
        },
      },
    });
  });

  it('share no role and no log group', () => {
    const functions = Object.values(retained.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => Properties as { Role: unknown; LoggingConfig: unknown },
    );
    expect(functions).toHaveLength(6);
    for (const pick of ['Role', 'LoggingConfig'] as const) {
      expect(new Set(functions.map((properties) => JSON.stringify(properties[pick]))).size).toBe(6);
    }
  });

  it('write to explicit log groups that forget', () => {
    retained.resourceCountIs('AWS::Logs::LogGroup', 7);
    retained.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 365 });
  });

  it('have no custom resources beside them', () => {
    expect(JSON.stringify(retained.toJSON())).not.toMatch(/Custom::|CustomResource/);
  });
});

describe('queues of a validator', () => {
  it('the inbox is a FIFO queue with ids of its senders, hidden longer than a run', () => {
    retained.hasResourceProperties('AWS::SQS::Queue', {
      QueueName: 'cq-test-net-north-inbox.fifo',
      FifoQueue: true,
      ContentBasedDeduplication: false,
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
      SqsManagedSseEnabled: true,
      VisibilityTimeout: 20,
      MessageRetentionPeriod: 86_400,
      RedrivePolicy: {
        maxReceiveCount: 10,
        deadLetterTargetArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^InboxDeadLetters'), 'Arn'] },
      },
    });
    retained.hasResourceProperties('AWS::SQS::Queue', {
      QueueName: 'cq-test-net-north-inbox-dlq.fifo',
      FifoQueue: true,
      ContentBasedDeduplication: false,
      SqsManagedSseEnabled: true,
      MessageRetentionPeriod: 1_209_600,
    });
  });

  it('the timer queue is a standard one', () => {
    retained.hasResourceProperties('AWS::SQS::Queue', {
      QueueName: 'cq-test-net-north-timer',
      FifoQueue: Match.absent(),
      SqsManagedSseEnabled: true,
      VisibilityTimeout: 20,
      RedrivePolicy: {
        maxReceiveCount: 5,
        deadLetterTargetArn: {
          'Fn::GetAtt': [Match.stringLikeRegexp('^TimersDeadLetters'), 'Arn'],
        },
      },
    });
    retained.resourceCountIs('AWS::SQS::Queue', 6);
  });

  it('the replicator is woken by notes, and looks every five minutes by itself', () => {
    retained.hasResourceProperties('AWS::SQS::Queue', {
      QueueName: 'cq-test-net-north-copy-notes',
      FifoQueue: Match.absent(),
      SqsManagedSseEnabled: true,
      VisibilityTimeout: 60,
    });
    retained.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^CopiesNotesQueue'), 'Arn'] },
      FunctionName: { Ref: Match.stringLikeRegexp('^ReplicatorFunction') },
    });
    retained.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(5 minutes)',
      Targets: [{ Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^ReplicatorFunction'), 'Arn'] } }],
    });
  });

  it.each([
    ['Inbox', 'InboxFunction', 10, 10],
    ['Timers', 'TimerFunction', 1, 2],
  ])('%s feeds its function', (queue, fn, batchSize, concurrency) => {
    retained.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp(`^${queue}Queue`), 'Arn'] },
      FunctionName: { Ref: Match.stringLikeRegexp(`^${fn}`) },
      BatchSize: batchSize,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: concurrency },
      MaximumBatchingWindowInSeconds: Match.absent(),
    });
  });

  it('a schedule re-arms the chain of timers every five minutes', () => {
    retained.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(5 minutes)',
      State: 'ENABLED',
      Targets: [{ Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^TimerFunction'), 'Arn'] } }],
    });
  });
});

describe('alarms of a validator', () => {
  it.each(['InboxDeadLetters', 'TimersDeadLetters', 'CopiesNotesDeadLetters'])(
    'ring when %s holds a message',
    (queue) => {
      retained.hasResourceProperties('AWS::CloudWatch::Alarm', {
        MetricName: 'ApproximateNumberOfMessagesVisible',
        Dimensions: [
          {
            Name: 'QueueName',
            Value: { 'Fn::GetAtt': [Match.stringLikeRegexp(`^${queue}`), 'QueueName'] },
          },
        ],
        ComparisonOperator: 'GreaterThanThreshold',
        Threshold: 0,
        EvaluationPeriods: 1,
        TreatMissingData: 'notBreaching',
        AlarmActions: [{ Ref: Match.stringLikeRegexp('^AlarmsTopic') }],
      });
    },
  );

  it('cover errors, throttles and critical log lines of each function, and all have an action', () => {
    const alarms = Object.values(retained.findResources('AWS::CloudWatch::Alarm')).map(
      ({ Properties }) => Properties as { MetricName: string; AlarmActions: unknown[] },
    );
    const count = (metric: string): number =>
      alarms.filter(({ MetricName }) => MetricName === metric).length;
    expect([count('Errors'), count('Throttles')]).toEqual([6, 6]);
    for (const fn of ['api', 'inbox', 'timer', 'escrow', 'copies', 'replicator']) {
      expect(count(`cq-test-net-north-${fn}-critical`)).toBe(1);
    }
    for (const { AlarmActions } of alarms) expect(AlarmActions).toHaveLength(1);
    retained.allResourcesProperties('AWS::Logs::MetricFilter', {
      FilterPattern: '{ $.level = "CRITICAL" }',
    });
  });
});

describe('storage and keys of a validator', () => {
  it('the ledger can be restored, sessions, escrow and copies cannot', () => {
    const tables = Object.entries(retained.findResources('AWS::DynamoDB::Table')).map(
      ([id, { Properties }]) => ({ id, ...(Properties as Record<string, unknown>) }),
    );
    expect(tables).toHaveLength(4);
    const keys = [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ];
    for (const table of tables) {
      const isLedger = table.id.startsWith('Ledger');
      expect(table).toMatchObject({
        KeySchema: keys,
        BillingMode: 'PAY_PER_REQUEST',
        SSESpecification: { SSEEnabled: true },
        TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: isLedger },
      });
      expect(table).not.toHaveProperty('StreamSpecification');
      expect(table).not.toHaveProperty('TableName');
    }
  });

  it('copies have no versions, and take TLS only', () => {
    retained.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: Match.absent(),
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
    });
  });

  it('signs with P-256 and wraps with a rotated symmetric key', () => {
    retained.hasResourceProperties('AWS::KMS::Key', {
      KeySpec: 'ECC_NIST_P256',
      KeyUsage: 'SIGN_VERIFY',
    });
    retained.hasResourceProperties('AWS::KMS::Key', {
      KeySpec: Match.absent(),
      EnableKeyRotation: true,
    });
    retained.resourceCountIs('AWS::KMS::Key', 2);
  });
});

describe('retain', () => {
  const kept = ['AWS::DynamoDB::Table', 'AWS::KMS::Key', 'AWS::Logs::LogGroup'];

  it('keeps what cannot be made again, and protects table and stack', () => {
    for (const type of kept) {
      retained.allResources(type, { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    }
    retained.allResourcesProperties('AWS::DynamoDB::Table', { DeletionProtectionEnabled: true });
    const stacks = makeNetwork(configInput()).validators;
    expect(stacks.every(({ terminationProtection }) => terminationProtection)).toBe(true);
  });

  it('false lets everything go', () => {
    for (const type of kept) {
      local.allResources(type, { DeletionPolicy: 'Delete', UpdateReplacePolicy: 'Delete' });
    }
    local.allResourcesProperties('AWS::DynamoDB::Table', { DeletionProtectionEnabled: false });
    const stacks = makeNetwork(localConfigInput()).validators;
    expect(stacks.some(({ terminationProtection }) => terminationProtection)).toBe(false);
  });
});

describe('outputs', () => {
  it('are what tools read', () => {
    expect(Object.keys(retained.findOutputs('*')).sort()).toEqual([
      'AlarmTopicArn',
      'ApiUrl',
      'BundleDigest',
      'CopiesBucket',
      'CopiesTable',
      'CopyNotesUrl',
      'EscrowTable',
      'InboxDeadLettersUrl',
      'InboxRoleId',
      'InboxUrl',
      'LedgerTable',
      'SessionTable',
      'SignKeyId',
      'TimerUrl',
      'WrapKeyId',
    ]);
  });

  it('give local URLs the port of the account', () => {
    local.hasOutput('InboxUrl', {
      Value: 'http://localhost:4601/111111111111/cq-local-test-north-inbox.fifo',
    });
    expect(JSON.stringify(local.findOutputs('ApiUrl'))).toContain(
      'http://localhost:4601/_aws/execute-api/',
    );
  });
});
