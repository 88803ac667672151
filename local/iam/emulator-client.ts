// Calls to the IAM lane's emulator: AWS clients that trust its certificate, and role sessions.
import { Agent, request } from 'node:https';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { REGION } from '../lib/environment.ts';
import { LocalError } from '../lib/errors.ts';

export interface LaneEmulator {
  readonly port: number;
  /** PEM text of the certificate to trust. */
  readonly certificate: string;
}

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
export function clientsOf(emulator: LaneEmulator, credentials: Credentials): Clients {
  const options = {
    region: REGION,
    endpoint: `https://localhost:${emulator.port}`,
    credentials,
    maxAttempts: 1,
    requestHandler: { httpsAgent: { ca: emulator.certificate, keepAlive: false } },
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
  emulator: LaneEmulator,
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
  await queryAsRoot(emulator, account, 'iam', {
    Action: 'UpdateAssumeRolePolicy',
    Version: '2010-05-08',
    RoleName: role,
    PolicyDocument: JSON.stringify(trust),
  });
  const answer = await queryAsRoot(emulator, account, 'sts', {
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

/** A call of the query protocol by an account's root, whose signature the emulator does not check. */
async function queryAsRoot(
  emulator: LaneEmulator,
  account: string,
  service: 'iam' | 'sts',
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  const scope = `${account}/20260101/${REGION}/${service}/aws4_request`;
  const { status, text } = await post(emulator, new URLSearchParams(parameters).toString(), {
    authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
    'content-type': 'application/x-www-form-urlencoded',
  });
  if (status === 200) return text;
  throw new LocalError('command_failed', `${parameters['Action'] ?? ''}: ${status} ${text}`);
}

async function post(
  emulator: LaneEmulator,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((settle, fail) => {
    const url = `https://localhost:${emulator.port}/`;
    const agent = new Agent({ ca: emulator.certificate });
    const call = request(url, { method: 'POST', headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        agent.destroy();
        settle({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      });
    });
    call.once('error', fail);
    call.end(body);
  });
}
