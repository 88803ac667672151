/** Every place of an account where something of a journey may lie: read whole, and planted in. */
import {
  type AttributeValue,
  PutItemCommand,
  ScanCommand,
  type ScanCommandOutput,
} from '@aws-sdk/client-dynamodb';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import {
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Account } from './emulator.ts';

/** Bytes of one item, object, message or file. */
export interface Dumped {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What is planted: a name for it, and its bytes, which a text-only place wraps in base64. */
export interface Planted {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Place {
  readonly name: string;
  plant(canaries: readonly Planted[]): Promise<void>;
  dump(): AsyncGenerator<Dumped>;
}

const SEPARATOR = Buffer.from([0]);
const CANARY_KEY = 'canary';

export async function placesOf(account: Account, logFile: string): Promise<Place[]> {
  const [tables, buckets, queues] = await Promise.all([
    account.tables(),
    account.buckets(),
    account.queues(),
  ]);
  return [
    ...tables.map((name) => tablePlace(account, name)),
    ...buckets.map((name) => bucketPlace(account, name)),
    ...queues.map((url) => queuePlace(account, url)),
    ...(await logGroups(account)).map((name) => logGroupPlace(account, name)),
    filePlace(`${account.id}: log file`, logFile),
  ];
}

function tablePlace({ id, dynamo }: Account, table: string): Place {
  return {
    name: `${id}: table ${table}`,
    async plant(canaries) {
      await Promise.all(
        canaries.map(({ name, bytes }) => {
          const Item = { pk: { S: CANARY_KEY }, sk: { S: name }, value: { B: bytes } };
          return dynamo.send(new PutItemCommand({ TableName: table, Item }));
        }),
      );
    },
    async *dump() {
      let start: ScanCommandOutput['LastEvaluatedKey'];
      do {
        const page: ScanCommandOutput = await dynamo.send(
          new ScanCommand({
            TableName: table,
            ...(start ? { ExclusiveStartKey: start } : {}),
            ConsistentRead: true,
          }),
        );
        for (const item of page.Items ?? []) {
          const name = `${item['pk']?.S ?? ''} ${item['sk']?.S ?? ''}`;
          yield { name, bytes: joined(attributeParts({ M: item })) };
        }
        start = page.LastEvaluatedKey;
      } while (start);
    },
  };
}

/** Names and values of all attributes, at any depth. */
function attributeParts(value: AttributeValue): (string | Uint8Array)[] {
  if (value.S !== undefined) return [value.S];
  if (value.N !== undefined) return [value.N];
  if (value.B !== undefined) return [value.B];
  if (value.SS !== undefined) return value.SS;
  if (value.NS !== undefined) return value.NS;
  if (value.BS !== undefined) return value.BS;
  if (value.L !== undefined) return value.L.flatMap(attributeParts);
  if (value.M === undefined) return [];
  return Object.entries(value.M).flatMap(([name, inner]) => [name, ...attributeParts(inner)]);
}

function bucketPlace({ id, s3 }: Account, bucket: string): Place {
  return {
    name: `${id}: bucket ${bucket}`,
    async plant(canaries) {
      await Promise.all(
        canaries.map(({ name, bytes }) => {
          const Key = `${CANARY_KEY}/${name}`;
          return s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: bytes }));
        }),
      );
    },
    async *dump() {
      let token: string | undefined;
      do {
        const page: ListObjectsV2CommandOutput = await s3.send(
          new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }),
        );
        for (const { Key = '' } of page.Contents ?? []) {
          const object = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
          const { Body, Metadata = {}, ContentType = '', ContentDisposition = '' } = object;
          const body = (await Body?.transformToByteArray()) ?? new Uint8Array(0);
          const headers = JSON.stringify({ Metadata, ContentType, ContentDisposition });
          yield { name: Key, bytes: joined([Key, headers, body]) };
        }
        token = page.NextContinuationToken;
      } while (token !== undefined);
    },
  };
}

