// What a stolen role tries on another account's resources, and the one thing that it may do.
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import {
  DecryptCommand,
  EncryptCommand,
  GetPublicKeyCommand,
  SignCommand,
} from '@aws-sdk/client-kms';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import {
  DeleteMessageCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import type { Clients } from './emulator-client.ts';
import type { Party } from './resources.ts';

export interface Attempt {
  readonly title: string;
  readonly run: (clients: Clients) => Promise<unknown>;
}

const KEY = { pk: { S: 'probe' }, sk: { S: 'probe' } } as const;
const BYTES = new Uint8Array(32);

/** Every kind of use of everything that the party holds, but the send to its inbox. */
export function attemptsOn(party: Party): readonly Attempt[] {
  return [
    ...party.tables.flatMap(onTable),
    ...party.keys.flatMap(onKey),
    ...party.buckets.flatMap(onBucket),
    ...party.queues.flatMap((url) => onQueue(url, url === party.inbox)),
  ];
}

/** A message to the inbox; malformed, so that a replica counts and drops it. */
export function sendTo(inbox: string): Attempt {
  const fifo = { MessageGroupId: 'main', MessageDeduplicationId: crypto.randomUUID() };
  return {
    title: `sqs:SendMessage ${inbox}`,
    run: ({ sqs }) =>
      sqs.send(new SendMessageCommand({ QueueUrl: inbox, MessageBody: 'probe', ...fifo })),
  };
}

function onTable(table: string): readonly Attempt[] {
  const TableName = table;
  const query = {
    TableName,
    KeyConditionExpression: 'pk = :pk',
    ExpressionAttributeValues: { ':pk': { S: 'probe' } },
  };
  return [
    attempt(`dynamodb:GetItem ${table}`, ({ dynamo }) =>
      dynamo.send(new GetItemCommand({ TableName, Key: KEY })),
    ),
    attempt(`dynamodb:Query ${table}`, ({ dynamo }) => dynamo.send(new QueryCommand(query))),
    attempt(`dynamodb:PutItem ${table}`, ({ dynamo }) =>
      dynamo.send(new PutItemCommand({ TableName, Item: KEY })),
    ),
    attempt(`dynamodb:DeleteItem ${table}`, ({ dynamo }) =>
      dynamo.send(new DeleteItemCommand({ TableName, Key: KEY })),
    ),
  ];
}

function onKey(KeyId: string): readonly Attempt[] {
  const signing = {
    KeyId,
    Message: BYTES,
    MessageType: 'DIGEST',
    SigningAlgorithm: 'ECDSA_SHA_256',
  } as const;
  const EncryptionContext = { purpose: 'read' };
  return [
    attempt(`kms:Sign ${KeyId}`, ({ kms }) => kms.send(new SignCommand(signing))),
    attempt(`kms:GetPublicKey ${KeyId}`, ({ kms }) => kms.send(new GetPublicKeyCommand({ KeyId }))),
    attempt(`kms:Encrypt ${KeyId}`, ({ kms }) =>
      kms.send(new EncryptCommand({ KeyId, Plaintext: BYTES, EncryptionContext })),
    ),
    attempt(`kms:Decrypt ${KeyId}`, ({ kms }) =>
      kms.send(new DecryptCommand({ KeyId, CiphertextBlob: BYTES, EncryptionContext })),
    ),
  ];
}

function onBucket(Bucket: string): readonly Attempt[] {
  const Key = 'probe';
  return [
    attempt(`s3:ListBucket ${Bucket}`, ({ s3 }) => s3.send(new ListObjectsV2Command({ Bucket }))),
    attempt(`s3:GetObject ${Bucket}`, ({ s3 }) => s3.send(new GetObjectCommand({ Bucket, Key }))),
    attempt(`s3:PutObject ${Bucket}`, ({ s3 }) =>
      s3.send(new PutObjectCommand({ Bucket, Key, Body: 'probe' })),
    ),
    attempt(`s3:DeleteObject ${Bucket}`, ({ s3 }) =>
      s3.send(new DeleteObjectCommand({ Bucket, Key })),
    ),
  ];
}

function onQueue(QueueUrl: string, isInbox: boolean): readonly Attempt[] {
  const others = [
    attempt(`sqs:ReceiveMessage ${QueueUrl}`, ({ sqs }) =>
      sqs.send(new ReceiveMessageCommand({ QueueUrl })),
    ),
    attempt(`sqs:DeleteMessage ${QueueUrl}`, ({ sqs }) =>
      sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'probe' })),
    ),
    attempt(`sqs:PurgeQueue ${QueueUrl}`, ({ sqs }) =>
      sqs.send(new PurgeQueueCommand({ QueueUrl })),
    ),
  ];
  if (isInbox) return others;
  const send = attempt(`sqs:SendMessage ${QueueUrl}`, ({ sqs }) =>
    sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'probe' })),
  );
  return [...others, send];
}

function attempt(title: string, run: Attempt['run']): Attempt {
  return { title, run };
}
