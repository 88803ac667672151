/** How many calls a process makes to AWS, by client and operation: what a transaction costs. */

import type { FinalizeRequestMiddleware, MiddlewareStack } from '@smithy/types';

interface CountedClient<Input extends object, Output extends object> {
  readonly middlewareStack: MiddlewareStack<Input, Output>;
}

const calls = new Map<string, number>();

/**
 * The same client, each of whose attempts is counted from now on. The client's own log of its
 * calls, which goes nowhere but copies every input and output, is taken out.
 */
export function counted<
  Input extends object,
  Output extends object,
  Client extends CountedClient<Input, Output>,
>(client: Client & CountedClient<Input, Output>): Client {
  const count: FinalizeRequestMiddleware<Input, Output> =
    (next, { clientName = '', commandName = '' }) =>
    (given) => {
      const name = `${clientName.replace(/Client$/, '')}.${commandName.replace(/Command$/, '')}`;
      calls.set(name, (calls.get(name) ?? 0) + 1);
      return next(given);
    };
  client.middlewareStack.remove('loggerMiddleware');
  // Low: inside of the client's own retries.
  client.middlewareStack.add(count, {
    name: 'countCalls',
    step: 'finalizeRequest',
    priority: 'low',
  });
  return client;
}

/** Calls since this was last asked, such as `{ 'DynamoDB.GetItem': 3 }`. */
export function takeCalls(): Record<string, number> {
  const taken = Object.fromEntries([...calls].sort(([a], [b]) => (a < b ? -1 : 1)));
  calls.clear();
  return taken;
}
