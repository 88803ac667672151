// One account of the local network by its own AWS APIs, as its administrator would use them.
import {
  BatchWriteItemCommand,
  DynamoDBClient,
  ScanCommand,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { DeleteObjectsCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import {
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  PurgeQueueCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { STAGE_NAME } from '../../cdk/names.ts';
import type { DynamoTable } from '../../functions/aws/dynamo-table.ts';
import { REGION, requireLoopback } from './environment.ts';
import { LocalError } from './errors.ts';
import { endpointOf, type PlannedMember } from './plan.ts';

export type FunctionCode =
  | { readonly zip: Buffer }
  /** An object of the account's own bucket. */
  | { readonly bucket: string; readonly key: string };

export interface AccountClient {
  /** Deletes every item; the table itself stays. Answers how many there were. */
  emptyTable(name: string): Promise<number>;
  /** Deletes every object; the bucket itself stays, and keeps no versions. Answers how many there were. */
  emptyBucket(name: string): Promise<number>;
  /** A table for the code that works on one. */
  table(name: string): DynamoTable;
  purgeQueue(url: string): Promise<void>;
  /** Messages of a queue, those in flight included. */
  queueDepth(name: string): Promise<number>;
  /** Whether the functions on queues of this account take messages. */
  setConsuming(isOn: boolean): Promise<void>;
  /** Whether the account's API answers: its stage is taken away, or put back as it was. */
  setServing(isOn: boolean): Promise<void>;
  /** Ends the function's warm processes: the next call starts cold. */
  restartFunction(name: string): Promise<void>;
  updateCode(name: string, code: FunctionCode): Promise<void>;
  /** Digest of the code that a function runs, as its account says. */
  codeDigest(name: string): Promise<string>;
}

/** Most items of one BatchWriteItem (DynamoDB API reference). */
const BATCH_ITEMS_MAX = 25;
const BATCH_TRIES_MAX = 10;
const RETRY_MS = 100;
const MAPPINGS = '/2015-03-31/event-source-mappings/';
const FUNCTIONS = '/2015-03-31/functions';

const mappingsSchema = z.object({
  EventSourceMappings: z.array(z.object({ UUID: z.string() })),
});
const apisSchema = z.object({ item: z.array(z.object({ id: z.string() })) });
const deploymentsSchema = z.object({
  item: z.array(z.object({ id: z.string(), createdDate: z.number() })),
});
const configurationSchema = z.object({
  Environment: z.object({ Variables: z.record(z.string(), z.string()) }),
});
const codeSchema = z.object({ CodeSha256: z.string().min(1) });

export function accountClient(member: PlannedMember): AccountClient {
  const endpoint = endpointOf(member);
  requireLoopback(endpoint);
  // The emulator takes the access key for the account's number.
  const credentials = {
    accessKeyId: member.account ?? '',
    secretAccessKey: 'local-network-only',
  };
  const options = { endpoint, credentials, region: REGION };
  const dynamo = new DynamoDBClient(options);
  const sqs = new SQSClient(options);
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  const lambda = (method: string, path: string, body?: unknown): Promise<unknown> =>
    callService(member, 'lambda', { method, path, body });
  return {
    emptyTable: (name) => emptyTable(dynamo, name),
    emptyBucket: (name) => emptyBucket(s3, name),
    table: (name) => ({ client: dynamo, name }),
    purgeQueue: async (url) => {
      await sqs.send(new PurgeQueueCommand({ QueueUrl: url }));
    },
    queueDepth: (name) => queueDepth(sqs, name),
    async setConsuming(isOn) {
      const { EventSourceMappings } = mappingsSchema.parse(await lambda('GET', MAPPINGS));
      for (const { UUID } of EventSourceMappings) {
        await lambda('PUT', `${MAPPINGS}${UUID}`, { Enabled: isOn });
      }
    },
    setServing: (isOn) => setServing(member, isOn),
    async restartFunction(name) {
      // The same environment again: a change of configuration is what ends warm processes.
      const path = `${FUNCTIONS}/${name}/configuration`;
      const { Environment } = configurationSchema.parse(await lambda('GET', path));
      await lambda('PUT', path, { Environment });
    },
    async updateCode(name, code) {
      const body =
        'zip' in code
          ? { ZipFile: code.zip.toString('base64') }
          : { S3Bucket: code.bucket, S3Key: code.key };
      await lambda('PUT', `${FUNCTIONS}/${name}/code`, body);
    },
    async codeDigest(name) {
      const path = `${FUNCTIONS}/${name}/configuration`;
      return codeSchema.parse(await lambda('GET', path)).CodeSha256;
    },
  };
}

async function emptyTable(dynamo: DynamoDBClient, TableName: string): Promise<number> {
  let count = 0;
  for (;;) {
    const { Items = [] } = await dynamo.send(
      new ScanCommand({ TableName, ProjectionExpression: 'pk, sk', ConsistentRead: true }),
    );
    if (Items.length === 0) return count;
    count += Items.length;
    for (let at = 0; at < Items.length; at += BATCH_ITEMS_MAX) {
      const batch = Items.slice(at, at + BATCH_ITEMS_MAX);
      await writeAll(
        dynamo,
        TableName,
        batch.map((Key) => ({ DeleteRequest: { Key } })),
      );
    }
  }
}

async function writeAll(
  dynamo: DynamoDBClient,
  table: string,
  requests: WriteRequest[],
): Promise<void> {
  let left = requests;
  for (let attempt = 0; attempt < BATCH_TRIES_MAX; attempt += 1) {
    const input = { RequestItems: { [table]: left } };
    const { UnprocessedItems } = await dynamo.send(new BatchWriteItemCommand(input));
    left = UnprocessedItems?.[table] ?? [];
    if (left.length === 0) return;
    await sleep(RETRY_MS);
  }
  throw new LocalError('command_failed', `${table} could not be emptied: it is throttled.`);
}

async function emptyBucket(client: S3Client, Bucket: string): Promise<number> {
  let count = 0;
  for await (const page of paginateListObjectsV2({ client }, { Bucket })) {
    const Objects = (page.Contents ?? []).map(({ Key }) => ({ Key }));
    if (Objects.length === 0) continue;
    const { Errors = [] } = await client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
    );
    if (Errors.length > 0) {
      throw new LocalError('command_failed', `${Bucket}: ${Errors[0]?.Code} at an object.`);
    }
    count += Objects.length;
  }
  return count;
}

const DEPTHS = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;

async function queueDepth(sqs: SQSClient, QueueName: string): Promise<number> {
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
  const { Attributes = {} } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...DEPTHS] }),
  );
  return DEPTHS.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
}

