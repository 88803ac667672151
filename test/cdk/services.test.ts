import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';

import { configInput, localConfigInput, makeNetwork, templateOf } from './fixtures.ts';
import { linesOf, permissionsOf, resourcePolicy, roleNames } from './permissions.ts';

const network = makeNetwork(configInput());
const membership = templateOf(network, 'membership');
const records = templateOf(network, 'records');

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
const writeLog = ['CreateLogStream', 'PutLogEvents'].map((action) => `logs:${action} on ApiLogs`);

describe('membership', () => {
  it('may use its table and its keys', () => {
    const purposes = 'if {"StringEquals":{"kms:EncryptionContext:purpose":["identity","lookup"]}}';
    expect(roleNames(membership)).toEqual(['(generated)', 'cq-test-net-membership-api']);
    expect(permissionsOf(membership, 'cq-test-net-membership-api')).toEqual(
      [
        ...readWrite('EnrolmentsTable'),
        ...writeLog,
        'kms:GetPublicKey on CaKey',
        'kms:Sign on CaKey',
        `kms:Decrypt on WrapKey ${purposes}`,
        `kms:Encrypt on WrapKey ${purposes}`,
      ].sort(),
    );
  });

  it('is the only one that signs certificates', () => {
    expect(linesOf(resourcePolicy(membership, 'AWS::KMS::Key', 'CaKey'))[0]).toBe(
      'DENY kms:Sign on * if {"ArnNotEquals":{"aws:PrincipalArn":' +
        '"arn:aws:iam::888888888888:role/cq-test-net-membership-api"}}',
    );
  });

  it('keeps the old key of the authority beside a successor, each for the same role alone', () => {
    const input = configInput();
    const config = { ...input, membership: { ...input.membership, caKeys: 2 } };
    const template = templateOf(makeNetwork(config), 'membership');
    const may = permissionsOf(template, 'cq-test-net-membership-api');
    for (const key of ['CaKey', 'Successor1CaKey']) {
      expect(may).toContain(`kms:Sign on ${key}`);
      expect(linesOf(resourcePolicy(template, 'AWS::KMS::Key', key))[0]).toContain('DENY kms:Sign');
    }
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { CA_KEY_IDS: { 'Fn::Join': ['', Match.anyValue()] } } },
    });
  });

  it('has 29 s, an hourly schedule and a table that can be restored', () => {
    membership.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'cq-test-net-membership-api',
      Timeout: 29,
      RecursiveLoop: 'Terminate',
      Environment: {
        Variables: {
          NETWORK: 'test-net',
          MEMBERSHIP_TABLE: Match.anyValue(),
          CA_KEY_IDS: Match.anyValue(),
          WRAP_KEY_ID: Match.anyValue(),
          REGISTRY_URL: 'https://registry.example/api/',
          OPERATOR_KEYS: Match.serializedJson(Match.objectLike({ north: Match.anyValue() })),
        },
      },
    });
    membership.hasResourceProperties('AWS::Events::Rule', { ScheduleExpression: 'rate(1 hour)' });
    membership.hasResourceProperties('AWS::DynamoDB::Table', {
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      DeletionProtectionEnabled: true,
    });
  });
});

describe('records', () => {
  it('may use its wraps, its objects and its key', () => {
    const objects = [
      'AbortMultipartUpload',
      'DeleteObject',
      'GetObject',
      'ListMultipartUploadParts',
      'PutObject',
    ];
    expect(roleNames(records)).toEqual(['(generated)', 'cq-test-net-records-api']);
    expect(permissionsOf(records, 'cq-test-net-records-api')).toEqual(
      [
        ...readWrite('WrapsTable'),
        ...writeLog,
        ...objects.map((action) => `s3:${action} on RecordsBucket/*`),
        's3:ListBucket on RecordsBucket',
        'kms:GetPublicKey on SignKey',
        'kms:Sign on SignKey',
      ].sort(),
    );
  });

  it('keeps no old version of anything: neither wraps nor objects', () => {
    records.hasResourceProperties('AWS::DynamoDB::Table', {
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: false },
      StreamSpecification: Match.absent(),
      DeletionProtectionEnabled: true,
    });
    records.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: Match.absent(),
      ReplicationConfiguration: Match.absent(),
      ObjectLockEnabled: Match.absent(),
    });
  });

  it('has a private, encrypted bucket that browsers can reach by presigned URLs', () => {
    records.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      Properties: {
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
          ],
        },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        LifecycleConfiguration: {
          Rules: [
            { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 }, Status: 'Enabled' },
          ],
        },
        CorsConfiguration: {
          CorsRules: [Match.objectLike({ AllowedMethods: ['GET', 'HEAD', 'PUT'] })],
        },
      },
    });
    const policy = resourcePolicy(records, 'AWS::S3::BucketPolicy', 'RecordsBucketPolicy');
    expect(policy.map(({ Effect, Condition }) => [Effect, Condition])).toEqual([
      ['Deny', { Bool: { 'aws:SecureTransport': 'false' } }],
    ]);
  });

  it('lets the bucket go when nothing is retained', () => {
    templateOf(makeNetwork(localConfigInput()), 'records').hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Delete',
    });
  });

  it('has outputs that tools read', () => {
    expect(Object.keys(records.findOutputs('*')).sort()).toEqual([
      'AlarmTopicArn',
      'ApiUrl',
      'BundleDigest',
      'RecordsBucket',
      'SignKeyId',
      'WrapTable',
    ]);
  });
});