/** Reading takes the messages out: the functions must not consume meanwhile. */
function queuePlace(account: Account, url: string): Place {
  const isFifo = url.endsWith('.fifo');
  return {
    name: `${account.id}: queue ${url.split('/').at(-1) ?? ''}`,
    async plant(canaries) {
      await Promise.all(
        canaries.map(({ name, bytes }) =>
          account.sqs.send(
            new SendMessageCommand({
              QueueUrl: url,
              MessageBody: `${name}: ${Buffer.from(bytes).toString('base64')}`,
              MessageAttributes: { canary: { DataType: 'Binary', BinaryValue: bytes } },
              ...(isFifo
                ? { MessageGroupId: CANARY_KEY, MessageDeduplicationId: crypto.randomUUID() }
                : {}),
            }),
          ),
        ),
      );
    },
    async *dump() {
      for (const message of await drainQueue(account, url)) {
        const attributes = Object.entries(message.MessageAttributes ?? {}).flatMap(
          ([name, { StringValue = '', BinaryValue }]) => [name, BinaryValue ?? StringValue],
        );
        const system = JSON.stringify(message.Attributes ?? {});
        const parts = [message.Body ?? '', system, ...attributes];
        yield { name: message.MessageId ?? '', bytes: joined(parts) };
      }
    },
  };
}

/** Takes all messages out of a queue, in order. */
export async function drainQueue({ sqs }: Account, url: string): Promise<Message[]> {
  const all: Message[] = [];
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: url,
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ['All'],
        MessageSystemAttributeNames: ['All'],
      }),
    );
    if (Messages.length === 0) return all;
    await Promise.all(
      Messages.map(({ ReceiptHandle }) =>
        sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle })),
      ),
    );
    all.push(...Messages);
  }
}

const groupsSchema = z.object({ logGroups: z.array(z.object({ logGroupName: z.string() })) });
const streamsSchema = z.object({ logStreams: z.array(z.object({ logStreamName: z.string() })) });
const eventsSchema = z.object({
  events: z.array(z.object({ message: z.string() })),
  nextForwardToken: z.string().optional(),
});

async function logGroups(account: Account): Promise<string[]> {
  const { logGroups: groups } = groupsSchema.parse(await account.logs('DescribeLogGroups', {}));
  return groups.map(({ logGroupName }) => logGroupName);
}

function logGroupPlace(account: Account, group: string): Place {
  return {
    name: `${account.id}: log group ${group}`,
    async plant(canaries) {
      const stream = { logGroupName: group, logStreamName: crypto.randomUUID() };
      await account.logs('CreateLogStream', stream);
      const logEvents = canaries.map(({ name, bytes }) => ({
        timestamp: Date.now(),
        message: `${name}: ${Buffer.from(bytes).toString('base64')}`,
      }));
      await account.logs('PutLogEvents', { ...stream, logEvents });
    },
    async *dump() {
      const input = { logGroupName: group };
      const { logStreams } = streamsSchema.parse(await account.logs('DescribeLogStreams', input));
      for (const { logStreamName } of logStreams) {
        let nextToken: string | undefined;
        for (;;) {
          const query = { ...input, logStreamName, startFromHead: true, nextToken };
          const page = eventsSchema.parse(await account.logs('GetLogEvents', query));
          const name = logStreamName;
          for (const { message } of page.events) yield { name, bytes: joined([message]) };
          if (page.nextForwardToken === undefined || page.nextForwardToken === nextToken) break;
          nextToken = page.nextForwardToken;
        }
      }
    },
  };
}

function filePlace(name: string, path: string): Place {
  return {
    name,
    async plant(canaries) {
      for (const { bytes } of canaries) {
        appendFileSync(path, Buffer.concat([Buffer.from('\n'), bytes, Buffer.from('\n')]));
      }
    },
    async *dump() {
      yield { name: path, bytes: readFileSync(path) };
    },
  };
}

/** All regular files below a folder; unreadable ones are an error, not a gap. */
export function* filesBelow(folder: string): Generator<Dumped> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield { name: path, bytes: readFileSync(path) };
  }
}

function joined(parts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => [typeof part === 'string' ? Buffer.from(part) : part, SEPARATOR]),
  );
}
