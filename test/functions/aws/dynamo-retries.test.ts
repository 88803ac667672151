import { TransactionCanceledException, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { dynamoMempool } from '../../../functions/aws/dynamo-mempool.ts';
import { dynamoPageStore } from '../../../functions/aws/dynamo-page-store.ts';
import { mapParallel } from '../../../functions/aws/parallel.ts';
import { pending } from './stores-contract.ts';

interface Command {
  constructor: { name: string };
  input: Record<string, unknown>;
}

/** A client that answers from a function, for what an emulator never does. */
function clientOf(answer: (name: string, input: Record<string, unknown>) => unknown) {
  const names: string[] = [];
  const send = async (command: Command): Promise<unknown> => {
    const { name } = command.constructor;
    names.push(name);
    return answer(name, command.input);
  };
  return { names, table: { client: { send } as unknown as DynamoDBClient, name: 'table' } };
}

/** Answers for counters and turns; notes by how much counters were moved. */
function counted(input: Record<string, unknown>, moved: unknown[]): unknown {
  const values = input['ExpressionAttributeValues'] as Record<string, { N: string }>;
  if (values[':count'] === undefined) return { Attributes: { lastTurn: values[':cost'] } };
  moved.push(values[':count'].N);
  return { Attributes: { entries: values[':count'] } };
}

const page = (id: string) => ({ id, bytes: new Uint8Array([1]) });

describe('batches', () => {
  it('are repeated for what was left unprocessed', async () => {
    let calls = 0;
    const { table, names } = clientOf((_, input) => {
      calls += 1;
      const requests = (input['RequestItems'] as Record<string, unknown[]>)['table'] ?? [];
      return calls < 3 ? { UnprocessedItems: { table: requests.slice(1) } } : {};
    });
    await dynamoPageStore(table).putPages('main', [page('a'), page('b'), page('c')]);
    expect(names).toHaveLength(3);
  });

  it('are given up by name when nothing helps', async () => {
    const { table } = clientOf((_, input) => ({ UnprocessedItems: input['RequestItems'] }));
    const put = dynamoPageStore(table).putPages('main', [page('a')]);
    await expect(put).rejects.toMatchObject({ name: 'StorageError', code: 'unprocessed' });
  });

  it('are repeated for keys left unread', async () => {
    let calls = 0;
    const { table } = clientOf((_, input) => {
      calls += 1;
      const { Keys = [] } = (input['RequestItems'] as Record<string, { Keys?: unknown[] }>)[
        'table'
      ] as { Keys?: Record<string, unknown>[] };
      const found = Keys.slice(0, 1).map((key) => ({ ...key, bytes: { B: new Uint8Array([7]) } }));
      const rest = Keys.slice(1);
      const left = rest.length > 0 ? { UnprocessedKeys: { table: { Keys: rest } } } : {};
      return { Responses: { table: found }, ...left };
    });
    const pages = await dynamoPageStore(table).getPages('main', ['a', 'b', 'c']);
    expect(pages).toEqual([7, 7, 7].map((byte) => new Uint8Array([byte])));
    expect(calls).toBe(3);
  });
});

describe('the mempool', () => {
  it('tries again when two submissions conflict, and gives back room for what is known', async () => {
    const entries = pending(40).filter(({ id }) => parseInt(id.slice(0, 2), 16) % 4 === 0);
    const released: unknown[] = [];
    let transactions = 0;
    const { table } = clientOf((name, input) => {
      if (name === 'BatchGetItemCommand') return {};
      if (name === 'UpdateItemCommand') return counted(input, released);
      transactions += 1;
      if (transactions > 2) return {};
      throw new TransactionCanceledException({
        message: 'cancelled',
        $metadata: {},
        // Two of each entry: its name, then itself.
        CancellationReasons: entries.flatMap((_, index) => [
          {
            Code: ['TransactionConflict', 'ConditionalCheckFailed'][
              index === 0 && transactions === 2 ? 1 : 0
            ],
          },
          { Code: 'None' },
        ]),
      });
    });
    const mempool = dynamoMempool(table, { now: () => 0 });
    const outcomes = await mempool.submit('main', entries);
    expect(outcomes).toEqual(['known', ...entries.slice(1).map(() => 'accepted')]);
    expect(transactions).toBe(3);
    expect(released).toEqual([String(entries.length), '-1']);
  });

  it('gives back all room when the store fails', async () => {
    const [entry] = pending(1);
    const moved: unknown[] = [];
    const { table } = clientOf((name, input) => {
      if (name === 'BatchGetItemCommand') return {};
      if (name !== 'UpdateItemCommand') throw new Error('down');
      return counted(input, moved);
    });
    const mempool = dynamoMempool(table, { now: () => 0 });
    await expect(mempool.submit('main', entry ? [entry] : [])).rejects.toThrow('down');
    expect(moved).toEqual(['1', '-1']);
  });
});

describe('mapParallel', () => {
  it('keeps order and the bound', async () => {
    let running = 0;
    let most = 0;
    const results = await mapParallel([5, 1, 3, 2, 4], 2, async (n) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, n));
      running -= 1;
      return n * 2;
    });
    expect(results).toEqual([10, 2, 6, 4, 8]);
    expect(most).toBe(2);
  });
});
