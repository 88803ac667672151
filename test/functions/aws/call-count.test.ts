/** Calls to AWS are counted by operation, each attempt of the client's own retries too. */
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { beforeEach, describe, expect, it } from 'vitest';
import { counted, takeCalls } from '../../../functions/aws/call-count.ts';

/** A client whose service answers with these status codes, one after another. */
function clientOf(...statusCodes: number[]): DynamoDBClient {
  const left = [...statusCodes];
  return counted(
    new DynamoDBClient({
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      maxAttempts: 3,
      requestHandler: {
        handle: () =>
          Promise.resolve({
            response: { statusCode: left.shift() ?? 200, headers: {}, body: new Uint8Array() },
          }),
      },
    }),
  );
}

const key = { TableName: 'a-table', Key: { pk: { S: 'a' } } };

beforeEach(() => {
  takeCalls();
});

describe('calls to AWS', () => {
  it('are counted by client and operation', async () => {
    const client = clientOf();
    await client.send(new GetItemCommand(key));
    await client.send(new GetItemCommand(key));
    await client.send(new PutItemCommand({ TableName: 'a-table', Item: { pk: { S: 'a' } } }));
    expect(takeCalls()).toEqual({ 'DynamoDB.GetItem': 2, 'DynamoDB.PutItem': 1 });
  });

  it('count each attempt', async () => {
    await clientOf(500, 200).send(new GetItemCommand(key));
    expect(takeCalls()).toEqual({ 'DynamoDB.GetItem': 2 });
  });

  it('are counted from zero once they were taken', async () => {
    await clientOf().send(new GetItemCommand(key));
    takeCalls();
    expect(takeCalls()).toEqual({});
  });
});
