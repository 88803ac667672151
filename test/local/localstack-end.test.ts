// LocalStack whose database died is gone, and says so: it never goes on with an empty one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { writeJsonFile } from '../../local/lib/json-file.ts';
import {
  accountLayout,
  type Layout,
  layoutOf,
  LOCALSTACK_FOLDER,
  LOCALSTACK_REQUIREMENTS,
  PROJECT_ROOT,
  pythonFolder,
} from '../../local/lib/layout.ts';
import { ownIdentity } from '../../local/lib/process-identity.ts';
import { pythonIsReady } from '../../local/lib/python-environment.ts';
import { endOfLocalstack, whileLocalstackRuns } from '../../local/localstack/end.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** LocalStack's own class runs a command that ends at once, as its DynamoDB server starts it. */
const PROGRAM = `
from carequorum_localstack.patches import end_with_dynamodb
from localstack.runtime import events
from localstack.services.dynamodb import server

end_with_dynamodb()

def run(auto_restart):
    command = ["sh", "-c", "exit 3"]
    thread = server.ShellCommandThread(command, auto_restart=auto_restart)
    thread.start()
    print(thread.result_future.result(10), flush=True)

run(auto_restart=False)
events.infra_stopping.set()
run(auto_restart=True)
events.infra_stopping.clear()
run(auto_restart=True)
`;

const environment = pythonFolder(LOCALSTACK_REQUIREMENTS);

test.skipIf(!pythonIsReady(environment))(
  'a database that dies is said and ends LocalStack, one that is stopped does not',
  async () => {
    const python = join(environment, 'bin', 'python');
    const path = [join(LOCALSTACK_FOLDER, 'python'), join(PROJECT_ROOT, 'local', 'python')];
    const env = { PATH: process.env['PATH'], PYTHONPATH: path.join(delimiter) };
    // It ends its whole process group.
    const child = spawn(python, ['-B', '-c', PROGRAM], { detached: true, env, timeout: 20_000 });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    child.stderr.on('data', (part: Buffer) => (output += part.toString()));
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect(output.trim().split('\n')).toEqual([
      '3',
      '3',
      'DynamoDB Local ended by itself (exit code 3): all tables are gone. Stopping.',
    ]);
    expect(signal).toBe('SIGKILL');
  },
);

/** The folder of a network whose LocalStack is this process, or one that is gone. */
function localstack(life: string | null, isAlive: boolean): Layout {
  const layout = layoutOf(temporaryFolder());
  const account = accountLayout(layout, 'localstack');
  mkdirSync(account.root, { recursive: true });
  mkdirSync(layout.logs, { recursive: true });
  writeFileSync(account.log, 'Ready.\nDynamoDB Local ended by itself (exit code -9)\n');
  if (life !== null) writeJsonFile(account.life, { life });
  writeJsonFile(account.process, isAlive ? ownIdentity() : { pid: process.pid, started: 'before' });
  return layout;
}

test.each([
  ['runs', 'running', true],
  ['was stopped in order', 'clean', false],
  ['was forgotten by a stop', null, false],
])('one that %s has not ended by itself', async (_, life, isAlive) => {
  const layout = localstack(life, isAlive);
  expect(endOfLocalstack(layout)).toBeUndefined();
  await expect(whileLocalstackRuns(layout, () => Promise.resolve(7))).resolves.toBe(7);
});

test('work that waits for one that ended is ended, with what the log says last', async () => {
  const layout = localstack('running', true);
  const never = whileLocalstackRuns(layout, () => new Promise(() => undefined));
  writeJsonFile(accountLayout(layout, 'localstack').process, { pid: process.pid, started: 'gone' });
  await expect(never).rejects.toMatchObject({
    code: 'emulator_failed',
    message: expect.stringContaining('DynamoDB Local ended by itself (exit code -9)') as string,
    cure: expect.stringContaining('Start again') as string,
  });
});
