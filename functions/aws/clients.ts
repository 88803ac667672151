/** AWS clients, one of each per process, with connections kept alive. */

import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import { SQSClient } from '@aws-sdk/client-sqs';
import { counted } from './call-count.ts';

/** A function's run is 10 s: better a retry than a call that hangs. */
const requestHandler = {
  connectionTimeout: 1_000,
  requestTimeout: 4_000,
  throwOnRequestTimeout: true,
} as const;
const attemptsMax = 4;

let dynamo: DynamoDBClient | undefined;
let sqs: SQSClient | undefined;
let kms: KMSClient | undefined;

/** Endpoint, region and credentials come from the function's environment (AWS_ENDPOINT_URL too). */
export function dynamoClient(): DynamoDBClient {
  return (dynamo ??= counted(new DynamoDBClient({ maxAttempts: attemptsMax, requestHandler })));
}

/** The host of a queue's URL decides where a call goes, so that peers' queues are reached. */
export function sqsClient(): SQSClient {
  return (sqs ??= counted(
    new SQSClient({
      maxAttempts: 2,
      useQueueUrlAsEndpoint: true,
      requestHandler: {
        connectionTimeout: 500,
        requestTimeout: 1_000,
        throwOnRequestTimeout: true,
      },
    }),
  ));
}

export function kmsClient(): KMSClient {
  return (kms ??= counted(new KMSClient({ maxAttempts: attemptsMax, requestHandler })));
}
