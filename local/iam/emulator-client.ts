// Calls to the IAM lane's emulator: AWS clients of a role, and how a role is taken outside Lambda.
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { REGION } from '../lib/environment.ts';
import { LocalError } from '../lib/errors.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

export interface Clients {
  readonly dynamo: DynamoDBClient;
  readonly kms: KMSClient;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
}

/** Clients that act with the credentials; one attempt each, as a refusal is what is looked for. */
export function clientsOf(endpoint: string, credentials: Credentials): Clients {
  const options = {
    region: REGION,
    endpoint,
    credentials,
    maxAttempts: 1,
  };
  return {
    dynamo: new DynamoDBClient(options),
    kms: new KMSClient(options),
    s3: new S3Client({ ...options, forcePathStyle: true }),
    sqs: new SQSClient({ ...options, useQueueUrlAsEndpoint: true }),
  };
}

/**
 * A session of the role, held outside Lambda. The account's root lets itself assume the role by
 * changing its trust policy; what the role may do stays as deployed.
 */
export async function assumeRole(
  endpoint: string,
  account: string,
  role: string,
): Promise<Credentials> {
  const trust = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account}:root` },
        Action: 'sts:AssumeRole',
      },
    ],
  };
  await queryAsRoot(endpoint, account, 'iam', {
    Action: 'UpdateAssumeRolePolicy',
    Version: '2010-05-08',
    RoleName: role,
    PolicyDocument: JSON.stringify(trust),
  });
  const answer = await queryAsRoot(endpoint, account, 'sts', {
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: `arn:aws:iam::${account}:role/${role}`,
    RoleSessionName: 'outside',
  });
  const field = (name: string): string =>
    new RegExp(`<${name}>([^<]+)</${name}>`).exec(answer)?.[1] ?? '';
  return {
    accessKeyId: field('AccessKeyId'),
    secretAccessKey: field('SecretAccessKey'),
    sessionToken: field('SessionToken'),
  };
}

/** A query-protocol call by an account's root, whose signature the emulator does not check. */
async function queryAsRoot(
  endpoint: string,
  account: string,
  service: 'iam' | 'sts',
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  const scope = `${account}/20260101/${REGION}/${service}/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`;
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { authorization },
    body: new URLSearchParams(parameters),
  });
  const text = await response.text();
  if (response.ok) return text;
  throw new LocalError(
    'command_failed',
    `${parameters['Action'] ?? ''}: ${response.status} ${text}`,
  );
}