/** A stage is nothing but the name of a deployment: it can go and come back. */
async function setServing(member: PlannedMember, isOn: boolean): Promise<void> {
  const call = (method: string, path: string, body?: unknown): Promise<unknown> =>
    callService(member, 'apigateway', { method, path, body });
  const { item } = apisSchema.parse(await call('GET', '/restapis'));
  for (const { id } of item) {
    const stages = `/restapis/${id}/stages`;
    if (!isOn) {
      await call('DELETE', `${stages}/${STAGE_NAME}`);
      continue;
    }
    const found = deploymentsSchema.parse(await call('GET', `/restapis/${id}/deployments`));
    const newest = found.item.toSorted((a, b) => b.createdDate - a.createdDate)[0];
    await call('POST', stages, { stageName: STAGE_NAME, deploymentId: newest?.id });
  }
}

interface ServiceCall {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

/** The project has no client of these services; the emulators check no signature. */
async function callService(
  member: PlannedMember,
  service: 'lambda' | 'apigateway',
  { method, path, body }: ServiceCall,
): Promise<unknown> {
  const scope = `${member.account ?? ''}/20260101/${REGION}/${service}/aws4_request`;
  const response = await fetch(`${endpointOf(member)}${path}`, {
    method,
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.ok) return text === '' ? {} : (JSON.parse(text) as unknown);
  throw new LocalError(
    'command_failed',
    `${member.id}: ${service} answered ${response.status} to ${method} ${path}: ${text}`,
  );
}
