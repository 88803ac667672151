// Starting, stopping and killing one account's process, tried on a small stand-in.
import { createServer, type Server } from 'node:http';
import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  type AccountCommand,
  killAccount,
  lifeOf,
  pauseAccount,
  processOf,
  startAccount,
  stopAccount,
} from '../../local/lib/account-process.ts';
import { type AccountLayout, accountLayout, layoutOf } from '../../local/lib/layout.ts';
import { findPorts } from '../../local/lib/ports.ts';
import { signalGroup } from '../../local/lib/process-identity.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Serves a health route, records itself, and saves when it is asked to stop. */
const SERVER = `
const fs = require('node:fs'), http = require('node:http');
const [folder, port, identity] = process.argv.slice(2);
const write = (name, value) => fs.writeFileSync(folder + '/' + name, JSON.stringify(value));
const stat = fs.readFileSync('/proc/self/stat', 'utf8');
const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
write('process.json', { pid: process.pid, started });
write('life.json', { life: 'running' });
process.on('SIGTERM', () => {
  if (!fs.existsSync(folder + '/stubborn')) write('life.json', { life: 'clean' });
  process.exit(0);
});
http.createServer((_, response) => response.end()).listen(Number(port), '127.0.0.1');
`;

async function makeAccount(): Promise<{ account: AccountLayout; command: AccountCommand }> {
  const layout = layoutOf(temporaryFolder());
  const account = accountLayout(layout, 'hospital-a');
  mkdirSync(account.root, { recursive: true });
  mkdirSync(layout.logs);
  const script = join(layout.root, 'server.cjs');
  writeFileSync(script, SERVER);
  const [port = 0] = await findPorts(1);
  onTestFinished(() => {
    const left = processOf(account);
    if (left !== undefined) signalGroup(left, 'SIGKILL');
  });
  const command = {
    program: process.execPath,
    args: [script, account.root, String(port)],
    env: {},
    healthUrl: `http://127.0.0.1:${port}/`,
  };
  return { account, command };
}

const onLinux = process.platform === 'linux';

test.runIf(onLinux)('goes from fresh to running to saved, and round again', async () => {
  const { account, command } = await makeAccount();
  expect(lifeOf(account)).toBe('fresh');
  for (let round = 0; round < 2; round += 1) {
    await startAccount(account, command);
    expect(lifeOf(account)).toBe('running');
    await stopAccount(account);
    expect(lifeOf(account)).toBe('saved');
  }
});

test.runIf(onLinux)('a process that ends without saving is lost, and it is said', async () => {
  const { account, command } = await makeAccount();
  await startAccount(account, command);
  writeFileSync(join(account.root, 'stubborn'), '');
  await expect(stopAccount(account)).rejects.toMatchObject({ code: 'not_saved' });
  expect(lifeOf(account)).toBe('lost');
});

test.runIf(onLinux)(
  'one that is paused answers nothing, goes on, and saves even while paused',
  async () => {
    const { account, command } = await makeAccount();
    expect(pauseAccount(account, true)).toBe(false);
    await startAccount(account, command);
    const ask = (): Promise<Response> =>
      fetch(command.healthUrl, { signal: AbortSignal.timeout(500) });
    expect(pauseAccount(account, true)).toBe(true);
    expect(lifeOf(account)).toBe('running');
    await expect(ask()).rejects.toThrow();
    expect(pauseAccount(account, false)).toBe(true);
    expect((await ask()).status).toBe(200);
    pauseAccount(account, true);
    await stopAccount(account);
    expect(lifeOf(account)).toBe('saved');
  },
);

test.runIf(onLinux)('kill destroys what was saved before', async () => {
  const { account, command } = await makeAccount();
  await startAccount(account, command);
  writeFileSync(join(account.state, 'kms.json'), '{}');
  await killAccount(account);
  expect(lifeOf(account)).toBe('killed');
  expect(processOf(account)).toBeUndefined();
});

test('a process that ends during its start is told with its last words', async () => {
  const { account, command } = await makeAccount();
  const failing = { ...command, args: ['-e', 'console.log("address in use"); process.exit(1)'] };
  await expect(startAccount(account, failing)).rejects.toMatchObject({
    code: 'emulator_failed',
    message: expect.stringContaining('address in use') as string,
    cure: expect.stringContaining(account.log) as string,
  });
});

test('a start can be interrupted while it waits', async () => {
  const { account, command } = await makeAccount();
  const silent: Server = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => {
    silent.closeAllConnections();
    silent.close();
  });
  const { port } = silent.address() as AddressInfo;
  const waiting = {
    ...command,
    args: ['-e', 'setTimeout(() => {}, 3000)'],
    healthUrl: `http://127.0.0.1:${port}/`,
  };
  const started = startAccount(account, waiting, AbortSignal.timeout(100));
  await expect(started).rejects.toMatchObject({ code: 'interrupted' });
});
