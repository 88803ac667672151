/** An account of the running network by its own AWS APIs, as its owner would use them. */
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand, ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { REGION } from '../../../local/lib/environment.ts';
import { endpointOf, type PlannedMember } from '../../../local/lib/plan.ts';

export interface Account {
  readonly id: string;
  readonly dynamo: DynamoDBClient;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly tables: () => Promise<string[]>;
  readonly buckets: () => Promise<string[]>;
  /** URLs of all queues. */
  readonly queues: () => Promise<string[]>;
  /** Calls CloudWatch Logs, for which the project has no client of its own. */
  logs(operation: string, input: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Whether the functions on queues of this account take messages. */
  setConsuming(isOn: boolean): Promise<void>;
}

const LOGS_TARGET = 'Logs_20140328';
const mappingsSchema = z.object({
  EventSourceMappings: z.array(z.object({ UUID: z.string() })),
});

/** The emulator takes the access key for the account's number. */
export function accountOf(member: PlannedMember): Account {
  const endpoint = endpointOf(member);
  const credentials = {
    accessKeyId: member.account ?? '',
    secretAccessKey: 'local-network-only',
  };
  const options = { endpoint, credentials, region: REGION };
  const dynamo = new DynamoDBClient(options);
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  const sqs = new SQSClient(options);
  const call = async (
    service: string,
    path: string,
    init: { method: string; body?: string; headers?: Record<string, string> },
  ): Promise<unknown> => {
    const scope = `${member.account ?? ''}/20260101/${REGION}/${service}/aws4_request`;
    const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`;
    const headers = { ...init.headers, authorization };
    const response = await fetch(`${endpoint}${path}`, { ...init, headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`${service} ${path}: HTTP ${response.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as unknown);
  };
  const mappings = '/2015-03-31/event-source-mappings/';
  return {
    id: member.id,
    dynamo,
    s3,
    sqs,
    tables: async () => (await dynamo.send(new ListTablesCommand({}))).TableNames ?? [],
    buckets: async () =>
      ((await s3.send(new ListBucketsCommand({}))).Buckets ?? []).flatMap(({ Name }) => Name ?? []),
    queues: async () => (await sqs.send(new ListQueuesCommand({}))).QueueUrls ?? [],
    logs: (operation, input) =>
      call('logs', '/', {
        method: 'POST',
        body: JSON.stringify(input),
        headers: {
          'content-type': 'application/x-amz-json-1.1',
          'x-amz-target': `${LOGS_TARGET}.${operation}`,
        },
      }),
    async setConsuming(isOn) {
      const listed = mappingsSchema.parse(await call('lambda', mappings, { method: 'GET' }));
      for (const { UUID } of listed.EventSourceMappings) {
        const body = JSON.stringify({ Enabled: isOn });
        await call('lambda', `${mappings}${UUID}`, { method: 'PUT', body });
      }
    },
  };
}

/** Messages in a queue, those in flight and delayed included. */
export async function queueDepth({ sqs }: Account, url: string): Promise<number> {
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }),
  );
  return [
    'ApproximateNumberOfMessages',
    'ApproximateNumberOfMessagesNotVisible',
    'ApproximateNumberOfMessagesDelayed',
  ].reduce((sum, name) => sum + Number(Attributes[name as keyof typeof Attributes] ?? 0), 0);
}

/** URLs of the dead-letter queues. */
export async function deadLetterQueues(account: Account): Promise<string[]> {
  return (await account.queues()).filter((url) => /-dlq(?:\.fifo)?$/.test(url));
}
