/** Calls to AWS are counted by operation, each attempt of the client's own retries too. */
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { counted, takeCalls } from '../../../functions/aws/call-count.ts';
import { logger, logRequest } from '../../../functions/aws/logger.ts';

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

afterEach(() => vi.restoreAllMocks());

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

  it('stand in the line of their own request, also where it failed', async () => {
    const lines = (['info', 'warn', 'error'] as const).map((level) =>
      vi.spyOn(logger, level).mockImplementation(() => undefined),
    );
    const client = clientOf();
    const facts = { correlationId: 'c', route: 'r', status: 503, milliseconds: 1 };
    for (const code of ['unavailable', 'internal', undefined]) {
      await client.send(new GetItemCommand(key));
      logRequest(code === undefined ? facts : { ...facts, code, error: new Error('away') });
    }
    for (const line of lines) {
      expect(line).toHaveBeenCalledOnce();
      expect(line.mock.lastCall?.[1]).toMatchObject({ calls: { 'DynamoDB.GetItem': 1 } });
    }
  });

  it('are counted from zero once they were taken', async () => {
    await clientOf().send(new GetItemCommand(key));
    takeCalls();
    expect(takeCalls()).toEqual({});
  });
});
